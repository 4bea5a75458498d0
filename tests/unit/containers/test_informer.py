"""The informer: one list, then one watch, through all that ends a watch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.containers.conftest import QUEUE_URL, Desk, name_of
from tests.unit.containers.fake_cluster import FakeCluster
from tests.unit.worker.conftest import Lines, poll
from worker.backoff import Backoff
from worker.clock import clock
from worker.containers.identity import Identity, fleet_of, selector_of
from worker.containers.informer import Informer
from worker.containers.ports import Event, Object, Refused
from worker.health import Pulses
from worker.log import Log

FLEET = fleet_of(QUEUE_URL)
JOB = "01JDTESTTESTTESTTESTTESTTE"


def job(index: int, fleet: str = FLEET) -> dict[str, Any]:
    identity = Identity(JOB, index, 1, 1, 0)
    labels = identity.labels(fleet)
    template = {"metadata": {"labels": labels}, "spec": {"containers": []}}
    return {
        "metadata": {"name": identity.name, "labels": labels},
        "spec": {"template": template},
    }


class Watched:
    """What an informer told, and the informer."""

    def __init__(self, cluster: FakeCluster, lines: Lines) -> None:
        self.told: list[tuple[str, bool]] = []
        self.there: set[str] = set()
        self.informer = Informer(
            kind="jobs",
            selector=selector_of(FLEET),
            cluster=cluster,
            on_change=self._note,
            log=Log(write=lines.write),
            clock=clock,
            pulse=Pulses(clock).make("informer", 1),
            backoff=Backoff(0.001, 0.01),
        )

    def _note(self, item: Object, exists: bool) -> None:
        name = item["metadata"]["name"]
        self.told.append((name, exists))
        (self.there.add if exists else self.there.discard)(name)

    def wait_for(self, *indexes: int) -> None:
        names = {name_of(index) for index in indexes}
        poll(lambda: self.there == names)


@pytest.fixture
def watched(cluster: FakeCluster, lines: Lines) -> Iterator[Watched]:
    made = Watched(cluster, lines)
    yield made
    made.informer.close()
    cluster.close()


def test_what_is_there_and_what_comes_is_told(cluster: FakeCluster, watched: Watched) -> None:
    cluster.create_job(job(0))
    watched.informer.start()
    watched.wait_for(0)
    cluster.create_job(job(1))
    watched.wait_for(0, 1)
    cluster.delete_job(name_of(0))
    watched.wait_for(1)
    assert cluster.lists == 1


def test_only_the_fleet_s_own_are_seen(cluster: FakeCluster, watched: Watched) -> None:
    cluster.create_job(job(0, fleet="another"))
    cluster.create_job(job(1))
    watched.informer.start()
    watched.wait_for(1)


def test_a_watch_that_the_server_ends_goes_on_from_where_it_was(
    cluster: FakeCluster, watched: Watched
) -> None:
    cluster.create_job(job(0))
    watched.informer.start()
    watched.wait_for(0)
    for index in range(1, 6):
        cluster.end_watches()
        cluster.create_job(job(index))
    watched.wait_for(0, 1, 2, 3, 4, 5)
    assert cluster.lists == 1
    assert watched.told == [(name_of(index), True) for index in range(6)], "each of them once"


def test_a_version_that_is_too_old_is_listed_anew_and_what_went_meanwhile_is_told(
    cluster: FakeCluster, watched: Watched
) -> None:
    cluster.create_job(job(0))
    cluster.create_job(job(1))
    watched.informer.start()
    watched.wait_for(0, 1)
    with cluster.changed:
        cluster.delete_job(name_of(0))
        cluster.create_job(job(2))
        cluster.end_watches(forget=True)
    watched.wait_for(1, 2)
    assert (name_of(0), False) in watched.told
    assert cluster.lists == 2


def test_an_api_that_is_away_is_asked_again_and_nothing_is_missed(
    cluster: FakeCluster, watched: Watched, lines: Lines
) -> None:
    cluster.create_job(job(0))
    watched.informer.start()
    watched.wait_for(0)
    with cluster.changed:
        cluster.down = True
        cluster.changed.notify_all()
    poll(lambda: len(lines.of("watch_failed")) >= 3)
    cluster.down = False
    cluster.create_job(job(1))
    watched.wait_for(0, 1)
    assert cluster.lists == 1, "where it was is known still"


def test_a_role_that_lacks_the_verb_is_told_and_tried_again(
    cluster: FakeCluster, watched: Watched, lines: Lines
) -> None:
    cluster.role = {**cluster.role, ("batch", "jobs"): frozenset({"create", "list"})}
    cluster.create_job(job(0))
    watched.informer.start()
    poll(lambda: len(lines.of("watch_failed")) >= 2)
    assert "cannot watch resource" in lines.of("watch_failed")[0]["reason"]
    cluster.role = {**cluster.role, ("batch", "jobs"): frozenset({"create", "list", "watch"})}
    cluster.create_job(job(1))
    watched.wait_for(0, 1)


def test_an_object_that_cannot_be_read_does_not_end_the_informer(
    cluster: FakeCluster, watched: Watched, lines: Lines
) -> None:
    watch, calls = cluster.watch, threading.Semaphore(0)

    def broken(kind: Any, selector: str, version: str) -> Iterator[Event]:
        cluster.watch = watch  # type: ignore[method-assign]
        calls.release()
        yield Event("MODIFIED", {"no": "metadata"})

    cluster.watch = broken  # type: ignore[method-assign,assignment]
    cluster.create_job(job(0))
    watched.informer.start()
    assert calls.acquire(timeout=20)
    cluster.create_job(job(1))
    watched.wait_for(0, 1)
    assert lines.of("watch_failed")


# The view made of it


def test_the_view_keeps_a_pod_that_is_gone_while_its_job_is_there(
    desk: Desk, cluster: FakeCluster
) -> None:
    desk.take()
    view = desk.containers.view
    cluster.begin(name_of())
    desk.catch_up()
    cluster.lose_node(name_of())
    desk.catch_up()
    assert [pod.running for pod in view.pods(name_of())] == [True], "as it was last seen"
    cluster.delete_job(name_of())
    desk.catch_up()
    assert view.pods(name_of()) == []
    assert view.job(name_of()) is None


def test_the_view_forgets_pods_whose_job_went_first(desk: Desk, cluster: FakeCluster) -> None:
    desk.take()
    with cluster.changed:
        pod = cluster.objects["pods"][cluster.pods_of(name_of())[0]]
        cluster.delete_job(name_of())
        cluster._tell("pods", "MODIFIED", pod)
        cluster._tell("pods", "DELETED", pod)
        cluster.end_watches()
    poll(lambda: not desk.containers.view._pods)


def test_refusals_know_whose_fault_they_are() -> None:
    quota = Refused(403, "Forbidden", 'jobs.batch "x" is forbidden: exceeded quota: q')
    role = Refused(403, "Forbidden", 'User "x" cannot list resource "pods" in API group ""')
    webhook = Refused(403, "Forbidden", "denied the request: hostPath cannot be used")
    ending = Refused(403, "Forbidden", "namespace w because it is being terminated")
    assert [each.is_quota for each in (quota, role, webhook, ending)] == [True, False, False, False]
    assert [each.is_ours for each in (quota, role, webhook, ending)] == [False, True, False, True]
    assert Refused(401, "Unauthorized", "").is_ours
    assert not Refused(422, "Invalid", "spec.template: Required value").is_ours
