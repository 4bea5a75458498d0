"""Every overlay, and the base with every component, as they would be applied."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.k8s import keda, pods
from tests.unit.k8s.conftest import ENDPOINT, OUTPUTS, ROLE, Render
from tests.unit.k8s.manifests import (
    EXTRAS,
    NAMESPACE,
    Object,
    code_names,
    is_kubernetes,
    of_kind,
    schema_errors,
    settings_of,
    templates,
)
from worker.core import FLUSH_SECONDS

CLOSE_SECONDS = 10
"""What ending takes beyond the drain and the flush: docs/deploy.md."""
OF_AWS = {"AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ROLE_ARN"}
"""Variables that boto3 reads."""


def names(objects: list[Object], *kinds: str) -> set[str]:
    return {found["metadata"]["name"] for found in of_kind(objects, *kinds)}


def strings(value: object) -> Iterator[str]:
    """Yield all strings of an object."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def test_the_schemas_of_all_versions_take_it(objects: list[Object]) -> None:
    known = [found for found in objects if is_kubernetes(found)]
    assert len(known) >= 4
    assert [error for found in known for error in schema_errors(found)] == []


def test_keda_takes_it(objects: list[Object]) -> None:
    found = of_kind(objects, *keda.SHAPES)
    assert [problem for each in found for problem in keda.problems(each)] == []


def test_pods_keep_the_rules(objects: list[Object]) -> None:
    found = list(templates(objects))
    assert len(found) == 1
    assert pods.problems(found[0]) == []


def test_there_is_one_kind_of_workers(objects: list[Object]) -> None:
    kinds = {found["kind"] for found in objects}
    assert len(kinds & {"Deployment", "ScaledJob", "Job"}) == 1
    assert ("ScaledObject" in kinds) <= ("Deployment" in kinds)
    assert kinds.isdisjoint({"ClusterRole", "ClusterRoleBinding"})


def test_an_apply_leaves_the_number_of_pods_to_keda(objects: list[Object]) -> None:
    for deployment in of_kind(objects, "Deployment"):
        assert ("replicas" in deployment["spec"]) != bool(of_kind(objects, "ScaledObject"))


def test_everything_is_in_the_one_namespace(objects: list[Object]) -> None:
    assert names(objects, "Namespace") == {NAMESPACE}
    others = [found["metadata"] for found in objects if found["kind"] != "Namespace"]
    assert {metadata["namespace"] for metadata in others} == {NAMESPACE}


def test_the_namespace_enforces_the_restricted_standard(objects: list[Object]) -> None:
    (namespace,) = of_kind(objects, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_what_is_named_exists(objects: list[Object]) -> None:
    for template in templates(objects):
        assert template["spec"]["serviceAccountName"] in names(objects, "ServiceAccount")
        for source in template["spec"]["containers"][0]["envFrom"]:
            kind = "ConfigMap" if "configMapRef" in source else "Secret"
            (reference,) = source.values()
            assert reference["name"] in names(objects, kind)
    for scaled in of_kind(objects, "ScaledObject"):
        assert scaled["spec"]["scaleTargetRef"]["name"] in names(objects, "Deployment")
    for scaled in of_kind(objects, "ScaledObject", "ScaledJob"):
        for trigger in scaled["spec"]["triggers"]:
            assert trigger["authenticationRef"]["name"] in names(objects, "TriggerAuthentication")
    for authentication in of_kind(objects, "TriggerAuthentication"):
        for secret in authentication["spec"].get("secretTargetRef", []):
            assert secret["name"] in names(objects, "Secret")


def test_selectors_find_the_pods_that_they_mean(objects: list[Object]) -> None:
    (template,) = templates(objects)
    labels = template["metadata"]["labels"].items()
    for deployment in of_kind(objects, "Deployment"):
        assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    (policy,) = of_kind(objects, "NetworkPolicy")
    assert policy["spec"]["podSelector"] == {}, "also the pods of container tasks"
    for found in of_kind(objects, "PodDisruptionBudget", "PodMonitor"):
        assert found["spec"]["selector"]["matchLabels"].items() <= labels
    for found in of_kind(objects, "Service"):
        assert found["spec"]["selector"].items() <= labels
    for constraint in template["spec"]["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"].items() <= labels


def test_the_grace_is_longer_than_an_end_takes(objects: list[Object]) -> None:
    settings = settings_of(objects)
    drain_seconds = int(settings["DRAIN_SECONDS"])
    for template in templates(objects):
        grace_seconds = template["spec"]["terminationGracePeriodSeconds"]
        assert grace_seconds >= drain_seconds + FLUSH_SECONDS + CLOSE_SECONDS
        assert grace_seconds <= 120, "a spot machine is given two minutes"
    assert drain_seconds >= int(settings.get("RECEIVE_WAIT_SECONDS", "20"))


def test_the_worker_knows_every_setting(objects: list[Object]) -> None:
    (template,) = templates(objects)
    env = {entry["name"] for entry in template["spec"]["containers"][0].get("env", [])}
    assert (settings_of(objects).keys() | env) - OF_AWS <= code_names()


def test_the_workers_are_given_the_stack(objects: list[Object]) -> None:
    assert settings_of(objects).keys() >= {
        "TASK_QUEUE_URL",
        "EXPRESS_QUEUE_URL",
        "WORK_API_URL",
        "DATA_BUCKET",
        "RESULTS_BUCKET",
        "AWS_REGION",
    }


@pytest.mark.parametrize(
    ("number", "name", "queue"),
    [(0, "tasks", "TASK_QUEUE_URL"), (1, "express", "EXPRESS_QUEUE_URL")],
)
def test_keda_asks_each_queue_of_the_workers_for_a_pod_a_slot(
    objects: list[Object], number: int, name: str, queue: str
) -> None:
    settings = settings_of(objects)
    for scaled in of_kind(objects, "ScaledObject", "ScaledJob"):
        trigger = scaled["spec"]["triggers"][number]
        asked = trigger["metadata"]
        assert trigger["name"] == name
        assert asked["queueURL"] == settings[queue]
        assert asked["awsRegion"] == settings["AWS_REGION"]
        assert asked["queueLength"] == settings["WORKER_SLOTS"]
        assert asked.get("awsEndpoint") == settings.get("AWS_ENDPOINT_URL")
        assert asked["scaleOnInFlight"] == "true"
        assert asked["scaleOnDelayed"] == ("true" if scaled["kind"] == "ScaledObject" else "false")


def test_keda_adds_both_queues_up(objects: list[Object]) -> None:
    for scaled in of_kind(objects, "ScaledObject"):
        modifiers = scaled["spec"]["advanced"]["scalingModifiers"]
        assert modifiers["target"] == settings_of(objects)["WORKER_SLOTS"]
        names = [trigger["name"] for trigger in scaled["spec"]["triggers"]]
        assert modifiers["formula"] == " + ".join(names)
    for scaled in of_kind(objects, "ScaledJob"):
        assert scaled["spec"]["scalingStrategy"]["multipleScalersCalculation"] == "sum"


@pytest.mark.parametrize("mode", ["keda", "keda-jobs"])
def test_a_fleet_for_containers_has_a_worker_for_each_so_many_messages(
    compose: Render, mode: str
) -> None:
    objects = compose(["containers", mode, "keda-containers"])
    (scaled,) = of_kind(objects, "ScaledObject", "ScaledJob")
    asked = [trigger["metadata"]["queueLength"] for trigger in scaled["spec"]["triggers"]]
    modifiers = scaled["spec"].get("advanced", {}).get("scalingModifiers")
    targets = [*asked, modifiers["target"]] if modifiers else asked
    assert set(targets) == {settings_of(objects)["CONTAINERS_MAX"]}
    assert keda.problems(scaled) == []


def test_slots_are_as_many_as_cpus_or_gpus(compose: Render) -> None:
    for components, resource in (([], "cpu"), (["gpu"], "nvidia.com/gpu")):
        objects = compose(components)
        (template,) = templates(objects)
        limits = template["spec"]["containers"][0]["resources"]["limits"]
        assert settings_of(objects)["WORKER_SLOTS"] == limits[resource]


def test_only_an_emulator_has_a_secret(objects: list[Object]) -> None:
    emulated = "AWS_ENDPOINT_URL" in settings_of(objects)
    assert bool(of_kind(objects, "Secret")) == emulated
    if emulated:
        assert settings_of(objects)["AWS_ENDPOINT_URL"] == ENDPOINT
        assert not [
            text for text in strings(objects) if "127.0.0.1" in text or "//localhost" in text
        ]


def test_only_container_tasks_need_kubernetes_api(objects: list[Object]) -> None:
    (template,) = templates(objects)
    accounts = of_kind(objects, "ServiceAccount")
    assert not any(account["automountServiceAccountToken"] for account in accounts)
    assert template["spec"]["automountServiceAccountToken"] == bool(of_kind(objects, "Role"))
    for binding in of_kind(objects, "RoleBinding"):
        assert binding["roleRef"]["name"] in names(objects, "Role")
        assert settings_of(objects)["CONTAINERS_OWNER"] in names(objects, "ConfigMap")
        (subject,) = binding["subjects"]
        assert (subject["name"], subject["namespace"]) == ("worker", NAMESPACE)


def test_a_changed_setting_is_a_rollout(compose: Render) -> None:
    (one,), (other,) = (of_kind(compose(each), "ConfigMap") for each in ([], ["gpu"]))
    assert one["metadata"]["name"] != other["metadata"]["name"]


def test_a_scaled_job_runs_the_pods_of_job_worker(compose: Render) -> None:
    (scaled,) = of_kind(compose([*EXTRAS, "keda-jobs"]), "ScaledJob")
    (job,) = of_kind(compose([*EXTRAS, "run-once"]), "Job")
    target = scaled["spec"]["jobTargetRef"]
    assert target["template"] == job["spec"]["template"]
    assert target["podFailurePolicy"] == job["spec"]["podFailurePolicy"]


def test_the_role_is_an_annotation_where_it_is_wanted(compose: Render) -> None:
    annotations = [
        of_kind(compose(each), "ServiceAccount")[0]["metadata"].get("annotations")
        for each in (["irsa"], [])
    ]
    assert annotations == [{"eks.amazonaws.com/role-arn": ROLE}, None]


def test_nothing_that_was_to_be_filled_in_is_left(objects: list[Object]) -> None:
    assert not [text for text in strings(objects) if text.startswith("from ")]
    settings = settings_of(objects)
    if "AWS_ENDPOINT_URL" not in settings:
        assert settings["TASK_QUEUE_URL"] == OUTPUTS["TaskQueueUrl"]
