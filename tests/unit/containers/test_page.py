"""docs/containers.md: its programs run, its submission is taken, its tables name what there is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from orchestrator.model.container import Container
from orchestrator.spec import SubmitJobIn
from worker.containers import settings

PAGE = (Path(__file__).parents[3] / "docs" / "containers.md").read_text("utf-8")
INPUT = {"text": "to be or not to be"}


def block(file: str) -> str:
    found = re.search(rf"```\w+ file={re.escape(file)}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None, file
    return found[1]


class Bucket(HTTPServer):
    """Answers GET with the input, keeps what is PUT."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.put: list[bytes] = []


class _Handler(BaseHTTPRequestHandler):
    server: Bucket

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self._answer(json.dumps(INPUT).encode())

    def do_PUT(self) -> None:
        self.server.put.append(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with Bucket() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("by_link", [False, True])
def test_the_program_of_the_page_reads_its_input_and_gives_its_result(
    bucket: Bucket, tmp_path: Path, by_link: bool
) -> None:
    program = tmp_path / "words.py"
    program.write_text(block("words.py"))
    url = f"http://127.0.0.1:{bucket.server_port}/tasks/x?signature=y"
    given = {"TASK_INPUT_URL": url} if by_link else {"TASK_INPUT": json.dumps(INPUT)}
    env = {"PATH": os.environ["PATH"], "TASK_RESULT_URL": url, **given}
    subprocess.run([sys.executable, str(program)], env=env, check=True, timeout=60)
    assert [json.loads(body) for body in bucket.put] == [{"words": 6}]


def test_the_submission_of_the_page_is_taken() -> None:
    submission = SubmitJobIn.model_validate_json(block("submission.json"))
    assert submission.tasks.total == 2


def rows() -> list[str]:
    """Return the first cells of the page's tables."""
    return re.findall(r"^\| (.+?) \|", PAGE, re.MULTILINE)


def test_the_page_lists_every_field_of_a_container() -> None:
    named = {name for cell in rows() for name in re.findall(r"`([a-z_]+)`", cell)}
    assert Container.model_fields.keys() <= named


def test_the_page_lists_every_setting() -> None:
    named = {name for cell in rows() for name in re.findall(r"`(CONTAINERS_[A-Z_]+)`", cell)}
    source = Path(settings.__file__).read_text("utf-8")
    read = set(re.findall(r'"(CONTAINERS_[A-Z_]+)"', source))
    read |= {f"CONTAINERS_{name}" for name in ("CPU", "MEMORY", "EPHEMERAL_STORAGE")}
    assert named == read
    assert len(named) == len(fields(settings.ContainerSettings)) + 1, "and whether it is enabled"
