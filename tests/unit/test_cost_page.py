"""docs/cost.md: its prices, its sources and its sum are those of prices.json."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import orchestrator
from orchestrator.model.ids import MAX_TASKS
from orchestrator.model.wire import REPORTS_MAX
from orchestrator.service.prices import load_prices

PAGE = (Path(__file__).parents[2] / "docs" / "cost.md").read_text()
FILE = json.loads((Path(orchestrator.__file__).parent / "prices.json").read_text())
PRICES = {
    name: (float(price), source)
    for name, price, source in re.findall(
        r"^\| [^|`]+ \| `(\w+)` \| ([\d.]+) \| (.+) \|$", PAGE, re.M
    )
}
USED = {
    name: (each.strip(), float(total.replace(",", "")), float(dollars))
    for name, each, total, dollars in re.findall(
        r"^\| `(\w+)` \|([^|]*)\| ([\d,]+) \| ([\d.]+) \|", PAGE, re.M
    )
}


def test_the_table_of_prices_is_the_file_s() -> None:
    entries = FILE["price_per_million"].items()
    assert {name: (entry["price"], entry["source"]) for name, entry in entries} == PRICES


def test_the_region_and_the_date_are_the_file_s() -> None:
    assert f"Region {FILE['region']}, US dollars, as of {FILE['as_of']}:" in PAGE


def test_a_million_tasks_use_and_cost_what_a_dry_run_says() -> None:
    prices = load_prices()
    used = prices.used(MAX_TASKS, None)
    dollars = prices.dollars(used)
    assert {name: total for name, (_, total, _) in USED.items()} == pytest.approx(used)
    assert {name: cost for name, (_, _, cost) in USED.items()} == pytest.approx(dollars, abs=5e-5)
    assert {name: float(each) for name, (each, _, _) in USED.items() if each} == prices.per_task
    (total,) = re.findall(r"\| all of them \| \| \| ([\d.]+) \|", PAGE)
    assert float(total) == pytest.approx(sum(dollars.values()), abs=5e-5)


def test_the_functions_time_is_the_file_s() -> None:
    prices = load_prices()
    report, task = (
        prices.per_report_call["lambda_gb_seconds"],
        prices.per_task_in_machine["lambda_gb_seconds"],
    )
    said = " ".join(PAGE.split())
    assert f"{report} GB-seconds for a full report of {REPORTS_MAX} tasks, {task} a task" in said
    assert f"{prices.per_report_call['dynamodb_read_units']} read units each" in said
