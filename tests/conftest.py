"""What all tests share: no real account can be reached, whatever the shell's environment says.

And how the suite is spread over processes (`pytest -n`): the tests of a file stay together, for what they
share, and those that share a stack, an emulator or a template too. And hypothesis judges no example by
the clock; `--hypothesis-profile=deep` looks longer.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

for _name in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_CA_BUNDLE"]:
    del os.environ[_name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "POWERTOOLS_SERVICE_NAME": "test",
    "POWERTOOLS_METRICS_NAMESPACE": "JobOrchestrator",
    "POWERTOOLS_TRACE_DISABLED": "true",
}

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "deep",
    deadline=None,
    max_examples=5_000,
    stateful_step_count=80,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("unhurried")

_TOGETHER = {"chaos": "stack", "e2e": "stack", "integration": "emulator", "contract": "template"}
"""Folders of which one process runs all: two stacks at once would keep each other waiting on few cores."""
_FIRST = ("chaos", "e2e", "integration")
"""What lasts longest begins first, so that no process is left alone with it at the end."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Group and order the tests."""
    here = Path(__file__).parent

    def folder(item: pytest.Item) -> str:
        return item.path.relative_to(here).parts[0]

    for item in items:
        group = _TOGETHER.get(folder(item), str(item.path))
        item.add_marker(pytest.mark.xdist_group(group))
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _rank(folder(item)))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: gzip's content holds the time, and processes must agree on names."""
    return argname if isinstance(val, bytes) else None


def _rank(folder: str) -> int:
    return _FIRST.index(folder) if folder in _FIRST else len(_FIRST)
