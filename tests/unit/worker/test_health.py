"""Alive: each thread beats in time. Ready: it has received and reported, and still can."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from orchestrator.model.wire import CompleteIn, HeartbeatIn
from tests.unit.worker.conftest import Stage, poll
from tests.unit.worker.fakes.api import FakeApi
from tests.unit.worker.fakes.queue import FakeQueue
from tests.unit.worker.test_dispatch import Clock
from worker.health import CALL_SECONDS_MAX, FAILING_SECONDS, Health
from worker.metered import MeteredApi, MeteredQueue
from worker.metrics import Meters
from worker.ports import ApiRefused, Unavailable

BEAT = HeartbeatIn(version="v", slots=1, handlers=[], draining=False)


class World:
    """Counted ports over fakes, and a clock that the test moves."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.health = Health(self.clock, started=True)
        self.queue, self.api = FakeQueue(), FakeApi()
        meters = Meters()
        self._queue = MeteredQueue(self.queue, self.health.receive, self.health, meters)
        self._api = MeteredApi(self.api, self.health, meters)

    def receive(self) -> None:
        self._queue.receive(1, wait=False)

    def beat(self) -> None:
        self._api.heartbeat("w", BEAT)

    def report(self) -> None:
        self._api.complete(CompleteIn(worker_id="w"))

    def fail(self, call: Callable[[], None]) -> None:
        self.queue.down = self.api.down = True
        with pytest.raises(Unavailable):
            call()
        self.queue.down = self.api.down = False


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def ready(world: World) -> World:
    world.receive()
    world.beat()
    assert world.health.unready() == []
    return world


def test_a_worker_is_not_ready_before_it_can_receive_and_report(world: World) -> None:
    assert world.health.unready() == [
        "starting: no receive has worked yet",
        "starting: no heartbeat has worked yet",
    ]
    world.receive()
    assert world.health.unready() == ["starting: no heartbeat has worked yet"]
    world.fail(world.beat)
    assert world.health.unready() == ["starting: no heartbeat has worked yet"]
    world.beat()
    assert world.health.unready() == []


def test_a_worker_is_not_ready_while_its_handlers_are_loaded_or_it_drains(ready: World) -> None:
    ready.health.draining = True
    assert ready.health.unready() == ["draining"]
    ready.health.draining = ready.health.started = False
    assert ready.health.unready() == ["starting: the handlers are being loaded"]


@pytest.mark.parametrize("name", ["receive", "beat", "report"])
def test_calls_that_fail_for_long_end_readiness_until_one_works(ready: World, name: str) -> None:
    call: Callable[[], None] = getattr(ready, name)
    ready.fail(call)
    ready.clock.now += FAILING_SECONDS
    ready.fail(call)
    assert ready.health.unready() == []
    ready.clock.now += 1
    ready.fail(call)
    (reason,) = ready.health.unready()
    assert "fails since 61 s" in reason
    call()
    assert ready.health.unready() == []


def test_a_failure_that_nobody_repeats_is_forgotten(ready: World) -> None:
    """Reports fail, their leases end, nothing is left to report: nothing would ever clear it."""
    for _ in range(2):
        ready.fail(ready.report)
        ready.clock.now += FAILING_SECONDS + 1
    assert ready.health.unready() != []
    ready.clock.now += 2 * FAILING_SECONDS
    assert ready.health.unready() == []


def test_a_report_that_is_refused_is_no_trouble_of_the_way(
    ready: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: CompleteIn) -> None:
        raise ApiRefused(400, "no")

    monkeypatch.setattr(ready.api, "complete", refuse)
    for _ in range(2):
        with pytest.raises(ApiRefused):
            ready.report()
        ready.clock.now += FAILING_SECONDS + 1
    assert ready.health.unready() == []


class Thread:
    """A thread with a pulse that does what the test tells it."""

    def __init__(self, health: Health, wait_seconds: float) -> None:
        self.pulse = health.pulses.make("poller", wait_seconds)
        self._told = threading.Event()
        self._act: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._run)
        self._begun = threading.Event()
        self._thread.start()
        self._begun.wait()

    def _run(self) -> None:
        self.pulse.begin()
        self._begun.set()
        self._told.wait()
        self._act()

    def ends_with(self, act: Callable[[], object]) -> None:
        self._act = act
        self._told.set()
        self._thread.join()


def test_a_thread_that_is_silent_beyond_its_wait_and_a_call_is_stuck(world: World) -> None:
    thread = Thread(world.health, wait_seconds=60)
    bound = 60 + CALL_SECONDS_MAX
    world.clock.now += bound
    assert world.health.stuck() == []
    world.clock.now += 1
    assert world.health.stuck() == [
        f"poller is stuck: silent for {bound + 1:.0f} s, at most {bound:.0f}"
    ]
    thread.pulse.beat()
    assert world.health.stuck() == []
    thread.ends_with(thread.pulse.end)


def test_each_call_that_comes_back_is_a_sign_of_life_of_its_thread_alone(world: World) -> None:
    calling, other = (Thread(world.health, wait_seconds=0) for _ in range(2))
    world.clock.now += CALL_SECONDS_MAX + 1
    seen = list[list[str]]()

    def call() -> None:
        world.receive()
        seen.append(world.health.stuck())

    calling.ends_with(call)
    assert [len(troubles) for troubles in seen] == [1]
    other.ends_with(other.pulse.end)


def test_a_thread_that_died_is_told_from_one_that_has_ended(world: World) -> None:
    died, ended = (Thread(world.health, wait_seconds=0) for _ in range(2))
    ended.ends_with(ended.pulse.end)
    assert world.health.stuck() == []
    died.ends_with(lambda: None)
    assert world.health.stuck() == ["poller has died"]


def test_a_worker_lives_and_becomes_ready_without_waiting_for_a_message(stage: Stage) -> None:
    stage.start(slots=2)
    health = stage.parts[0].health
    poll(lambda: health.unready() == [])
    assert health.stuck() == []
    stage.stop()
    assert health.unready() == ["draining"]
    assert health.stuck() == []


def test_the_first_receive_does_not_wait_for_messages(stage: Stage) -> None:
    waits = list[bool]()
    receive = stage.queue.receive

    def noting(count: int, *, wait: bool = True) -> object:
        waits.append(wait)
        return receive(count, wait=wait)

    stage.queue.receive = noting  # type: ignore[method-assign, assignment]
    stage.start()
    poll(lambda: len(waits) >= 3)
    assert waits[:3] == [False, True, True]
