"""What is known of a job decides about its messages: by generation first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.states import JobState
from orchestrator.model.wire import JobInfo, JobStatus
from tests.unit.worker.conftest import JOB, message
from worker.jobs import FRESH_SECONDS, Jobs, Verdict, judge

gens = st.integers(1, 3)


@given(gens, gens, st.sampled_from(JobState))
def test_only_a_newer_generation_or_an_end_of_the_same_drops_a_message(
    of_job: int, of_message: int, state: JobState
) -> None:
    verdict = judge(message("h", 1, gen=of_message), JobStatus(gen=of_job, state=state))
    over = state.final or state is JobState.STOPPING
    if of_job < of_message:
        assert verdict is Verdict.UNKNOWN
    else:
        assert (verdict is Verdict.DROP) is (of_job > of_message or over)


def test_news_are_asked_for_when_they_are_missing_old_or_of_an_older_generation() -> None:
    now = [0.0]
    jobs = Jobs(lambda: now[0])
    assert jobs.must_ask(message("h", 1))
    info = JobInfo(gen=1, state=JobState.PROCESSING, tenant="t", request_id="r")
    jobs.learn({JOB: info})
    assert not jobs.must_ask(message("h", 1))
    assert jobs.must_ask(message("h", 1, gen=2))
    now[0] = FRESH_SECONDS + 1
    assert jobs.must_ask(message("h", 1))


def test_a_heartbeat_refreshes_the_state_but_never_with_an_older_generation() -> None:
    jobs = Jobs(lambda: 0.0)
    jobs.learn({JOB: JobInfo(gen=2, state=JobState.CREATED, tenant="t", request_id="r")})
    jobs.learn_states({JOB: JobStatus(gen=1, state=JobState.FAILED)})
    assert jobs.get(JOB) == JobInfo(gen=2, state=JobState.CREATED, tenant="t", request_id="r")
    jobs.learn_states({JOB: JobStatus(gen=2, state=JobState.STOPPING)})
    assert jobs.get(JOB) == JobInfo(gen=2, state=JobState.STOPPING, tenant="t", request_id="r")
