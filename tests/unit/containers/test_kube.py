"""The adapter of the official client, against a server that speaks Kubernetes' HTTP; and the fake beside it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from kubernetes import client

from tests.unit.containers.api_server import ApiServer, serve
from tests.unit.containers.conftest import IMAGE, name_of
from tests.unit.containers.fake_cluster import Connection, FakeCluster
from tests.unit.containers.test_informer import FLEET, job
from tests.unit.worker.conftest import poll
from worker.containers.identity import selector_of
from worker.containers.kube import KubernetesCluster, load_configuration
from worker.containers.ports import Cluster, Event, Gone, Refused
from worker.containers.rbac import OWNER_RULES, RULES
from worker.ports import Unavailable

SELECTOR = selector_of(FLEET)


@pytest.fixture
def server(cluster: FakeCluster) -> Iterator[ApiServer]:
    with serve(cluster, page=2) as made:
        yield made


@pytest.fixture
def kube(server: ApiServer) -> Iterator[KubernetesCluster]:
    configuration = client.Configuration()
    configuration.host = server.url
    made = KubernetesCluster(configuration, "w")
    yield made
    made.close()


@pytest.fixture(params=["fake", "http"])
def either(request: pytest.FixtureRequest, cluster: FakeCluster) -> Iterator[Cluster]:
    """Return the fake itself, then the adapter before it: both behave the same."""
    if request.param == "fake":
        yield cast(Cluster, Connection(cluster))
    else:
        yield request.getfixturevalue("kube")


def names(items: Any) -> list[str]:
    return [item["metadata"]["name"] for item in items]


def test_created_jobs_are_listed_page_by_page(either: Cluster) -> None:
    for index in range(5):
        either.create_job(job(index))
    either.create_job(job(9, fleet="other"))
    listed = either.list_all("jobs", SELECTOR)
    assert names(listed.items) == [name_of(index) for index in range(5)]
    assert len(either.list_all("pods", SELECTOR).items) == 5


def test_a_second_job_of_the_name_is_refused(either: Cluster) -> None:
    either.create_job(job(0))
    with pytest.raises(Refused) as refused:
        either.create_job(job(0))
    assert (refused.value.status, refused.value.reason) == (409, "AlreadyExists")


def test_deleting_takes_the_pods_along_and_may_be_repeated(either: Cluster) -> None:
    either.create_job(job(0))
    either.delete_job(name_of())
    either.delete_job(name_of())
    assert not either.list_all("jobs", SELECTOR).items
    assert not either.list_all("pods", SELECTOR).items


def test_a_watch_tells_what_changed_since_the_list(either: Cluster, cluster: FakeCluster) -> None:
    either.create_job(job(0))
    listed = either.list_all("jobs", SELECTOR)
    cluster.create_job(job(1))
    cluster.create_job(job(2, fleet="other"))
    cluster.delete_job(name_of(0))
    seen: list[Event] = []
    for event in either.watch("jobs", SELECTOR, listed.version):
        seen += [event] if event.type != "BOOKMARK" else []
        if len(seen) == 2:
            break
    assert [(each.type, each.object["metadata"]["name"]) for each in seen] == [
        ("ADDED", name_of(1)),
        ("DELETED", name_of(0)),
    ]


def test_a_version_that_is_too_old_is_gone(either: Cluster, cluster: FakeCluster) -> None:
    listed = either.list_all("jobs", SELECTOR)
    cluster.create_job(job(0))
    cluster.end_watches(forget=True)
    with pytest.raises(Gone):
        next(iter(either.watch("jobs", SELECTOR, listed.version)))


def test_a_watch_that_the_server_ends_ends(either: Cluster, cluster: FakeCluster) -> None:
    listed = either.list_all("jobs", SELECTOR)
    seen: list[Event] = []
    done = threading.Event()

    def follow() -> None:
        for event in either.watch("jobs", SELECTOR, listed.version):
            seen[:] = [*seen, event]
        done.set()

    threading.Thread(target=follow, daemon=True).start()
    cluster.create_job(job(0))
    poll(lambda: any(event.type == "ADDED" for event in seen))
    cluster.end_watches()
    assert done.wait(20)


def test_closing_ends_the_wait_for_a_watch(either: Cluster) -> None:
    listed = either.list_all("jobs", SELECTOR)
    begun, done = threading.Event(), threading.Event()

    def follow() -> None:
        events = either.watch("jobs", SELECTOR, listed.version)
        either.create_job(job(0))
        try:
            for _ in events:
                begun.set()
        except Unavailable:
            pass
        done.set()

    threading.Thread(target=follow, daemon=True).start()
    assert begun.wait(20)
    either.close()
    assert done.wait(20)


def test_a_log_comes_whole(either: Cluster, cluster: FakeCluster) -> None:
    either.create_job(job(0))
    (pod,) = cluster.pods_of(name_of())
    cluster.logs[pod] = bytes(range(256)) * 1000
    assert b"".join(either.pod_log(pod, "task")) == cluster.logs[pod]
    with pytest.raises(Refused) as refused:
        list(either.pod_log("none", "task"))
    assert refused.value.status == 404


def test_warnings_come_newest_last(either: Cluster, cluster: FakeCluster) -> None:
    for text in ("first", "second"):
        cluster.warn(name_of(), text)
    assert list(either.events_of(name_of())) == ["first", "second"]
    assert list(either.events_of("none")) == []


def test_the_uid_of_the_owner_is_read(either: Cluster, cluster: FakeCluster) -> None:
    cluster.config_maps["anchor"] = "uid-7"
    assert either.config_map_uid("anchor") == "uid-7"
    with pytest.raises(Refused) as refused:
        either.config_map_uid("none")
    assert refused.value.is_ours


def test_an_api_that_is_away_is_asked_again_later(either: Cluster, cluster: FakeCluster) -> None:
    cluster.down = True
    for call in (
        lambda: either.create_job(job(0)),
        lambda: either.delete_job("x"),
        lambda: either.list_all("pods", SELECTOR),
        lambda: next(iter(either.watch("jobs", SELECTOR, "100"))),
        lambda: list(either.pod_log("x", "task")),
    ):
        with pytest.raises(Unavailable):
            call()


def test_a_quota_s_refusal_is_known_as_such(either: Cluster, cluster: FakeCluster) -> None:
    cluster.job_quota = 0
    with pytest.raises(Refused) as refused:
        either.create_job(job(0))
    assert refused.value.is_quota


# The role


def all_calls(cluster: Cluster) -> None:
    """Make every call that the worker makes."""
    cluster.create_job(job(0))
    version = cluster.list_all("jobs", SELECTOR).version
    pod = cluster.list_all("pods", SELECTOR).items[0]["metadata"]["name"]
    cluster.create_job(job(1))
    next(iter(cluster.watch("jobs", SELECTOR, version)))
    next(iter(cluster.watch("pods", SELECTOR, version)))
    list(cluster.pod_log(pod, "task"))
    cluster.events_of(name_of())
    cluster.config_map_uid("anchor")
    cluster.delete_job(name_of())


def test_the_role_is_exactly_what_is_called(kube: KubernetesCluster, cluster: FakeCluster) -> None:
    cluster.config_maps["anchor"] = "uid"
    all_calls(kube)
    rules = RULES | OWNER_RULES
    assert cluster.used == {
        (group, resource, verb) for (group, resource), verbs in rules.items() for verb in verbs
    }


@pytest.mark.parametrize(
    ("rule", "verb"),
    [(rule, verb) for rule, verbs in (RULES | OWNER_RULES).items() for verb in sorted(verbs)],
)
def test_no_verb_can_be_taken_away(
    kube: KubernetesCluster, cluster: FakeCluster, rule: tuple[str, str], verb: str
) -> None:
    cluster.config_maps["anchor"] = "uid"
    cluster.role = {**cluster.role, rule: cluster.role[rule] - {verb}}
    with pytest.raises(Refused) as refused:
        all_calls(kube)
    assert f"cannot {verb} resource" in str(refused.value)
    assert refused.value.is_ours


def test_the_manifest_s_role_says_the_same() -> None:
    role = Path(__file__).parents[3] / "k8s" / "components" / "containers" / "role.yaml"
    documents = list(yaml.safe_load_all(role.read_text()))
    (rules,) = (each["rules"] for each in documents if each["kind"] == "Role")
    granted = {
        (group, resource): frozenset(rule["verbs"])
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert granted == RULES | OWNER_RULES
    named = [rule.get("resourceNames") for rule in rules if "configmaps" in rule["resources"]]
    assert all(named), "only the owner's own ConfigMap"


# What only HTTP has


def test_requests_are_as_the_api_wants_them(kube: KubernetesCluster, server: ApiServer) -> None:
    kube.create_job(job(0))
    next(iter(kube.watch("jobs", SELECTOR, "100")))
    kube.delete_job(name_of())
    (create, watch, delete) = server.seen
    assert create[:2] == ("POST", "/apis/batch/v1/namespaces/w/jobs")
    assert create[3]["metadata"]["labels"] == job(0)["metadata"]["labels"]
    assert watch[2] == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "labelSelector": SELECTOR,
        "resourceVersion": "100",
        "timeoutSeconds": "240",
    }
    assert delete[:3] == (
        "DELETE",
        f"/apis/batch/v1/namespaces/w/jobs/{name_of()}",
        {"propagationPolicy": "Background"},
    )


def test_the_whole_job_survives_the_client(
    kube: KubernetesCluster, server: ApiServer, desk: Any
) -> None:
    """The client's own types may drop a field that they do not know."""
    desk.take({"image": IMAGE, "args": ["$x"], "gpu": 1})
    sent = {key: desk.job()[key] for key in ("apiVersion", "kind", "spec")}
    server.cluster.delete_job(name_of())
    kube.create_job(sent | {"metadata": job(0)["metadata"]})
    body = server.seen[-1][3]
    assert {key: body[key] for key in sent} == json.loads(json.dumps(sent))


def test_what_is_between_may_answer_with_anything(
    kube: KubernetesCluster, server: ApiServer
) -> None:
    server.raw = [b"<html>Bad gateway</html>"]
    with pytest.raises(Unavailable, match="502"):
        kube.list_all("jobs", SELECTOR)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    configuration = client.Configuration()
    configuration.host = "http://127.0.0.1:9"
    with pytest.raises(Unavailable):
        KubernetesCluster(configuration, "w").list_all("jobs", SELECTOR)


def test_the_configuration_comes_from_kubeconfig_outside_of_a_pod(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": server.url}}],
                "users": [{"name": "u", "user": {"token": "secret"}}],
            }
        )
    )
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    found = KubernetesCluster(load_configuration(), "w")
    assert not found.list_all("jobs", SELECTOR).items
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", "/none")
    with pytest.raises(Unavailable, match="CONTAINERS_ENABLED needs Kubernetes' API"):
        load_configuration()
