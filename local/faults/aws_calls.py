"""Faults of AWS calls, put into botocore: whatever goes through a client or PynamoDB goes through here.

Two places: `BaseClient._make_api_call`, which sees one call with its parameters, and `Endpoint._send`,
which sees each time that botocore sends it. A throttle or a lost reply is injected where it is sent, so
that botocore's own repeating is part of the test, and most such faults are absorbed by it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from local.faults.answers import can_throttle, throttled
from local.faults.batches import BATCHES, duplicate, partly
from local.faults.dice import Dice

DELAY_MAX_SECONDS = 3.0
LASTING = 0.02
"""The share of throttles and lost replies that outlast all of botocore's tries."""
_ALL = 1_000

type Call = Callable[[Any, str, dict[str, Any]], Any]


@dataclass(slots=True)
class _Trouble:
    """What is to happen to the next `sends` sends of the call that this thread makes."""

    kind: str
    on: str
    sends: int


class AwsFaults:
    """The faults of one process. `die` ends it; None where it is not to die (a worker)."""

    def __init__(
        self,
        dice: Dice,
        die: Callable[[], None] | None,
        watch: Callable[[str, dict[str, Any], Any], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._dice = dice
        self._die = die
        self._watch = watch
        self._sleep = sleep
        self._thread = threading.local()

    def patch_client(self, module: ModuleType) -> None:
        """Put this into `botocore.client`."""
        real: Call = module.BaseClient._make_api_call

        def make_api_call(client: Any, operation: str, params: dict[str, Any]) -> Any:
            return self.call(real, client, operation, params)

        module.BaseClient._make_api_call = make_api_call

    def patch_endpoint(self, module: ModuleType) -> None:
        """Put this into `botocore.endpoint`."""
        real: Callable[[Any, Any], Any] = module.Endpoint._send
        lost: Callable[..., Exception] = module.HTTPClientError

        def send(endpoint: Any, request: Any) -> Any:
            return self.send(real, lost, endpoint, request)

        module.Endpoint._send = send

    def call(self, real: Call, client: Any, operation: str, params: dict[str, Any]) -> Any:
        """Make one call of a client, with what befalls it."""
        service = client.meta.service_model.service_name
        on = f"{service}.{operation}"
        if not self._dice.armed:
            return self._watched(on, params, real(client, operation, params))
        if self._die is not None and self._dice.hits("lambda_timeout", on):
            self._die()
        if self._dice.hits("delay", on):
            self._sleep(self._dice.uniform(DELAY_MAX_SECONDS))
        self._thread.trouble = self._trouble(on)
        try:
            answer = self._batch(real, client, operation, params, on)
        finally:
            self._thread.trouble = None
        return self._watched(on, params, answer)

    def _watched(self, on: str, params: dict[str, Any], answer: Any) -> Any:
        if self._watch is not None:
            self._watch(on, params, answer)
        return answer

    def _batch(
        self, real: Call, client: Any, operation: str, params: dict[str, Any], on: str
    ) -> Any:
        """Make the call; where it is a batch, let entries fail or go twice."""

        def send(given: dict[str, Any]) -> Any:
            return real(client, operation, given)

        batch = BATCHES.get(on)
        if batch is None:
            return send(params)
        fails = self._dice.falls("partial")
        answer = partly(batch, params, send, self._dice, on) if fails else send(params)
        if on == "sqs.SendMessageBatch":
            self._thread.trouble = None
            duplicate(params, answer, send, self._dice, on)
        return answer

    def _trouble(self, on: str) -> _Trouble | None:
        kinds = ["lost_call", "throttle"] if can_throttle(on) else ["lost_call"]
        for kind in kinds:
            if self._dice.falls(kind):
                sends = _ALL if self._dice.uniform() < LASTING else 1
                return _Trouble(kind, on, sends)
        return None

    def send(
        self,
        real: Callable[[Any, Any], Any],
        lost: Callable[..., Exception],
        endpoint: Any,
        request: Any,
    ) -> Any:
        """Send once: refuse it as AWS does when it throttles, or lose the answer."""
        trouble: _Trouble | None = getattr(self._thread, "trouble", None)
        if trouble is None or trouble.sends == 0:
            return real(endpoint, request)
        trouble.sends -= 1
        self._dice.note(trouble.kind, trouble.on)
        if trouble.kind == "throttle":
            return throttled(trouble.on, request.url)
        real(endpoint, request)
        raise lost(error="the reply was lost (FAULTS)")
