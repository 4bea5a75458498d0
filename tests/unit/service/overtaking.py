"""Calls that are overtaken or die at one of their writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.fakes.world import World


class Died(BaseException):
    """The process died."""


def _ignore(_: str) -> None:
    return None


def _once(world: World, write: str, action: Callable[[], object], *, after: bool) -> None:
    def hook(name: str) -> None:
        if name == write:
            world.store.before_write = world.store.after_write = _ignore
            action()

    if after:
        world.store.after_write = hook
    else:
        world.store.before_write = hook


def overtake(
    world: World, write: str, action: Callable[[], object], *, after: bool = False
) -> None:
    """Let `action` happen while the next call that comes to `write` stands before (or after) it."""
    _once(world, write, action, after=after)


@contextmanager
def dying(world: World, write: str, *, after: bool = False) -> Iterator[None]:
    """Expect that what runs in the block dies before (or after) its first such write."""

    def die() -> None:
        raise Died

    _once(world, write, die, after=after)
    with pytest.raises(Died):
        yield
