"""The Job of a container: restricted always, named and labelled by its run, owned by what outlives workers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.container import read_container
from tests.unit.containers.conftest import IMAGE, Desk, make_container_settings, name_of
from tests.unit.containers.fake_files import FakeFiles
from tests.unit.worker.conftest import JOB
from worker.api import Json
from worker.containers.allowed import image_allowed
from worker.containers.identity import Identity, fleet_of, selector_of
from worker.containers.manifest import Order, job_body

FULL = {
    "image": f"{IMAGE}@sha256:{'a' * 64}",
    "command": ["/bin/run"],
    "args": ["--cost", "$5", "$(TASK_ID)", "$$"],
    "env": {"MODE": "fast", "PRICE": "$(HOME)"},
    "resources": {"cpu": "500m", "memory": "2Gi", "ephemeral_storage": "4Gi"},
    "gpu": 2,
    "input": {"text": "costs $(5)", "n": [1, 2]},
    "timeout_seconds": 90.5,
    "service_account": "team",
}


def body_of(container: Any, **settings: Any) -> dict[str, Any]:
    identity = Identity(JOB, 999_999, 12, 345, 19)
    order = Order(
        identity=identity,
        container=read_container(None, container),
        run_id="run-12345678",
        fleet=fleet_of("https://q/1/tasks"),
        timeout_seconds=90.5,
        result_url="https://bucket/put",
    )
    return dict(job_body(order, make_container_settings(**settings), None))


def pod_of(body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    pod = body["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return pod, container


@pytest.mark.parametrize("version", ["1.31", "1.37"])
@pytest.mark.parametrize("container", [{"image": IMAGE}, FULL])
def test_kubernetes_takes_it(container: Any, version: str) -> None:
    kubernetes_validate.validate(body_of(container), version, strict=True)


@pytest.mark.parametrize("container", [{"image": IMAGE}, FULL])
def test_it_keeps_to_the_restricted_pod_security_standard(container: Any) -> None:
    """Source: kubernetes.io/docs/concepts/security/pod-security-standards, "Restricted"."""
    pod, task = pod_of(body_of(container))
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert task["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    host = {"hostNetwork", "hostPID", "hostIPC", "hostAliases", "volumes", "initContainers"}
    assert not host & pod.keys()
    assert not {"volumeMounts", "ports", "lifecycle", "envFrom"} & task.keys()


def test_a_token_is_mounted_only_for_a_service_account_that_was_asked_for() -> None:
    plain, _ = pod_of(body_of({"image": IMAGE}))
    full, _ = pod_of(body_of(FULL))
    assert plain["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in plain
    assert (full["automountServiceAccountToken"], full["serviceAccountName"]) == (True, "team")


def test_what_it_asks_for_is_what_it_may_use() -> None:
    _, task = pod_of(body_of(FULL))
    wanted = {"cpu": "500m", "memory": "2Gi", "ephemeral-storage": "4Gi", "nvidia.com/gpu": "2"}
    assert task["resources"] == {"requests": wanted, "limits": wanted}
    _, task = pod_of(body_of({"image": IMAGE}, cpu="2", memory="3Gi"))
    assert task["resources"]["limits"]["cpu"] == "2"
    assert task["resources"]["limits"]["memory"] == "3Gi"


def test_a_failed_pod_is_never_replaced_behind_our_back() -> None:
    spec = body_of(FULL)["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["podFailurePolicy"]["rules"][0]["action"] == "FailJob"
    assert spec["ttlSecondsAfterFinished"] == 3600
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["template"]["spec"]["activeDeadlineSeconds"] == 91
    assert "activeDeadlineSeconds" not in spec, "waiting for a node is not the task's time"


def expanded(text: str, env: dict[str, str]) -> str:
    """Expand as Kubernetes does (third_party/forked/golang/expansion): $(NAME), and $$ for $."""
    out, at = "", 0
    while at < len(text):
        if text[at] != "$" or at + 1 == len(text):
            out, at = out + text[at], at + 1
        elif text[at + 1] == "$":
            out, at = out + "$", at + 2
        elif text[at + 1] == "(" and ")" in text[at:]:
            stop = text.index(")", at)
            name = text[at + 2 : stop]
            out, at = out + env.get(name, f"$({name})"), stop + 1
        else:
            out, at = out + text[at : at + 2], at + 2
    return out


@given(st.text(alphabet="$()aX_", max_size=12))
def test_what_a_task_says_reaches_the_container_as_it_is(text: str) -> None:
    _, task = pod_of(body_of({"image": IMAGE, "args": [text], "input": text}))
    env = {each["name"]: each["value"] for each in task["env"]} | {"a": "?", "X": "?", "": "?"}
    assert expanded(task["args"][0], env) == text
    assert json.loads(expanded(env["TASK_INPUT"], env)) == text


def test_it_knows_which_task_it_is() -> None:
    _, task = pod_of(body_of(FULL))
    env = {each["name"]: each["value"] for each in task["env"]}
    assert env["TASK_ID"] == f"{JOB}-999999"
    assert (env["TASK_INDEX"], env["TASK_ATTEMPT"], env["TASK_GEN"]) == ("999999", "345", "12")
    assert env["TASK_TIMEOUT_SECONDS"] == "90.5"
    assert env["MODE"] == "fast"


def test_a_large_input_goes_by_a_link(desk: Desk, files: FakeFiles) -> None:
    value = "é" * 20_000
    desk.take({"image": IMAGE, "input": value})
    (container,) = desk.job()["spec"]["template"]["spec"]["containers"]
    env = {each["name"]: each["value"] for each in container["env"]}
    assert "TASK_INPUT" not in env
    key = env["TASK_INPUT_URL"].split("/", 3)[3].split("?")[0]
    assert json.loads(files.objects[key]) == value
    assert len(json.dumps(desk.job())) < 64 * 1024


def test_item_fields_replace_those_of_the_job_s_parameters(desk: Desk) -> None:
    parameters: Json = {"image": IMAGE, "env": {"A": "1"}, "resources": {"cpu": "2"}}
    desk.take({"env": {"B": "2"}}, parameters=parameters)
    (container,) = desk.job()["spec"]["template"]["spec"]["containers"]
    env = {each["name"]: each["value"] for each in container["env"]}
    assert env["B"] == "2"
    assert "A" not in env
    assert container["resources"]["limits"]["cpu"] == "2"


# Names


@given(st.integers(0, 999_999), st.integers(1, 9_999), st.integers(1, 9_999), st.integers(0, 9_999))
def test_a_name_is_a_dns_label_and_the_labels_say_whose_it_is(
    index: int, gen: int, attempt: int, interruptions: int
) -> None:
    identity = Identity(JOB, index, gen, attempt, interruptions)
    assert len(identity.name) <= 63
    assert identity.name == identity.name.lower()
    assert identity.name.replace("-", "").isalnum()
    labels = identity.labels("fleet")
    assert Identity.from_labels(labels) == identity
    assert all(len(value) <= 63 for value in labels.values())


def test_labels_of_others_name_no_run() -> None:
    assert Identity.from_labels({"app": "x"}) is None
    broken = {**Identity(JOB, 0, 1, 1, 0).labels("f"), "job-orchestrator/gen": "x"}
    assert Identity.from_labels(broken) is None


def test_workers_of_one_queue_are_one_fleet_whatever_host_they_reach_it_by() -> None:
    here = fleet_of("https://sqs.eu-west-1.example/123/tasks")
    assert here == fleet_of("https://vpce-1.example/123/tasks")
    assert here != fleet_of("https://sqs.eu-west-1.example/123/others")
    assert selector_of(here).endswith(f"={here}")


# What is allowed


@pytest.mark.parametrize(
    ("image", "allowed"),
    [
        ("registry.example/team/app:1", True),
        ("registry.example/team", True),
        ("registry.example/team:1", True),
        ("registry.example/team@sha256:" + "0" * 64, True),
        ("registry.example/team-b/app", False),
        ("registry.example/teams", False),
        ("registry.example/", False),
        ("team/app", False),
        ("other.example/registry.example/team/app", False),
        ("tools.example/a/b", True),
    ],
)
def test_an_image_is_allowed_by_whole_parts_of_its_name(image: str, allowed: bool) -> None:
    assert image_allowed(image, ["registry.example/team", "tools.example/"]) is allowed


def test_nothing_is_allowed_until_an_operator_says_so(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(images=())
    desk.take()
    assert desk.report.ending.error is not None
    assert "CONTAINERS_IMAGES of the workers is empty" in desk.report.ending.error.message


def test_a_service_account_on_the_list_is_used(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(service_accounts=("team",))
    desk.take({"image": IMAGE, "service_account": "team"})
    assert desk.job()["spec"]["template"]["spec"]["serviceAccountName"] == "team"


# The owner


def test_jobs_belong_to_the_configmap_that_outlives_every_worker(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(owner="containers", max_jobs=10)
    desk.cluster.config_maps["containers"] = "uid-1"
    desk.take()
    (owner,) = desk.job()["metadata"]["ownerReferences"]
    assert owner == {"apiVersion": "v1", "kind": "ConfigMap", "name": "containers", "uid": "uid-1"}
    desk.cluster.config_maps["containers"] = "uid-2"
    desk.look(61)
    desk.take(start=1, stop=2)
    (owner,) = desk.job(name_of(1))["metadata"]["ownerReferences"]
    assert owner["uid"] == "uid-2", "Jobs of an owner that is gone are deleted at once"


def test_without_the_owner_that_was_asked_for_nothing_begins(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(owner="containers")
    desk.take()
    assert not desk.cluster.created
    assert desk.lines.of("container_waits")
    assert not desk.said.reports


def test_without_a_setting_nobody_owns_them(desk: Desk) -> None:
    desk.take()
    assert "ownerReferences" not in desk.job()["metadata"]
