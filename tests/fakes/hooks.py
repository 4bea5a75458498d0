"""Hooks around the writes of a store in memory: to crash, or to let others act, between any two."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable

Hook = Callable[[str], None]


def ignore(_: str) -> None:
    """Do nothing around a write."""


class Hooked:
    """What the parts of a store share: one lock, and a hook before and after each write."""

    def __init__(self, before_write: Hook = ignore, after_write: Hook = ignore) -> None:
        self.before_write = before_write
        self.after_write = after_write
        self.lock = threading.RLock()


def write[**P, R](method: Callable[P, R]) -> Callable[P, R]:
    """Call the hooks around a write, and hold the lock during it."""

    @functools.wraps(method)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        store = args[0]
        assert isinstance(store, Hooked)
        store.before_write(method.__name__)
        with store.lock:
            answer = method(*args, **kwargs)
        store.after_write(method.__name__)
        return answer

    return wrapped
