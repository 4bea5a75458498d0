"""How a container ends, and what the control plane is told of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from orchestrator.model.states import Outcome
from tests.unit.containers.conftest import IMAGE, Desk, name_of
from tests.unit.containers.fake_cluster import FakeCluster
from tests.unit.containers.fake_files import FakeFiles
from worker.ports import Unavailable


def test_a_message_becomes_a_job_and_its_last_word_the_result(desk: Desk) -> None:
    desk.take({"image": IMAGE, "args": ["--n", "3"]})
    assert desk.cluster.created == [name_of()]
    desk.cluster.begin(name_of())
    desk.look()
    assert not desk.said.reports
    assert [task.index for task in desk.containers.running] == [0]
    desk.cluster.end(name_of(), message='{"sum": 6}')
    desk.look()
    assert desk.report.ending.outcome is Outcome.SUCCEEDED
    assert desk.report.ending.result == b'{"sum":6}'
    assert desk.report.duration_ms == 2000
    assert desk.report.run_id == desk.job()["metadata"]["annotations"]["job-orchestrator/run-id"]
    assert not desk.containers.running
    assert not desk.cluster.deleted, "a finished Job stays until its time is over"


@pytest.mark.parametrize(
    ("message", "result"),
    [("", b"null"), ("done", b'"done"'), ("[1, 2]", b"[1,2]"), ('{"a": ', b'"{\\"a\\": "')],
)
def test_a_last_word_that_is_no_json_is_text(desk: Desk, message: str, result: bytes) -> None:
    desk.take()
    desk.cluster.end(name_of(), message=message)
    desk.look()
    assert desk.report.ending.result == result


def test_a_last_word_that_kubernetes_cut_is_a_bad_result(desk: Desk) -> None:
    desk.take()
    desk.cluster.end(name_of(), message='{"a": "' + "x" * 4089)
    desk.look()
    assert desk.report.ending.outcome is Outcome.BAD_RESULT
    assert desk.report.ending.error is not None
    assert "TASK_RESULT_URL" in desk.report.ending.error.message


def test_what_was_put_to_the_link_is_the_result_and_a_large_one_gets_a_key_of_its_own(
    desk: Desk, files: FakeFiles
) -> None:
    desk.take()
    url = _env(desk)["TASK_RESULT_URL"]
    uploaded = url.split("/", 3)[3].split("?")[0]
    files.objects[uploaded] = json.dumps({"rows": ["x" * 50] * 20}, indent=2).encode()
    desk.cluster.end(name_of(), message="42")
    desk.look()
    key = desk.report.result_ref
    assert key is not None
    assert key != uploaded, "the link still works: what is committed must not change"
    assert key == f"tasks/{desk.report.held.message.job}/1/0/{desk.report.run_id}.json"
    assert json.loads(files.objects[key]) == {"rows": ["x" * 50] * 20}
    assert b"\n" not in files.objects[key], "it becomes a line of the results"


@pytest.mark.parametrize("body", [b"not json", b"\xff\xfe", b"[" * 100_000, b"NaN"])
def test_an_upload_that_is_no_json_is_a_bad_result(
    desk: Desk, files: FakeFiles, body: bytes
) -> None:
    desk.take()
    url = _env(desk)["TASK_RESULT_URL"]
    files.objects[url.split("/", 3)[3].split("?")[0]] = body
    desk.cluster.end(name_of())
    desk.look()
    assert desk.report.ending.outcome is Outcome.BAD_RESULT


def test_an_exit_code_is_the_tasks_failure_with_the_end_of_what_it_said(desk: Desk) -> None:
    desk.take()
    desk.cluster.end(name_of(), 3, "x" * 2000 + "disk full\n", log=b"...disk full\n")
    desk.look()
    error = desk.report.ending.error
    assert error is not None
    assert desk.report.ending.outcome is Outcome.FAILED
    assert (error.type, error.exit_code, error.retryable) == ("ContainerExited", 3, True)
    assert error.message.startswith("exit code 3: xxx")
    assert error.message.endswith("disk full")
    assert len(error.message) < 1000


def test_too_much_memory_is_told_as_such(desk: Desk) -> None:
    desk.take()
    desk.cluster.end(name_of(), 137, reason="OOMKilled")
    desk.look()
    assert desk.report.ending.outcome is Outcome.OUT_OF_MEMORY
    assert desk.report.ending.error is not None
    assert desk.report.ending.error.exit_code == 137


def test_a_command_that_is_not_there_is_not_tried_again(desk: Desk) -> None:
    desk.take()
    text = 'exec: "nope": executable file not found in $PATH'
    desk.cluster.end(name_of(), 128, text, reason="StartError")
    desk.look()
    error = desk.report.ending.error
    assert error is not None
    assert (error.type, error.message, error.retryable) == ("StartError", text, False)
    assert desk.report.duration_ms == 0


def test_a_pod_past_its_deadline_has_timed_out_and_its_log_is_kept(
    desk: Desk, files: FakeFiles
) -> None:
    desk.take({"image": IMAGE, "timeout_seconds": 7.5})
    assert desk.job()["spec"]["template"]["spec"]["activeDeadlineSeconds"] == 8
    desk.cluster.begin(name_of())
    (pod,) = desk.cluster.pods_of(name_of())
    desk.cluster.logs[pod] = b"step 1\n"
    desk.cluster.end_pod(
        name_of(), "DeadlineExceeded", "Pod was active on the node longer than ..."
    )
    desk.look()
    assert desk.report.ending.outcome is Outcome.TIMED_OUT
    assert desk.report.log_ref is not None
    assert files.objects[desk.report.log_ref] == b"step 1\n"


# Images


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("ErrImagePull", f'failed to pull "{IMAGE}": not found'),
        ("ImagePullBackOff", "Back-off pulling image: pull access denied"),
        ("InvalidImageName", ""),
        ("ErrImageNeverPull", "not present with pull policy of Never"),
    ],
)
def test_a_missing_image_fails_at_once_by_name_and_is_not_tried_again(
    desk: Desk, reason: str, message: str
) -> None:
    desk.take()
    desk.cluster.wait(name_of(), reason, message)
    desk.look()
    error = desk.report.ending.error
    assert error is not None
    assert (error.type, error.retryable) == ("ImagePull", False)
    assert IMAGE in error.message
    assert reason in error.message
    assert desk.cluster.deleted == [name_of()], "else the node would go on trying"


def test_a_registry_that_does_not_answer_is_borne_for_a_minute(desk: Desk) -> None:
    desk.take()
    desk.cluster.wait(name_of(), "ErrImagePull", "dial tcp: i/o timeout")
    desk.look(59)
    desk.cluster.wait(name_of(), "ImagePullBackOff", "Back-off pulling image")
    desk.look(0.5)
    assert not desk.said.reports
    desk.look(1)
    error = desk.report.ending.error
    assert error is not None
    assert (error.type, error.retryable) == ("ImagePull", True)


def test_an_image_that_comes_after_all_is_run(desk: Desk) -> None:
    desk.take()
    desk.cluster.wait(name_of(), "ErrImagePull", "dial tcp: i/o timeout")
    desk.look(50)
    desk.cluster.begin(name_of())
    desk.look(3600)
    assert not desk.said.reports
    assert desk.containers.running


def test_an_image_that_would_run_as_root_fails_with_kubernetes_words(desk: Desk) -> None:
    desk.take()
    text = "container has runAsNonRoot and image will run as root"
    desk.cluster.wait(name_of(), "CreateContainerConfigError", text)
    desk.look()
    error = desk.report.ending.error
    assert error is not None
    assert text in error.message
    assert not error.retryable


# Nodes


def test_no_node_within_the_time_fails_with_the_schedulers_words(desk: Desk) -> None:
    desk.take()
    desk.cluster.unschedulable(name_of(), "0/3 nodes are available: 3 Insufficient cpu.")
    desk.look(600)
    assert not desk.said.reports
    desk.look(1)
    error = desk.report.ending.error
    assert error is not None
    assert error.type == "Unschedulable"
    assert "3 Insufficient cpu" in error.message
    assert desk.cluster.deleted == [name_of()]


@pytest.mark.parametrize(
    "end",
    [
        lambda c: c.end_pod(name_of(), "Evicted", "node was low on memory", "evicted by kubelet"),
        lambda c: c.end_pod(name_of(), "Preempting", "", "preempted"),
        lambda c: c.end_pod(name_of(), "OutOfcpu", "Node didn't have enough resource: cpu"),
        lambda c: c.end_pod(name_of(), "Terminated", "Pod was terminated in response to shutdown"),
    ],
)
def test_a_pod_that_its_node_gave_up_costs_the_task_nothing(
    desk: Desk, end: Callable[[FakeCluster], None]
) -> None:
    desk.take(interruptions=2)
    name = name_of(interruptions=2)
    for job in (name_of(), name):
        if job in desk.cluster.objects["jobs"]:
            desk.cluster.begin(job)
    _named(end, desk.cluster, name)
    desk.look()
    assert not desk.said.reports
    (given,) = desk.said.given_back
    assert (given.indexes, given.interrupted, given.split) == ([0], [0], False)
    assert given.wire().interruptions == 2, "the control plane counts one more"
    assert desk.cluster.deleted == [name]


def _named(end: Callable[[FakeCluster], None], cluster: FakeCluster, name: str) -> None:
    """Do to the Job `name` what `end` does to the first one."""

    class Renamed:
        def end_pod(self, _: str, *words: str) -> None:
            cluster.end_pod(name, *words)

    end(Renamed())  # type: ignore[arg-type]


def test_a_pod_that_used_up_its_own_disk_has_failed_itself(desk: Desk) -> None:
    desk.take()
    text = "Pod ephemeral local storage usage exceeds the total limit of containers 2Gi."
    desk.cluster.end_pod(name_of(), "Evicted", text)
    desk.look()
    assert desk.report.ending.error is not None
    assert desk.report.ending.error.type == "Evicted"
    assert desk.report.ending.error.message == text


def test_a_lost_node_is_known_by_the_job_alone(desk: Desk) -> None:
    desk.take()
    desk.cluster.begin(name_of())
    desk.look()
    desk.cluster.lose_node(name_of())
    desk.look(9)
    assert not desk.said.given_back, "the pod's own end may still be on its way"
    desk.look(2)
    assert desk.said.given_back[0].interrupted == [0]


def test_a_node_that_does_not_answer_is_not_waited_for_for_ever(desk: Desk) -> None:
    desk.take()
    desk.cluster.begin(name_of())
    (pod,) = desk.cluster.pods_of(name_of())
    desk.cluster.mark("pods", pod, deletionTimestamp="2026-01-01T00:05:00Z")
    desk.look(90)
    assert not desk.said.given_back
    desk.look(1)
    assert desk.said.given_back[0].interrupted == [0]


def test_a_pod_that_someone_deleted_is_no_failure_of_the_container(desk: Desk) -> None:
    desk.take()
    desk.cluster.begin(name_of())
    (pod,) = desk.cluster.pods_of(name_of())
    desk.cluster.mark("pods", pod, deletionTimestamp="2026-01-01T00:05:00Z")
    desk.cluster.end(name_of(), 143)
    desk.look()
    assert not desk.said.reports
    assert desk.said.given_back[0].interrupted == [0]


def test_a_job_that_someone_deleted_begins_again(desk: Desk) -> None:
    desk.take()
    desk.cluster.begin(name_of())
    desk.look()
    desk.cluster.delete_job(name_of())
    desk.look()
    assert desk.said.given_back[0].interrupted == [0]


def test_a_job_that_ended_well_and_whose_pod_is_gone_has_succeeded(desk: Desk) -> None:
    desk.take()
    desk.cluster.end(name_of(), message="1")
    (pod,) = desk.cluster.pods_of(name_of())
    with desk.cluster.changed:
        desk.cluster._remove("pods", pod)
        desk.cluster.end_watches(forget=True)
    desk.look(20)
    desk.look(20)
    assert desk.report.ending.outcome is Outcome.SUCCEEDED


# The log


def test_the_end_of_a_long_log_is_kept(make_desk: Callable[..., Desk], files: FakeFiles) -> None:
    desk = make_desk(log_bytes=1024)
    desk.take()
    log = b"".join(b"line %d\n" % number for number in range(5_000))
    desk.cluster.end(name_of(), log=log)
    desk.look()
    key = f"tasks/{desk.report.held.message.job}/1/0/{desk.report.run_id}.log"
    assert desk.report.log_ref == key
    assert files.objects[key] == log[-1024:]
    assert files.types[key].startswith("text/plain")


def test_a_log_that_cannot_be_had_holds_up_no_report(desk: Desk, cluster: FakeCluster) -> None:
    desk.take()
    desk.cluster.end(name_of(), 1, log=b"words")

    def broken(pod: str, container: str) -> object:
        raise Unavailable("kubelet does not answer")

    cluster.pod_log = broken  # type: ignore[assignment,method-assign]
    desk.look()
    assert not desk.said.reports, "it may work soon"
    for _ in range(3):
        desk.look(60)
    assert desk.report.log_ref is None
    assert desk.report.ending.outcome is Outcome.FAILED


def test_a_bucket_that_is_away_delays_the_report(desk: Desk, files: FakeFiles) -> None:
    desk.take()
    files.failures = 1
    desk.cluster.end(name_of(), message="5", log=b"words")
    desk.look()
    assert not desk.said.reports
    desk.look(60)
    assert desk.report.ending.result == b"5"
    assert desk.report.log_ref is not None


def _env(desk: Desk) -> dict[str, str]:
    (container,) = desk.job()["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"]}
