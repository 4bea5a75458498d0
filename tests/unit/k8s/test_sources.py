"""The files of k8s/ as they are: what can be checked without kustomize."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import image
from tests.unit.k8s import keda, pods
from tests.unit.k8s.manifests import (
    EXTRAS,
    K8S,
    MODES,
    ROOT,
    Object,
    base,
    code_names,
    env_file,
    is_kubernetes,
    of_kind,
    schema_errors,
    sources,
    templates,
)
from tests.unit.k8s.test_renders import CLOSE_SECONDS
from worker.containers import rbac
from worker.core import FLUSH_SECONDS
from worker.settings import read_settings

OBJECTS = [found for _, found in sources()]
ENV_FILES = sorted(K8S.rglob("*.env"))
STACK = dict.fromkeys(("TASK_QUEUE_URL", "WORK_API_URL", "DATA_BUCKET", "RESULTS_BUCKET"), "x")
CREDENTIALS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}

type Break = Callable[[Any], object]


def pod() -> Object:
    template: Object = base("deployment.yaml")["spec"]["template"]
    return template


@pytest.mark.parametrize("found", OBJECTS, ids=lambda found: f"{found['kind']}")
def test_the_schemas_of_all_versions_take_each_object(found: Object) -> None:
    if is_kubernetes(found):
        assert schema_errors(found) == []


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_pods_keep_the_rules(kind: str) -> None:
    for template in templates(of_kind(OBJECTS, kind)):
        assert pods.problems(template) == []


def test_both_kinds_of_workers_run_the_same_pod() -> None:
    pool, run = (
        base(name)["spec"]["template"]["spec"] for name in ("deployment.yaml", "job-worker.yaml")
    )
    assert run.pop("restartPolicy") == "Never"
    assert run["containers"][0].pop("args") == ["--until-empty"]
    for template in (pool, run):
        for constraint in template["topologySpreadConstraints"]:
            del constraint["labelSelector"]["matchLabels"]["app.kubernetes.io/component"]
    assert pool == run


def test_the_image_is_the_one_that_make_image_builds() -> None:
    for template in templates(OBJECTS):
        assert template["spec"]["containers"][0]["image"] == image.image({})
    text = (K8S / "overlays" / "eks" / "kustomization.yaml").read_text("utf-8")
    assert yaml.safe_load(text)["images"] == [{"name": image.NAME, "newTag": image.version()}]


def test_the_base_gives_the_worker_settings_that_it_takes() -> None:
    settings = env_file(K8S / "base" / "settings.env")
    taken = read_settings(STACK | settings)
    assert taken.slots == int(pod()["spec"]["containers"][0]["resources"]["limits"]["cpu"])
    grace_seconds = pod()["spec"]["terminationGracePeriodSeconds"]
    assert grace_seconds >= taken.drain_seconds + FLUSH_SECONDS + CLOSE_SECONDS


def test_probes_metrics_and_service_are_on_the_port_that_the_worker_serves() -> None:
    port = read_settings(STACK).http_port
    (container,) = pod()["spec"]["containers"]
    assert [each["containerPort"] for each in container["ports"]] == [port]
    assert [each["port"] for each in base("service.yaml")["spec"]["ports"]] == [port]
    text = (K8S / "components" / "prometheus" / "kustomization.yaml").read_text("utf-8")
    assert f'prometheus.io/port: "{port}"' in text
    assert f"- {{port: {port}, protocol: TCP}}" in text


@pytest.mark.parametrize("path", ENV_FILES, ids=lambda path: path.relative_to(K8S).as_posix())
def test_the_worker_reads_every_variable(path: Path) -> None:
    if path.name == "emulator.env":
        assert env_file(path) == dict.fromkeys(CREDENTIALS, "test")
    elif path.name != "stack.env":
        assert env_file(path).keys() <= code_names()


def test_a_wrong_setting_fails_a_job_and_a_disruption_does_not_count() -> None:
    spec = base("job-worker.yaml")["spec"]
    actions = {rule["action"] for rule in spec["podFailurePolicy"]["rules"]}
    assert actions == {"Ignore", "FailJob"}
    assert "completions" not in spec, "a queue of work has no number of its parts"


def test_the_role_of_container_tasks_is_what_the_worker_needs_in_its_namespace() -> None:
    (role,) = of_kind(OBJECTS, "Role", "ClusterRole")
    assert role["kind"] == "Role"
    wide = [rule for rule in role["rules"] if "resourceNames" not in rule]
    (narrow,) = [rule for rule in role["rules"] if "resourceNames" in rule]
    assert verbs(wide) == rbac.RULES
    assert verbs([narrow]) == rbac.OWNER_RULES
    owner = env_file(K8S / "components" / "containers" / "containers.env")["CONTAINERS_OWNER"]
    assert narrow["resourceNames"] == [owner]
    assert owner in {found["metadata"]["name"] for found in of_kind(OBJECTS, "ConfigMap")}


def verbs(rules: list[Object]) -> dict[tuple[str, str], frozenset[str]]:
    return {
        (group, resource): frozenset(rule["verbs"])
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_nothing_listens_to_others_and_the_machine_s_metadata_cannot_be_reached() -> None:
    spec = base("networkpolicy.yaml")["spec"]
    assert (spec["policyTypes"], spec["ingress"]) == (["Ingress", "Egress"], [])
    (rule,) = spec["egress"]
    assert {port["port"] for port in rule["ports"]} == {53, 443}


def test_every_component_is_rendered_by_the_tests() -> None:
    folders = {path.name for path in (K8S / "components").iterdir()}
    assert folders == {*EXTRAS, *MODES, "keda-emulator", "keda-containers"}


def test_no_file_names_a_registry_or_the_latest_of_an_image() -> None:
    for path in (path for path in K8S.rglob("*") if path.suffix in {".yaml", ".env"}):
        text = path.read_text("utf-8")
        assert not re.findall(r":latest|\.dkr\.ecr\.|\b(?:docker|ghcr|quay)\.io|public\.ecr", text)


def test_both_scalers_authenticate_in_the_same_way() -> None:
    found = of_kind(OBJECTS, "TriggerAuthentication")
    assert len(found) == 2
    assert found[0] == found[1]


def test_the_page_has_the_numbers_of_the_manifests() -> None:
    page = " ".join((ROOT / "docs" / "kubernetes.md").read_text("utf-8").split())
    settings = env_file(K8S / "base" / "settings.env")
    (pool,) = of_kind(OBJECTS, "ScaledObject")
    grace_seconds = pod()["spec"]["terminationGracePeriodSeconds"]
    assert f"`DRAIN_SECONDS` ({settings['DRAIN_SECONDS']})" in page
    assert f"`terminationGracePeriodSeconds` is {grace_seconds}," in page
    assert f"`maxReplicaCount` {pool['spec']['maxReplicaCount']}." in page
    assert f"at the next poll ({pool['spec']['pollingInterval']} s)" in page
    assert pool["spec"]["cooldownPeriod"] == 120
    assert "no message of any kind for two minutes" in page
    limits = container(pod())["resources"]["limits"]
    assert f"{settings['WORKER_SLOTS']} and {limits['cpu']}" in page
    assert f"no node has {limits['cpu']} CPUs and {limits['memory'].replace('Gi', ' GiB')}" in page


def container(template: Any) -> Any:
    return template["spec"]["containers"][0]


BROKEN_PODS: list[tuple[str, Break]] = [
    ("runs as root", lambda pod: pod["spec"]["securityContext"].update(runAsNonRoot=False)),
    ("runs as root", lambda pod: pod["spec"]["securityContext"].update(runAsUser=0)),
    ("no seccomp", lambda pod: pod["spec"]["securityContext"].pop("seccompProfile")),
    ("the host's namespaces", lambda pod: pod["spec"].update(hostNetwork=True)),
    ("a volume of the host", lambda pod: pod["spec"]["volumes"][0].update(hostPath={"path": "/"})),
    ("service links", lambda pod: pod["spec"].pop("enableServiceLinks")),
    ("a token by default", lambda pod: pod["spec"].pop("automountServiceAccountToken")),
    ("escalates", lambda pod: container(pod)["securityContext"].pop("allowPrivilegeEscalation")),
    ("privileged", lambda pod: container(pod)["securityContext"].update(privileged=True)),
    (
        "capabilities",
        lambda pod: container(pod)["securityContext"]["capabilities"].update(add=["X"]),
    ),
    ("writable root", lambda pod: container(pod)["securityContext"].pop("readOnlyRootFilesystem")),
    ("a port of the host", lambda pod: container(pod)["ports"][0].update(hostPort=80)),
    ("no limits of memory", lambda pod: container(pod)["resources"]["limits"].pop("memory")),
    ("no version", lambda pod: container(pod).update(image="worker:latest")),
    ("a registry", lambda pod: container(pod).update(image="some.host/worker:1.0.0")),
    ("no livenessProbe", lambda pod: container(pod).pop("livenessProbe")),
]


@pytest.mark.parametrize(("problem", "broken"), BROKEN_PODS, ids=lambda each: str(each)[:24])
def test_a_broken_pod_is_noticed(problem: str, broken: Break) -> None:
    template = pod()
    broken(template)
    assert pods.problems(template) == [problem]


def scaled(name: str) -> Object:
    """Return a source of KEDA's with its blanks filled in."""
    (found,) = [each for path, each in sources() if path.name == name]
    for trigger in found["spec"]["triggers"]:
        trigger["metadata"]["queueLength"] = "2"
    return found


BROKEN_SCALERS: list[tuple[str, Break]] = [
    ("spec.poolingInterval", lambda spec: spec.update(poolingInterval=1)),
    ("spec.fallback.behavior", lambda spec: spec["fallback"].update(behavior="more")),
    (
        "spec.triggers[].metadata.scaleOnDelayed",
        lambda spec: metadata(spec).update(scaleOnDelayed=True),
    ),
    ("a number: many", lambda spec: metadata(spec).update(queueLength="many")),
    ("queueLength is below 1", lambda spec: metadata(spec).update(queueLength="0")),
    ("queueURL", lambda spec: metadata(spec).pop("queueURL")),
    ("replica counts", lambda spec: spec.update(minReplicaCount=50)),
    ("pollingInterval", lambda spec: spec.update(pollingInterval=0)),
]


def metadata(spec: Any) -> Any:
    return spec["triggers"][0]["metadata"]


def test_the_scalers_keep_the_rules_once_they_are_filled_in() -> None:
    assert keda.problems(scaled("scaledobject.yaml")) == []
    assert keda.problems(scaled("scaledjob.yaml")) == []


@pytest.mark.parametrize(("problem", "broken"), BROKEN_SCALERS, ids=lambda each: str(each)[:24])
def test_a_broken_scaler_is_noticed(problem: str, broken: Break) -> None:
    found = scaled("scaledobject.yaml")
    broken(found["spec"])
    assert keda.problems(found) == [problem]


def test_a_behaviour_that_kubernetes_refuses_is_noticed() -> None:
    found = scaled("scaledobject.yaml")
    behavior = found["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    behavior["scaleDown"]["stabilisationWindowSeconds"] = 300
    assert len(keda.problems(found)) == 7


def test_an_unknown_field_is_noticed_in_every_version() -> None:
    found = base("deployment.yaml")
    found["spec"]["template"]["spec"]["containers"][0]["ressources"] = {}
    assert len(schema_errors(found)) == 7
