"""A wall clock that is wrong: signatures and credentials follow the servers' time."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path

import botocore.auth
import pytest
from boto3.session import Session
from botocore.compat import get_current_datetime
from botocore.credentials import RefreshableCredentials

import worker
from orchestrator.model.wire import ClaimIn, ClaimOut
from worker.aws.buckets import S3Buckets
from worker.aws.clients import frozen_credentials, make_session
from worker.aws.queue import SqsQueue
from worker.aws.server_time import ServerTime
from worker.aws.work_api import SignedWorkApi
from worker.child.bucket import S3, BucketFiles
from worker.ports import Unavailable

_TOLERATED = timedelta(minutes=5)
CLAIMED = ClaimOut(jobs={}, messages={}).model_dump_json().encode()
SKEWS = [timedelta(hours=hours) for hours in (-24, -0.2, 1)]


@dataclass
class Aws:
    """Refuses, as AWS does, what was signed more than five minutes ago or ahead."""

    refused: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    state = Aws()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._answer(CLAIMED if "claim" in self.path else b"{}")

        def do_GET(self) -> None:
            self._answer(b"{}")

        def do_PUT(self) -> None:
            self._answer(b"")

        def _answer(self, accepted: bytes) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            signed = datetime.strptime(self.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
            late = abs(signed.replace(tzinfo=UTC) - datetime.now(UTC)) > _TOLERATED
            (state.refused if late else state.accepted).append(self.path)
            body = b'{"message": "Signature expired"}' if late else accepted
            self.send_response(403 if late else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{http.server_port}"
    threading.Thread(target=lambda: http.serve_forever(0.02), daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", state.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setitem(vars(botocore.auth), "get_current_datetime", get_current_datetime)
    yield state
    http.shutdown()
    http.server_close()


@dataclass
class Wall:
    """A wall clock that is wrong by `skew`."""

    skew: timedelta

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.skew


def test_a_wrong_clock_costs_one_refusal_and_no_call(aws: Aws) -> None:
    wall = Wall(timedelta(0))
    time = ServerTime(wall)
    session = make_session("us-east-1", time)
    queue = SqsQueue(session, f"{aws.url}/1/tasks", lease_seconds=60, wait_seconds=0)
    api = SignedWorkApi(session, aws.url, "us-east-1", time)
    buckets = S3Buckets(session, "data", "results")
    calls: list[Callable[[], object]] = [
        lambda: queue.receive(1),
        lambda: queue.change_visibility(["r"], 60),
        lambda: queue.delete(["r"]),
        lambda: api.claim(ClaimIn(worker_id="w")),
        lambda: buckets.read_range("k", 0, 2),
        lambda: buckets.put_result("k", b"{}"),
    ]
    for number, (call, skew) in enumerate(product(calls, SKEWS), start=1):
        wall.skew = skew
        call()
        assert (len(aws.refused), len(aws.accepted)) == (number, number)
        call()
        aws.accepted.pop()


def test_a_clock_that_is_put_right_is_followed_too(aws: Aws) -> None:
    wall = Wall(timedelta(hours=1))
    time = ServerTime(wall)
    api = SignedWorkApi(make_session("us-east-1", time), aws.url, "us-east-1", time)
    api.claim(ClaimIn(worker_id="w"))
    wall.skew = timedelta(0)
    api.claim(ClaimIn(worker_id="w"))
    assert len(aws.refused) == 2
    assert abs(time.now() - datetime.now(UTC)) < _TOLERATED


def test_a_refusal_for_another_reason_is_not_repeated(aws: Aws) -> None:
    time = ServerTime()
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert not time.refused(403, now)
    assert not time.refused(403, None)
    assert not time.refused(403, "no date")
    ahead = (datetime.now(UTC) + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert time.refused(403, ahead)
    assert not time.refused(403, ahead), "the correction was known when this was signed"
    assert not time.refused(500, now), "learnt, but no new signature turns it"


def test_a_child_reads_files_though_the_clock_is_wrong(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ServerTime.__init__, "__defaults__", (Wall(timedelta(hours=1)),))
    with BucketFiles("data", S3()).open("key") as stream:
        assert stream.read() == b"{}"
    assert len(aws.refused) == 1


@pytest.mark.parametrize("skew", SKEWS, ids=str)
def test_credentials_live_and_die_by_the_servers_time(aws: Aws, skew: timedelta) -> None:
    session, time = Session(region_name="us-east-1"), ServerTime(Wall(skew))
    fetched = list[datetime]()

    def fetch() -> dict[str, str]:
        """Get an hour's credentials; the answer has the servers' date, as that of STS has."""
        time.learn(datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"))
        expiry = datetime.now(UTC) + timedelta(hours=1)
        fetched.append(expiry)
        return {
            "access_key": "a",
            "secret_key": "s",
            "token": str(len(fetched)),
            "expiry_time": expiry.isoformat(),
        }

    credentials = RefreshableCredentials.create_from_metadata(fetch(), fetch, "test")
    vars(credentials)["_time_fetcher"] = Wall(skew)
    vars(session._session)["_credentials"] = credentials
    time.attach(session)
    assert frozen_credentials(session).token == "1"
    vars(credentials)["_expiry_time"] = datetime.now(UTC) - timedelta(seconds=1)
    assert frozen_credentials(session).token == "2", "expired by the servers' time: fetched anew"


def test_a_worker_without_credentials_says_so(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(Unavailable, match="no AWS credentials"):
        make_session("us-east-1", ServerTime())


WALL = {
    "time.time",
    "time.time_ns",
    "datetime.now",
    "datetime.utcnow",
    "date.today",
    "time.localtime",
}
MAY_READ_IT = {"log.py", "server_time.py"}


def test_only_the_log_and_signatures_read_the_wall_clock() -> None:
    root = Path(worker.__file__).parent
    readers = {
        path.name
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in WALL
    }
    assert readers == MAY_READ_IT
