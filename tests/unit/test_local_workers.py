"""Workers of the local stack: how many, and where each tells how it fares."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import __main__, control, launch, stack
from local.errors import LocalError
from local.scope import Scope
from tests.unit.test_local_demo import STACK
from worker.log import Log
from worker.settings import read_settings


def options(*arguments: str) -> launch.Options:
    return __main__.options(__main__.parse([*arguments]))


def test_a_stack_that_stays_may_have_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert options("up", "--workers", "0").workers == 0
    monkeypatch.setenv("WORKERS", "0")
    assert options("up").workers == 0
    monkeypatch.setenv("WORKERS", "")
    assert options("up").workers == 2


@pytest.mark.parametrize("text", ["-1", "65", "none"])
def test_a_number_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(LocalError, match=f"WORKERS={text} is not a number from 0 to 64"):
        options("up", f"--workers={text}")


def test_a_demo_without_workers_would_never_end() -> None:
    with pytest.raises(LocalError, match="WORKERS=0 is not a number from 1 to 64"):
        options("demo", "--workers", "0")


def test_a_stack_without_workers_starts_none_and_is_whole(tmp_path: Path) -> None:
    with Scope() as scope:
        workers = launch.start_workers(scope, STACK, launch.Options(workers=0), tmp_path)
    running = stack.Running(STACK, None, workers, tmp_path, tmp_path)
    assert running.workers == ()
    launch.check_workers(running)


def test_workers_of_one_machine_do_not_share_a_port() -> None:
    settings = read_settings(launch.worker_environment(STACK, launch.Options(workers=2)))
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 0)


def test_status_tells_where_a_worker_serves_by_the_newest_word_of_its_log(tmp_path: Path) -> None:
    file = tmp_path / "worker-1.log"
    assert control.probes_address(file) == ""
    lines = list[str]()
    log = Log(write=lines.append).bind(worker_id="w")
    log.info("started", slots=2)
    file.write_text("".join(lines))
    assert control.probes_address(file) == ""
    for port in (4001, 4002):
        log.info("serving", host="127.0.0.1", port=port)
    log.info("started", slots=2)
    file.write_text("".join(lines))
    assert control.probes_address(file) == "http://127.0.0.1:4002/metrics"
