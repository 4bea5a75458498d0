"""The loop of a child: load the handlers, say hello, then serve one order after another."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from orchestrator.model.states import Outcome
from worker.api import Files
from worker.child.bucket import S3, BucketCheckpoints, BucketFiles
from worker.child.channel import Channel
from worker.child.condition import Condition
from worker.child.confine import confine, flush_output, leave
from worker.child.context import Scratch, make_checkpoint, make_context, make_logger
from worker.child.settings import ChildSettings
from worker.ending import Ending, failed
from worker.frames import encode
from worker.invoke import RawTask, invoke
from worker.processes import has_children, kill_descendants
from worker.registry import Handler, HandlerError, load_handlers
from worker.tickets import Tickets


def main(argument: str) -> None:
    """Run until the worker closes the socket."""
    settings = ChildSettings.load(argument)
    confine(settings)
    channel = Channel(settings.channel_fd)
    child = Child(settings, channel, _load(settings, channel))
    while child.fit and (order := channel.next_order()) is not None:
        child.serve(order.header)
    leave(0)


def _load(settings: ChildSettings, channel: Channel) -> dict[str, Handler]:
    try:
        handlers = load_handlers(settings.sources)
    except HandlerError as error:
        channel.send(encode({"type": "unusable", "reason": str(error)}))
        leave(1)
    hello: dict[str, Any] = {"type": "hello", "handlers": sorted(handlers)}
    channel.send(encode(hello | _described(handlers) if settings.describes else hello))
    return handlers


def _described(handlers: dict[str, Handler]) -> dict[str, Any]:
    # With pydantic, which other children load with their first task.
    from worker.schemas import input_schemas

    schemas, left_out = input_schemas(handlers)
    return {"schemas": schemas, "left_out": left_out}


class Child:
    """Runs the tasks of an order, each if there is a ticket for it, and reports each ending."""

    def __init__(
        self, settings: ChildSettings, channel: Channel, handlers: dict[str, Handler]
    ) -> None:
        self._settings = settings
        self._channel = channel
        self._handlers = handlers
        self._tickets = Tickets(settings.tickets_fd)
        s3 = S3()
        self._files: Files = BucketFiles(settings.data_bucket, s3)
        self._checkpoints = BucketCheckpoints(settings.results_bucket, s3)
        self._logger = make_logger(channel)
        self._condition = Condition()
        self.fit = True

    def serve(self, order: dict[str, Any]) -> None:
        """Run the order's tasks in turn until they, or the tickets, are used up, or it is unfit."""
        handler = self._handlers.get(order["handler"])
        last = len(order["tasks"]) - 1
        for number, run in enumerate(order["tasks"]):
            if not self._tickets.take(1):
                self._channel.send(self._done(order))
                break
            ended = _ended(run["index"], *self._timed(handler, order, run))
            self.fit = self._condition.restore()
            over = number == last or not self.fit
            self._channel.send(ended + self._done(order) if over else ended)
            if over:
                break

    def _done(self, order: dict[str, Any]) -> bytes:
        return encode({"type": "done", "order": order["order"], "fit": self.fit})

    def _timed(
        self, handler: Handler | None, order: dict[str, Any], run: dict[str, Any]
    ) -> tuple[Ending, int]:
        started = time.monotonic()
        ending = self._run(handler, order, run) if handler else _unknown(order["handler"])
        return ending, round((time.monotonic() - started) * 1000)

    def _run(self, handler: Handler, order: dict[str, Any], run: dict[str, Any]) -> Ending:
        scratch = Scratch(Path(self._settings.scratch, run["run_id"]))
        over = threading.Event()
        context = make_context(
            channel=self._channel,
            over=over,
            settings=self._settings,
            files=self._files,
            checkpoint=make_checkpoint(self._checkpoints, order, run, over),
            scratch=scratch,
            logger=self._logger,
            run=run,
        )
        ending = invoke(handler, _raw_task(order, run), context)
        over.set()
        if self._channel.forked:
            leave(0)
        scratch.remove()
        if has_children():
            kill_descendants()
        flush_output()
        return ending


def _ended(index: int, ending: Ending, duration_ms: int) -> bytes:
    error = ending.error
    header = {
        "type": "ended",
        "index": index,
        "outcome": ending.outcome,
        "duration_ms": duration_ms,
        "error": error and {name: getattr(error, name) for name in error.__slots__},
    }
    return encode(header, ending.result or b"")


def _unknown(name: str) -> Ending:
    return failed(Outcome.FAILED, "UnknownHandler", f"this worker has no handler {name!r}")


def _raw_task(order: dict[str, Any], run: dict[str, Any]) -> RawTask:
    return RawTask(
        job_id=order["job"],
        index=run["index"],
        attempt=order["attempt"],
        gen=order["gen"],
        input=run["input"],
        parameters=order["parameters"],
        timeout_seconds=order["timeout_seconds"],
    )
