"""The matrix against a list of all its combinations: the same tasks, at the same places."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import JsonValue

from orchestrator.model.matrix import GAPS_MAX, Axes, make_matrix, read_axis

AXIS: st.SearchStrategy[JsonValue] = st.one_of(
    st.lists(st.integers(-9, 9), min_size=1, max_size=4, unique=True),
    st.lists(st.text(max_size=2), min_size=1, max_size=4, unique=True),
    st.lists(st.booleans(), min_size=1, max_size=2, unique=True),
    st.tuples(st.integers(-3, 3), st.integers(0, 4)).map(lambda p: f"{p[0]}..{p[0] + p[1]}"),
)


@st.composite
def matrices(draw: st.DrawFn) -> tuple[Axes, list[dict[str, JsonValue]]]:
    names = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True))
    axes = {name: read_axis(draw(AXIS)) for name in names}
    entry: st.SearchStrategy[dict[str, JsonValue]] = st.lists(
        st.sampled_from(names), min_size=1, unique=True
    ).flatmap(
        lambda chosen: st.fixed_dictionaries(
            {name: st.sampled_from(list(axes[name])) for name in chosen}
        )
    )
    return axes, draw(st.lists(entry, max_size=4))


def listed(axes: Axes, exclude: list[dict[str, JsonValue]]) -> list[dict[str, Any]]:
    """Return the combinations as nested loops make them."""
    every = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    return [one for one in every if not any(entry.items() <= one.items() for entry in exclude)]


@given(matrices())
def test_each_index_renders_the_combination_that_a_list_would_hold(
    made: tuple[Axes, list[dict[str, JsonValue]]],
) -> None:
    axes, exclude = made
    matrix, expected = make_matrix(axes, exclude), listed(*made)
    assert matrix.total == len(expected)
    rendered = [matrix.render(index) for index in range(matrix.total)]
    assert rendered == expected
    assert all(list(one) == list(axes) for one in rendered)


@given(matrices(), st.data())
def test_a_combination_is_found_where_it_is_rendered_and_nowhere_else(
    made: tuple[Axes, list[dict[str, JsonValue]]], data: st.DataObject
) -> None:
    axes, exclude = made
    matrix, expected = make_matrix(axes, exclude), listed(*made)
    for values in product(*axes.values()):
        one: dict[str, JsonValue] = dict(zip(axes, values, strict=True))
        assert matrix.position_of(one) == (expected.index(one) if one in expected else None)
    assert matrix.position_of({**dict.fromkeys(axes, None)}) is None
    assert matrix.position_of({"elsewhere": 1}) is None


@given(st.integers(1, 10**12), st.integers(1, 10**12), st.data())
def test_a_matrix_of_any_size_is_rendered_without_being_listed(
    first: int, second: int, data: st.DataObject
) -> None:
    axes: Axes = {"a": range(first), "b": range(second)}
    digits = (data.draw(st.integers(0, first - 1)), data.draw(st.integers(0, second - 1)))
    matrix = make_matrix(axes, [{"a": digits[0], "b": digits[1]}])
    assert matrix.total == first * second - 1
    assume(matrix.total > 0)
    index = data.draw(st.integers(0, matrix.total - 1))
    one = matrix.render(index)
    assert (one["a"], one["b"]) != digits
    assert matrix.position_of(one) == index


def test_excludes_by_the_first_axes_are_few_runs_however_many_tasks_they_take() -> None:
    axes: Axes = {"lr": (0.1, 0.01), "seed": range(500_000)}
    assert len(make_matrix(axes, [{"lr": 0.1}]).gaps_at) == 1
    with pytest.raises(ValueError, match="put the axes that are excluded by first"):
        make_matrix({"seed": range(GAPS_MAX + 1), "lr": (0.1, 0.01)}, [{"lr": 0.1}])


def test_one_is_not_true() -> None:
    assert make_matrix({"a": (1, 2)}, []).position_of({"a": True}) is None
    assert make_matrix({"a": range(1, 3)}, []).position_of({"a": 1.0}) == 0
    with pytest.raises(ValueError, match="excludes nothing"):
        make_matrix({"a": range(1, 3)}, [{"a": True}])
