"""The report of a chaos run: JSON for programs, one page of Markdown for people."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local.faults.knobs import KINDS
from tests.chaos.run import LEASE_SECONDS, SLOTS, WORKERS, Outcome

_PROBLEMS_SHOWN = 20


def faults_by_kind(outcome: Outcome) -> dict[str, int]:
    """Return how many faults of each kind were really injected, those that never came included."""
    found: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    for (kind, _), number in outcome.faults.items():
        found[kind] += number
    return dict(found)


def as_json(outcomes: Sequence[Outcome], rates: Mapping[str, float]) -> dict[str, Any]:
    """Return the whole report."""
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "rates": dict(rates),
        "workers": WORKERS,
        "slots": SLOTS,
        "lease_seconds": LEASE_SECONDS,
        "passed": not any(outcome.problems for outcome in outcomes),
        "runs": [_run(outcome) for outcome in outcomes],
    }


def _run(outcome: Outcome) -> dict[str, Any]:
    return {
        "seed": outcome.seed,
        "tasks": outcome.tasks,
        "verdict": "failed" if outcome.problems else "passed",
        "problems": outcome.problems,
        "counts": outcome.counts,
        "executions": outcome.executions,
        "faults": faults_by_kind(outcome),
        "faults_on": {
            f"{kind} {on}": number for (kind, on), number in sorted(outcome.faults.items())
        },
        "seconds": {name: round(value, 1) for name, value in outcome.seconds.items()},
        "logs": str(outcome.logs) if outcome.logs else None,
    }


def as_markdown(report: Mapping[str, Any]) -> str:
    """Return one page."""
    runs = report["runs"]
    head = "| | " + " | ".join(f"seed {run['seed']}" for run in runs) + " |"
    lines = [
        "# Chaos run",
        "",
        f"{report['at']}. {report['workers']} workers of {report['slots']} slots, leases of "
        f"{report['lease_seconds']} s. **{'Passed' if report['passed'] else 'FAILED'}.**",
        "",
        head,
        "|---" * (len(runs) + 1) + "|",
        _row("verdict", runs, lambda run: run["verdict"]),
        _row("tasks", runs, lambda run: f"{run['tasks']:,}"),
        _row("succeeded", runs, lambda run: f"{run['counts'].get('succeeded', 0):,}"),
        _row("failed, as planned", runs, lambda run: f"{run['counts'].get('failed', 0):,}"),
        _row("executions of the machine", runs, lambda run: run["executions"]),
        _row("seconds under faults", runs, lambda run: run["seconds"].get("the job under faults")),
        "",
        "Faults really injected:",
        "",
        head.replace("| |", "| fault (probability) |", 1),
        "|---" * (len(runs) + 1) + "|",
        *(
            _row(f"{kind} ({rate:g})", runs, lambda run, kind=kind: f"{run['faults'][kind]:,}")
            for kind, rate in report["rates"].items()
        ),
    ]
    return "\n".join([*lines, *_problems(runs), ""])


def _row(name: str, runs: Sequence[Mapping[str, Any]], cell: Any) -> str:
    return f"| {name} | " + " | ".join(str(cell(run)) for run in runs) + " |"


def _problems(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for run in runs:
        if run["problems"]:
            lines += ["", f"Seed {run['seed']}, {len(run['problems'])} problems:", ""]
            lines += [f"- {problem}" for problem in run["problems"][:_PROBLEMS_SHOWN]]
    return lines


def write(report: Mapping[str, Any], folder: Path) -> Path:
    """Write both forms; return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    page = folder / "report.md"
    page.write_text(as_markdown(report))
    return page
