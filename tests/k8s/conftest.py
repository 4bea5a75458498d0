"""A stack that pods reach, an image, and the pool on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local import k8s_config, launch, stack
from local.phases import Phases
from local.scope import Scope
from tests.k8s import images, overlay
from tests.k8s.cluster import Cluster, missing
from tests.k8s.work import Jobs

_REASON = missing()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a cluster where there is none, with the reason."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(900))
            if _REASON:
                item.add_marker(pytest.mark.skip(reason=_REASON))


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """Return the cluster of KUBECONFIG."""
    return Cluster()


@pytest.fixture(scope="session")
def running(cluster: Cluster) -> Iterator[stack.Running]:
    """Run a stack without workers of its own; the overlays get its addresses as pods see them."""
    with pytest.MonkeyPatch.context() as patch, Scope() as scope, launch.threads(scope) as pool:
        patch.setenv("BIND_HOST", "0.0.0.0")
        options = launch.Options(workers=0)
        started = pool.submit(launch.launch, scope, Phases(), pool, options).result()
        port = started.stack.endpoint_url.rpartition(":")[2]
        endpoint = f"http://{cluster.host()}:{port}"
        k8s_config.write("local", k8s_config.of_local(started.stack, endpoint))
        yield started


@pytest.fixture(scope="session")
def jobs(running: stack.Running) -> Jobs:
    """Return the client of the stack."""
    return Jobs(running.stack)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the images and load them."""
    return images.build(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def overlays(image: str) -> Iterator[Path]:
    """Return the folder of the tests' own overlays, inside the project: kustomize wants relative paths."""
    with Scope() as scope:
        folder = scope.folder("k8s")
        for name in ("local", "local-keda", "local-jobs"):
            overlay.write(folder, name, image)
        yield folder
