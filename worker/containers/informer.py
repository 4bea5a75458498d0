"""An informer: one thread that lists a kind once, then watches it, and keeps what it saw."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterable

from worker.backoff import Backoff
from worker.clock import Clock
from worker.containers.ports import Cluster, Event, Gone, Kind, Object, Refused
from worker.health import Pulse
from worker.log import Log
from worker.ports import Unavailable

WATCH_SECONDS = 240
"""After so long the server ends a watch; it goes on from where it was."""
PAUSE_MAX_SECONDS = 30.0
_HASTY_SECONDS = 1.0
"""A watch that ends sooner and brought nothing is not asked for again at once."""


class Informer:
    """`on_change` is called with each object, and whether it exists, from the informer's own thread.

    What happened while nothing was watched is seen by the next list: objects that are not in it any
    more are told as gone, by name and labels alone.
    """

    def __init__(
        self,
        *,
        kind: Kind,
        selector: str,
        cluster: Cluster,
        on_change: Callable[[Object, bool], None],
        log: Log,
        clock: Clock,
        pulse: Pulse,
        backoff: Backoff | None = None,
    ) -> None:
        self._kind = kind
        self._selector = selector
        self._cluster = cluster
        self._on_change = on_change
        self._log = log
        self._clock = clock
        self._pulse = pulse
        self._backoff = backoff or Backoff(0.5, PAUSE_MAX_SECONDS)
        self._known: dict[str, Object] = {}
        self._version: str | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"informer-{kind}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Have the thread end at its next event; the cluster's own `close` ends its wait."""
        self._closed.set()

    def _run(self) -> None:
        self._pulse.begin()
        while not self._closed.is_set():
            self._pulse.beat()
            self.turn()
        self._pulse.end()

    def turn(self) -> None:
        """List, where that is needed, and watch until it ends; then wait, where that is due."""
        began = self._clock()
        try:
            if self._version is None:
                self._list()
            brought = self._watch(self._version or "")
        except Gone:
            self._version = None
            self._closed.wait(self._backoff.next_seconds())
        except (Unavailable, Refused) as error:
            self._pause("watch_failed", str(error))
        except Exception:
            self._version = None
            self._pause("watch_failed", traceback.format_exc()[-3000:])
        else:
            if brought or self._clock() - began > _HASTY_SECONDS:
                self._backoff.reset()
            else:
                self._closed.wait(self._backoff.next_seconds())

    def _pause(self, event: str, reason: str) -> None:
        if not self._closed.is_set():
            self._log.warning(event, kind=self._kind, reason=reason)
            self._closed.wait(self._backoff.next_seconds())

    def _list(self) -> None:
        listed = self._cluster.list_all(self._kind, self._selector)
        names = {item["metadata"]["name"] for item in listed.items}
        for name in self._known.keys() - names:
            self._on_change(self._known.pop(name), False)
        for item in listed.items:
            self._keep(item)
        self._version = listed.version
        self._backoff.reset()

    def _watch(self, version: str) -> bool:
        """Follow the events; tell whether any came."""
        brought = False
        for event in self._until_closed(self._cluster.watch(self._kind, self._selector, version)):
            brought = True
            self._pulse.beat()
            self._take(event)
            self._version = event.object["metadata"]["resourceVersion"]
        return brought

    def _until_closed(self, events: Iterable[Event]) -> Iterable[Event]:
        for event in events:
            if self._closed.is_set():
                return
            yield event

    def _take(self, event: Event) -> None:
        if event.type == "DELETED":
            self._known.pop(event.object["metadata"]["name"], None)
            self._on_change(event.object, False)
        elif event.type != "BOOKMARK":
            self._keep(event.object)

    def _keep(self, item: Object) -> None:
        metadata = item["metadata"]
        kept = {key: metadata.get(key) for key in ("name", "labels")}
        self._known[metadata["name"]] = {"metadata": kept}
        self._on_change(item, True)
