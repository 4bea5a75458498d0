"""The OpenAPI document: the committed one is the code's, and it says what the routes do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs_api import app as jobs_app
from jobs_api.openapi import document, text
from work_api import app as work_app

ROOT = Path(__file__).parents[3]
METHODS = {"get", "post", "delete"}


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return document()


def test_the_committed_document_is_the_code_s() -> None:
    committed = (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")
    assert committed == text(), "run `make openapi` and commit docs/openapi.json"


def test_it_is_the_same_in_every_process() -> None:
    script = "from jobs_api.openapi import text; print(text())"
    texts = {
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ
            | {
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": f"{ROOT / 'layers/core'}{os.pathsep}{ROOT / 'functions'}",
            },
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


def test_it_has_every_route_of_both_functions(made: dict[str, Any]) -> None:
    routes = {
        (route.method.lower(), route.openapi_path)
        for app in (jobs_app.app, work_app.app)
        for route in app._static_routes + app._dynamic_routes
        if route.include_in_schema
    }
    documented = {
        (method, path) for path, operations in made["paths"].items() for method in operations
    }
    assert documented == routes
    assert {method for method, _ in documented} <= METHODS


def test_every_problem_and_every_reference_is_defined(made: dict[str, Any]) -> None:
    schemas = made["components"]["schemas"]
    whole = json.dumps(made)
    references = {part.split('"')[0] for part in whole.split("#/components/schemas/")[1:]}
    assert references <= set(schemas)
    assert not {"HTTPValidationError", "ValidationError"} & set(schemas)
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            for code, answer in operation["responses"].items():
                if int(code) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], (method, path)


def test_each_route_says_how_it_is_signed(made: dict[str, Any]) -> None:
    schemes = made["components"]["securitySchemes"]
    for path, operations in made["paths"].items():
        for operation in operations.values():
            used = {name for entry in operation["security"] for name in entry}
            assert used <= set(schemes)
            signed = "/keys" in path or path.endswith(("claim", "complete", "heartbeat"))
            assert ("SigV4" in used) is signed, path
