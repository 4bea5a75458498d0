"""Jobs whose tasks are the lines of a manifest: submit, plan, and what either refuses."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.errors import Conflict, IdempotencyConflict, InvalidField, Superseded
from orchestrator.model.states import JobState
from orchestrator.service import planning
from orchestrator.service.bad_lines import read_bad_lines
from orchestrator.service.control import cancel_job
from orchestrator.service.plan import plan_tasks
from orchestrator.service.ports import Limits
from orchestrator.service.read import job_results, read_task
from orchestrator.service.submit import submit_job
from orchestrator.service.task_list import list_tasks
from tests.fakes.cluster import ALICE, Cluster, submission

KEY = "uploads/acme/tasks.jsonl"
TEXT = b'\xef\xbb\xbf{"n": 0}\r\n\r\n "one"\n\n[2]'


def with_manifest(body: bytes, key: str = KEY) -> Cluster:
    """Return a cluster whose data bucket holds one manifest."""
    cluster = Cluster()
    cluster.world.data.bodies[key] = body
    return cluster


def submit(cluster: Cluster, key: str = KEY, **fields: object) -> None:
    """Submit a job of the manifest's tasks."""
    job = cluster.submit(tasks={"manifest": {"key": key, **fields}})
    assert (job.total, job.state, sum(job.counts.model_dump().values())) == (None, "CREATED", 0)


def inputs(cluster: Cluster) -> list[Any]:
    """Return the tasks' inputs as the API shows them."""
    page = list_tasks(cluster.world.deps, ALICE, cluster.job_id, state=None, limit=100, cursor=None)
    return [task["input"] for task in json.loads(page)["tasks"]]


def refusal(cluster: Cluster, key: str = KEY, **fields: object) -> InvalidField:
    """Return why a submit is refused; nothing is left of it."""
    before = set(cluster.world.data.bodies)
    with pytest.raises(InvalidField) as caught:
        submit(cluster, key, **fields)
    assert set(cluster.world.data.bodies) == before
    assert not cluster.world.store.tables.jobs
    assert caught.value.action
    assert caught.value.fields
    return caught.value


def test_each_line_is_a_task_with_its_input_before_and_after_it_ran() -> None:
    cluster = with_manifest(TEXT)
    submit(cluster)
    cluster.begin()
    assert inputs(cluster) == [{"n": 0}, "one", [2]]
    assert cluster.job.total == 3
    one = read_task(cluster.world.deps, ALICE, f"{cluster.job_id}-1")
    assert (one.state, one.input) == ("PENDING", "one")
    messages = cluster.messages()
    assert [value for message in messages for value in message.inputs or []] == [
        {"n": 0},
        "one",
        [2],
    ]
    for message in messages:
        cluster.report(message)
    assert cluster.end() == "SUCCEEDED"
    assert inputs(cluster) == [{"n": 0}, "one", [2]]


def test_a_csv_has_a_header_row_and_quoted_newlines() -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["key", "note"], ["a", 'two\nlines, "quoted"'], ["b", ""]])
    cluster = with_manifest(gzip.compress(out.getvalue().encode()), "shared/list.csv.gz")
    submit(cluster, "shared/list.csv.gz")
    cluster.begin()
    assert inputs(cluster) == [
        {"key": "a", "note": 'two\nlines, "quoted"'},
        {"key": "b", "note": ""},
    ]


# ---- what the submit refuses

BROKEN = gzip.compress(b'{"n": 1}\n' * 50)
REFUSED: dict[str, tuple[bytes, str, dict[str, object], str]] = {
    "empty": (b"", KEY, {}, "is an empty object"),
    "blank lines alone": (b"\n \r\n\n", KEY, {}, "has no task in it"),
    "a header alone": (b"a,b\n", "uploads/acme/x.csv", {}, "has no task in it"),
    "binary": (b"\x89PNG\r\n\x1a\n\0\0\0", KEY, {}, "is binary"),
    "UTF-16": ('{"n": 1}\n'.encode("utf-16"), KEY, {}, "UTF-16"),
    "no known format": (b"a b c\n", "uploads/acme/list", {}, "cannot be told"),
    "one array": (b"[1, 2, 3]\n", KEY, {}, "one JSON array"),
    "cut off": (BROKEN[:-4], KEY, {}, "cut off"),
    "broken": (BROKEN[:20] + b"xxxx" + BROKEN[24:], KEY, {}, "broken gzip"),
    "a bad line": (b"1\n{'n': 2}\n", KEY, {}, "line 2 is not JSON at column 2"),
    "a key twice": (b'{"a": 1, "a": 2}\n', KEY, {}, "only once in an object"),
    "not a number": (b"NaN\n", KEY, {}, "must be finite"),
    "Latin-1": ("é\n".encode("latin-1"), "uploads/acme/x.csv", {}, "0xe9 at position 1"),
    "a row too short": (b"a,b\n1,2\n3\n", "shared/x.csv", {}, "line 3 has 1 values for 2 columns"),
    "a column twice": (b"a,a\n1,2\n", "shared/x.csv", {}, "names the column 'a' twice"),
    "a column without a name": (b"a,\n1,2\n", "shared/x.csv", {}, "names no column 2"),
    "an open quote": (b'a\n"1\n2\n', "shared/x.csv", {}, "in the row of line 2 is never closed"),
    "JSON as CSV": (b'{"a": 1}\n', KEY, {"format": "csv"}, "no header row but JSON"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_look_at_the_beginning_tells_is_refused_at_submit(case: str) -> None:
    body, key, fields, rule = REFUSED[case]
    error = refusal(with_manifest(body, key), key, **fields)
    assert rule in error.detail


def test_an_object_that_is_missing_forbidden_or_too_large_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "is not in the data bucket" in refusal(Cluster()).detail
    cluster = with_manifest(TEXT)
    cluster.world.sources.forbidden.add(KEY)
    assert "may not be read by this stack" in refusal(cluster).detail
    monkeypatch.setattr("orchestrator.service.manifest.MANIFEST_MAX_BYTES", 10)
    assert "at most 10" in refusal(with_manifest(TEXT)).detail


@pytest.mark.parametrize(
    "key", ["uploads/other/a.jsonl", "uploads/acme2/a.jsonl", "jobs/x/spec.json", "a.jsonl"]
)
def test_a_tenant_names_its_own_objects_and_shared_ones_whatever_else_is_there(key: str) -> None:
    there, absent = refusal(with_manifest(TEXT, key), key), refusal(Cluster(), key)
    assert there.detail == absent.detail
    assert "must begin with uploads/acme/ or shared/" in there.detail


def test_a_line_that_the_beginning_cuts_is_not_judged_by_half() -> None:
    lines = [json.dumps({"n": n, "text": "é" * 500}, ensure_ascii=False) for n in range(200)]
    for key, body in (
        (KEY, "\n".join(lines).encode()),
        (KEY, gzip.compress("\n".join(lines).encode(), 0)),
        (KEY, f'"{"x" * 100_000}"'.encode()),
        ("shared/a.csv", b'key\n"' + b"x\n" * 50_000 + b'"'),
    ):
        cluster = with_manifest(body, key)
        submit(cluster, key)
        cluster.begin()
        assert cluster.job.total in (1, 200)


def test_a_repeat_with_its_key_is_the_same_job_though_the_manifest_is_gone() -> None:
    cluster = with_manifest(TEXT)
    body = submission(tasks={"manifest": {"key": KEY}})

    def again() -> tuple[str, bool]:
        job, created = submit_job(
            cluster.world.deps, ALICE, body, idempotency_key="k", request_id="r"
        )
        return job.job_id, created

    first = again()
    del cluster.world.data.bodies[KEY]
    assert again() == (first[0], False)
    other = submission(tasks={"manifest": {"key": "shared/b.jsonl"}})
    with pytest.raises(IdempotencyConflict):
        submit_job(cluster.world.deps, ALICE, other, idempotency_key="k", request_id="r")


# ---- what the plan finds behind the beginning

GOOD = b"".join(b'{"n": %d}\n' % n for n in range(20_000))
assert len(GOOD) > 3 * 64 * 1024


def rejected(cluster: Cluster) -> str:
    """Run PlanTasks, which must end the job before it has a task; return why."""
    answer = plan_tasks(cluster.world.deps, cluster.job_id, 1, 1)
    assert answer == {"nodes": [], "bad_input": True}
    job = cluster.job
    assert (job.state, job.total, job.plan_ref) == (JobState.FAILED, 0, None)
    assert job.finished_at is not None
    assert not cluster.world.store.tables.leaves
    assert not cluster.world.queue.sent
    assert job.state_reason is not None
    assert job.state_reason.startswith("bad_input: ")
    with pytest.raises(Superseded):
        plan_tasks(cluster.world.deps, cluster.job_id, 1, 1)
    return job.state_reason


def test_bad_lines_end_the_job_before_any_task_and_are_listed() -> None:
    cluster = with_manifest(GOOD + b"{bad\n" + GOOD + b"\xff\n")
    submit(cluster)
    reason = rejected(cluster)
    assert f"2 bad lines in {KEY}; line 20001 is not JSON at column 2" in reason
    with pytest.raises(Conflict, match="never had a task"):
        job_results(cluster.world.deps, ALICE, cluster.job_id)
    found = read_bad_lines(cluster.world.deps, ALICE, cluster.job_id)
    assert (found.count, found.all_read, found.state) == (2, True, JobState.FAILED)
    assert [(line.line, line.seen) for line in found.lines] == [
        (20_001, "{bad"),
        (40_002, "\ufffd"),
    ]


def test_of_many_bad_lines_the_first_hundred_are_listed_and_no_more_are_looked_for() -> None:
    cluster = with_manifest(GOOD + b"bad\n" * 1_000)
    submit(cluster)
    assert "100 or more bad lines" in rejected(cluster)
    found = read_bad_lines(cluster.world.deps, ALICE, cluster.job_id)
    assert (found.count, found.all_read, len(found.lines)) == (100, False, 100)


def test_skip_leaves_bad_lines_out_counts_and_lists_them() -> None:
    cluster = with_manifest(b"0\nbad\n" + GOOD + b"bad\n" * 200 + b"1\n")
    submit(cluster, on_bad_line="skip")
    assert not read_bad_lines(cluster.world.deps, ALICE, cluster.job_id).all_read
    cluster.begin()
    assert cluster.job.total == 20_002
    found = read_bad_lines(cluster.world.deps, ALICE, cluster.job_id)
    assert (found.count, found.all_read, len(found.lines)) == (201, True, 100)
    assert [line.line for line in found.lines[:3]] == [2, 20_003, 20_004]
    last = read_task(cluster.world.deps, ALICE, f"{cluster.job_id}-20001")
    assert last.input == 1


def test_skipping_every_line_leaves_no_job() -> None:
    cluster = with_manifest(b"bad\n" * 30_000)
    submit(cluster, on_bad_line="skip")
    assert "there is no task in it" in rejected(cluster)


def test_an_open_quote_is_no_line_to_skip() -> None:
    rows = b"".join(b"%d,x\n" % n for n in range(20_000))
    cluster = with_manifest(b"a,b\n" + rows + b'1,"open\n' + rows, "shared/a.csv")
    submit(cluster, "shared/a.csv", on_bad_line="skip")
    assert "line 20002 is never closed" in rejected(cluster)


def spoil(change: Callable[[dict[str, bytes]], object]) -> str:
    """Change the bucket between submit and plan; return what the plan says."""
    cluster = with_manifest(GOOD)
    submit(cluster)
    change(cluster.world.data.bodies)
    return rejected(cluster)


def test_a_manifest_that_is_changed_or_deleted_after_the_submit_is_rejected() -> None:
    for reason in (
        spoil(lambda bodies: bodies.update({KEY: GOOD + b"1\n"})),
        spoil(lambda bodies: bodies.update({KEY: GOOD[::-1]})),
        spoil(lambda bodies: bodies.pop(KEY)),
    ):
        assert "was changed or deleted after the submit; submit the job again" in reason


def test_a_manifest_that_is_forbidden_or_cut_off_further_on_is_rejected() -> None:
    cluster = with_manifest(GOOD)
    submit(cluster)
    cluster.world.sources.forbidden.add(KEY)
    assert "may not be read by this stack" in rejected(cluster)
    cluster = with_manifest(gzip.compress(GOOD * 3, 0)[:-100])
    submit(cluster)
    assert "cut off" in rejected(cluster)


def test_more_tasks_than_a_job_may_have_are_rejected() -> None:
    def limited(body: bytes) -> Cluster:
        cluster = with_manifest(body)
        limits = Limits(tasks_per_job=20_001)
        cluster.world.deps = replace(cluster.world.deps, limits=limits)
        return cluster

    cluster = limited(GOOD + b"1\n")
    submit(cluster)
    cluster.begin()
    assert cluster.job.total == 20_001
    cluster = limited(GOOD + b"1\n2\n")
    submit(cluster)
    assert "more than 20,001 tasks" in rejected(cluster)


def test_gzip_of_more_text_than_is_read_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "TEXT_MAX_BYTES", 1_000_000)
    cluster = with_manifest(gzip.compress(b"1\n" + b"\n" * 2_000_000))
    submit(cluster)
    assert "more than 1,000,000 bytes unpacked" in rejected(cluster)


def test_a_job_that_was_cancelled_before_its_bad_plan_ends_cancelled() -> None:
    cluster = with_manifest(GOOD + b"bad\n")
    submit(cluster)
    cancel_job(cluster.world.deps, ALICE, cluster.job_id)
    assert plan_tasks(cluster.world.deps, cluster.job_id, 1, 1)["bad_input"]
    assert (cluster.job.state, cluster.job.total) == (JobState.CANCELLED, 0)


def test_a_job_without_a_manifest_has_no_bad_lines() -> None:
    cluster = Cluster()
    cluster.submit()
    cluster.begin()
    found = read_bad_lines(cluster.world.deps, ALICE, cluster.job_id)
    assert (found.count, found.all_read, found.lines) == (0, True, [])
