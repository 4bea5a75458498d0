"""Calls that overtake each other, in every stage of a job.

Two calls, the one at each of its requests overtaken by the other: by default those pairs that the protocol
is about and some of the rest, spread evenly; all of them with `--hypothesis-profile=deep`. And any few
calls, each of which may die or stall.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.model.states import Outcome
from tests.property.protocol.actions import EVERY
from tests.property.protocol.calls import Fate
from tests.property.protocol.pairs import Act, core_of, pairs_of, play, play_all
from tests.property.protocol.setups import SETUPS

QUICK_EVERY, QUICK_CORE_EVERY = 997, 3
"""No divisors of anything, so that gates, ends and outcomes all change from one that is played to the next."""
DEEP = settings.get_current_profile_name() == "deep"
QUICK = settings(
    derandomize=True,
    max_examples=250,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

fates = st.builds(Fate, st.sampled_from(["stall", "die", "live"]), st.integers(0, 12))
acts = st.builds(Act, st.sampled_from(list(EVERY)), fates)
ends = st.builds(Fate, st.sampled_from(["live", "die"]), st.integers(0, 6))


@pytest.mark.parametrize("setup", SETUPS)
def test_a_call_may_be_overtaken_by_any_other_at_any_of_its_requests(setup: str) -> None:
    core = islice(core_of(setup), None, None, QUICK_CORE_EVERY)
    others = islice(pairs_of(setup), None, None, QUICK_EVERY)
    for pair in pairs_of(setup) if DEEP else chain(core, others):
        try:
            play(setup, pair)
        except BaseException as error:
            error.add_note(f"{setup}: {pair}")
            raise


@(settings() if DEEP else QUICK)
@given(
    setup=st.sampled_from(list(SETUPS)),
    calls=st.lists(acts, min_size=2, max_size=4),
    last=st.lists(ends, max_size=3),
    other=st.sampled_from([Outcome.SUCCEEDED, Outcome.FAILED]),
    seconds=st.sampled_from([2.0, 3_000.0]),
    size=st.sampled_from([1, 3]),
)
def test_any_few_calls_may_die_and_overtake_each_other(
    setup: str,
    calls: Sequence[Act],
    last: Sequence[Fate],
    other: Outcome,
    seconds: float,
    size: int,
) -> None:
    play_all(setup, calls, last, other, seconds, size)
