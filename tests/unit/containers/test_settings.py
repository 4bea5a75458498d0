"""The settings of containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.containers.settings import read_container_settings
from worker.settings import InvalidSetting

ON = {"CONTAINERS_ENABLED": "true", "CONTAINERS_NAMESPACE": "jobs"}
NOWHERE = Path("/nonexistent")


def test_containers_are_off_unless_enabled() -> None:
    assert read_container_settings({"CONTAINERS_NAMESPACE": "jobs"}) is None
    assert read_container_settings({"CONTAINERS_ENABLED": "false"}) is None


def test_what_is_read() -> None:
    settings = read_container_settings(
        ON
        | {
            "CONTAINERS_IMAGES": "registry.example/a, registry.example/b/ ,",
            "CONTAINERS_SERVICE_ACCOUNTS": "one,two",
            "CONTAINERS_MAX": "7",
            "CONTAINERS_USER": "1000",
            "CONTAINERS_OWNER": "anchor",
            "CONTAINERS_MEMORY": "3Gi",
        }
    )
    assert settings is not None
    assert settings.images == ("registry.example/a", "registry.example/b/")
    assert settings.service_accounts == ("one", "two")
    assert (settings.max_jobs, settings.user, settings.owner) == (7, 1000, "anchor")
    assert (settings.cpu, settings.memory) == ("1", "3Gi")


def test_the_namespace_is_the_pod_s_own_unless_another_is_named(tmp_path: Path) -> None:
    own = tmp_path / "namespace"
    own.write_text("workers\n")
    settings = read_container_settings({"CONTAINERS_ENABLED": "true"}, own)
    assert settings is not None
    assert settings.namespace == "workers"
    settings = read_container_settings(ON, own)
    assert settings is not None
    assert settings.namespace == "jobs"


def test_the_images_own_user_may_be_kept() -> None:
    settings = read_container_settings(ON | {"CONTAINERS_USER": "image"})
    assert settings is not None
    assert settings.user is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"CONTAINERS_ENABLED": "yes"}, "CONTAINERS_ENABLED must be true or false"),
        ({"CONTAINERS_NAMESPACE": "Jobs"}, "CONTAINERS_NAMESPACE must name"),
        ({"CONTAINERS_MAX": "0"}, "CONTAINERS_MAX must be a whole number in 1..5000"),
        ({"CONTAINERS_USER": "0"}, "CONTAINERS_USER"),
        ({"CONTAINERS_USER": "root"}, "CONTAINERS_USER"),
        ({"CONTAINERS_OWNER": "Pod/x"}, "CONTAINERS_OWNER must be the name of a ConfigMap"),
        ({"CONTAINERS_MEMORY": "lots"}, "CONTAINERS_MEMORY"),
    ],
)
def test_a_wrong_setting_is_named_with_its_rule(changes: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        read_container_settings(ON | changes, NOWHERE)


def test_outside_of_a_pod_the_namespace_must_be_named() -> None:
    with pytest.raises(InvalidSetting, match="it must be set"):
        read_container_settings({"CONTAINERS_ENABLED": "true"}, NOWHERE)
