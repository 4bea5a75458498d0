"""The template as CloudFormation gets it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """Return template.yaml after the SAM transform (3 s, once)."""
    python = ROOT / ".local" / "venvs" / "sam" / "bin" / "python"
    command = [python, Path(__file__).with_name("transform.py"), ROOT / "template.yaml"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    transformed: dict[str, Any] = json.loads(done.stdout)
    return transformed


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the resources by logical id."""
    found: dict[str, dict[str, Any]] = template["Resources"]
    return found
