"""FAULTS is read strictly; decisions follow from the seed, and each fault is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import __main__
from local.faults import ledger
from local.faults.knobs import KINDS, Faults, FaultsError, parse
from tests.unit.local_faults.dice import dice_of


def test_what_is_read_is_what_was_given() -> None:
    text = "kill_worker=0.05 throttle=0.1 seed=7"
    assert parse(text) == Faults({"kill_worker": 0.05, "throttle": 0.1}, 7)
    assert parse(parse(text).text()) == parse(text)


def test_every_kind_can_be_given_together() -> None:
    text = ",".join(f"{kind}=1" for kind in KINDS)
    assert parse(text).rates == dict.fromkeys(KINDS, 1.0)


@pytest.mark.parametrize("text", ["", "   ", "seed=3", "throttle=0"])
def test_nothing_happens_where_nothing_may(text: str) -> None:
    assert not parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "thottle=0.1",
        "throttle",
        "throttle=",
        "throttle=x",
        "throttle=-0.1",
        "throttle=1.1",
        "throttle=nan",
        "throttle=inf",
        "seed=1.5",
        "seed=-1",
        "seed=",
        "throttle=0.1 throttle=0.2",
        "=0.1",
    ],
)
def test_what_cannot_be_read_is_refused_with_all_names_and_meanings(text: str) -> None:
    with pytest.raises(FaultsError) as refused:
        parse(text)
    for kind, meaning in KINDS.items():
        assert kind in str(refused.value)
        assert meaning in str(refused.value)


def test_the_command_takes_faults_as_an_option_and_from_make(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FAULTS", "delay=0.5")
    assert __main__.options(__main__.parse(["up"])).faults.rates == {"delay": 0.5}
    chosen = __main__.parse(["up", "--faults", "delay=0.25 seed=2"])
    assert __main__.options(chosen).faults == Faults({"delay": 0.25}, 2)
    assert not __main__.options(__main__.parse(["demo"])).faults


def test_the_same_seed_and_process_decide_the_same(tmp_path: Path) -> None:
    def decisions(name: str) -> list[bool]:
        folder = tmp_path / name
        folder.mkdir()
        dice = dice_of(folder, throttle=0.5)
        return [dice.falls("throttle") for _ in range(100)]

    first = decisions("a")
    assert first == decisions("b")
    assert 20 < sum(first) < 80


def test_another_process_of_a_role_decides_otherwise_in_a_file_of_its_own(tmp_path: Path) -> None:
    one, two = dice_of(tmp_path, throttle=0.5), dice_of(tmp_path, throttle=0.5)
    assert [one.falls("throttle") for _ in range(50)] != [two.falls("throttle") for _ in range(50)]
    one.note("throttle", "sqs.ReceiveMessage")
    two.note("throttle", "sqs.ReceiveMessage")
    two.note("kill_worker", "worker")
    assert ledger.read(tmp_path) == {
        ("throttle", "sqs.ReceiveMessage"): 2,
        ("kill_worker", "worker"): 1,
    }
    assert ledger.by_kind(tmp_path) == {"throttle": 2, "kill_worker": 1}


def test_a_stack_without_faults_has_none_to_count(tmp_path: Path) -> None:
    assert ledger.by_kind(tmp_path / "faults") == {}
