"""Faults of a worker's requests to the work API, put into urllib3's PoolManager.

botocore does not go through `PoolManager.urlopen`, and a handler's own requests have other addresses:
only what begins with the work API's address is touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from local.faults.aws_calls import DELAY_MAX_SECONDS
from local.faults.dice import Dice

_STATUSES = (500, 502, 503, 504)


class HttpFaults:
    """The faults of one process's requests to `url`."""

    def __init__(self, dice: Dice, url: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._dice = dice
        self._url = url
        self._sleep = sleep

    def patch(self, module: ModuleType) -> None:
        """Put this into `urllib3.poolmanager`."""
        real: Callable[..., Any] = module.PoolManager.urlopen

        def urlopen(pool: Any, method: str, url: str, *given: Any, **named: Any) -> Any:
            return self.request(lambda: real(pool, method, url, *given, **named), url)

        module.PoolManager.urlopen = urlopen

    def request(self, send: Callable[[], Any], url: str) -> Any:
        """Make one request, with what befalls it."""
        if not url.startswith(self._url) or not self._dice.armed:
            return send()
        from urllib3 import HTTPResponse
        from urllib3.exceptions import ProtocolError

        on = f"work_api {url.rpartition('/')[2]}"
        if self._dice.hits("delay", on):
            self._sleep(self._dice.uniform(DELAY_MAX_SECONDS))
        if self._dice.hits("api_5xx", on):
            status = _STATUSES[int(self._dice.uniform(len(_STATUSES)))]
            return HTTPResponse(body=b'{"message": "FAULTS"}', status=status)
        lost = self._dice.hits("lost_reply", on)
        answer = send()
        if lost:
            raise ProtocolError("the reply was lost (FAULTS)")
        return answer
