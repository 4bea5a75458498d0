"""Walks over the transition tables."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.states import (
    JOB_TRANSITIONS,
    TASK_TRANSITIONS,
    JobEvent,
    JobState,
    TaskState,
    state_after,
    states_before,
)


@given(st.data())
def test_a_job_can_always_end_and_only_a_retry_leaves_the_end(data: st.DataObject) -> None:
    state = JobState.CREATED
    for _ in range(data.draw(st.integers(0, 12))):
        event = data.draw(st.sampled_from(sorted(JOB_TRANSITIONS[state])))
        assert not state.final or event is JobEvent.RETRIED
        state = JOB_TRANSITIONS[state][event]
    seen = {state}
    while not any(reached.final for reached in seen):
        further = {target for reached in seen for target in JOB_TRANSITIONS[reached].values()}
        assert further - seen, f"{state} never ends"
        seen |= further


@given(st.data())
def test_a_task_s_end_is_left_only_by_reopening(data: st.DataObject) -> None:
    state = TaskState.PENDING
    for _ in range(data.draw(st.integers(0, 20))):
        exits = TASK_TRANSITIONS[state]
        if not exits:
            assert state is TaskState.SUCCEEDED
            return
        event = data.draw(st.sampled_from(sorted(exits)))
        assert not state.final or exits[event] is TaskState.RETRYING
        state = exits[event]


@given(st.sampled_from(JobEvent))
def test_every_event_has_one_target_and_a_source(event: JobEvent) -> None:
    assert states_before(event)
    assert all(
        JOB_TRANSITIONS[state][event] is state_after(event) for state in states_before(event)
    )
