"""What the rules draw: fates, outcomes, jobs."""

from __future__ import annotations

from hypothesis import strategies as st

from orchestrator.model.states import Outcome
from orchestrator.spec import SubmitJobIn
from tests.property.protocol.calls import LIVE, Fate

LIFETIMES = {
    **dict.fromkeys(("complete", "claim", "heartbeat", "submit", "cancel", "retry"), 29),
    **dict.fromkeys(("enqueue", "dead"), 50),
    "sweep": 60,
}
"""Seconds until Lambda ends a call (template.yaml); the other steps of the machine have 300."""
STEP_LIFETIME = 300

fates = st.one_of(
    st.just(LIVE),
    st.builds(Fate, st.sampled_from(["stall", "die", "fail"]), st.integers(0, 11)),
)
picks = st.integers(0, 20)
outcomes = st.sampled_from(
    [Outcome.SUCCEEDED, Outcome.FAILED, Outcome.TIMED_OUT, Outcome.BAD_RESULT]
)
outcome_lists = st.lists(outcomes, min_size=1, max_size=4)
jitters = st.sampled_from([0.0, 0.01, 0.4, 0.9])
workers = st.sampled_from(["w-1", "w-2"])


@st.composite
def submissions(draw: st.DrawFn) -> SubmitJobIn:
    """Draw a job of few tasks, with the rules that take other paths."""
    total = draw(st.integers(1, 8))
    tolerated = draw(st.sampled_from([{}, {"count": 0, "when_exceeded": "stop"}, {"count": 1}]))
    return SubmitJobIn.model_validate(
        {
            "name": "a job",
            "handler": "echo",
            "tasks": draw(st.sampled_from([{"count": total}, {"items": list(range(total))}])),
            "retry": {
                "max_attempts": draw(st.integers(1, 3)),
                "initial_seconds": draw(st.sampled_from([0, 2, 3_000])),
                "max_seconds": 3_000,
            },
            "tolerated_failures": tolerated,
            "tasks_per_message": draw(st.sampled_from([None, 1, 2])),
            "max_running": draw(st.sampled_from([None, None, 1, 3])),
            "deadline_seconds": draw(st.sampled_from([None, None, None, 900])),
        }
    )
