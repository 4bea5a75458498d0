"""A copy of k8s/ with the values of a made-up stack, rendered by kustomize."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from local import k8s_config
from local.stack import Stack
from tests.unit.k8s.manifests import EXTRAS, K8S, MODES, NAMESPACE, Object, kustomize, render

ROLE = "arn:aws:iam::111122223333:role/workers"
OUTPUTS = {
    "TaskQueueUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/tasks",
    "ExpressQueueUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/express",
    "WorkApiUrl": "https://abc.execute-api.eu-west-1.amazonaws.com/prod",
    "DataBucket": "some-data",
    "ResultsBucket": "some-results",
    "Region": "eu-west-1",
    "WorkerPolicyArn": "arn:aws:iam::111122223333:policy/worker",
}
LOCAL = Stack(
    api_url="http://127.0.0.1:4566/restapis/a1/prod/_user_request_",
    work_api_url="http://127.0.0.1:4566/restapis/a1/prod/_user_request_",
    site_url=None,
    api_key="",
    region="us-east-1",
    endpoint_url="http://127.0.0.1:4566",
    tables={},
    buckets={"data": "local-data", "results": "local-results"},
    queues={
        "tasks": "http://localhost:4566/000000000000/tasks",
        "express": "http://localhost:4566/000000000000/express",
    },
    state_machine_arn="",
    functions={},
)
ENDPOINT = "http://10.244.0.1:4566"
OVERLAYS = ("eks", "local", "local-keda", "local-jobs")
COMBINATIONS = [
    (extras, mode)
    for mode in (*MODES, "")
    for extras in ((), *((extra,) for extra in EXTRAS), EXTRAS)
]

type Render = Callable[[Sequence[str]], list[Object]]


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """k8s/ with stack.env written as `make k8s-config` does. Skips where nothing can render it."""
    if kustomize() is None:
        pytest.skip("rendering needs kustomize or kubectl on PATH")
    copied = tmp_path_factory.mktemp("rendered") / "k8s"
    shutil.copytree(K8S, copied, ignore=shutil.ignore_patterns("stack.env"))
    k8s_config.write("eks", k8s_config.of_outputs(OUTPUTS, ROLE), copied / "overlays")
    k8s_config.write("local", k8s_config.of_local(LOCAL, ENDPOINT), copied / "overlays")
    return copied


@pytest.fixture(scope="session")
def compose(tree: Path) -> Render:
    """Render the base with the stack of EKS and the components that are named."""

    def rendered(components: Sequence[str]) -> list[Object]:
        folder = tree / "overlays" / ("try-" + "-".join(components))
        folder.mkdir(exist_ok=True)
        content = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": NAMESPACE,
            "resources": ["../eks/stack"],
            "components": [f"../../components/{name}" for name in components],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
        return render(folder)

    return rendered


def _name(parameter: object) -> str:
    names = (parameter,) if isinstance(parameter, str) else tuple(parameter)  # type: ignore[arg-type]
    return "+".join(names) or "base"


@pytest.fixture(
    scope="session",
    params=[*OVERLAYS, *((*extras, mode) if mode else extras for extras, mode in COMBINATIONS)],
    ids=_name,
)
def objects(request: pytest.FixtureRequest, tree: Path, compose: Render) -> list[Object]:
    """Every overlay, and every mode with each component and with all of them."""
    if isinstance(request.param, str):
        return render(tree / "overlays" / request.param)
    return compose(request.param)
