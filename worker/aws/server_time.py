"""The servers' time, for signatures and credentials, where this machine's wall clock is wrong.

AWS refuses a signature that is more than five minutes off, and botocore signs by the wall clock. The
Date of each answer, also of a refusal, says how wrong that is. This is the worker's only use of wall
time but for the log.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import botocore.auth
from boto3.session import Session
from botocore.credentials import RefreshableCredentials

_TOLERATED = timedelta(seconds=60)
"""Below it nothing is corrected: an answer takes its time, and AWS allows five minutes."""
_REFUSALS = frozenset({400, 401, 403})
_ATTEMPTS_MAX = 3


def _wall() -> datetime:
    return datetime.now(UTC)


class ServerTime:
    """How far the servers are ahead of this machine, as of the latest answer."""

    def __init__(self, wall: Callable[[], datetime] = _wall) -> None:
        self._wall = wall
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """Return the servers' time, in UTC and aware of it."""
        return self._wall() + self._ahead

    def learn(self, date: str | None) -> bool:
        """Take the Date header of an answer; tell whether what was signed before it was out of time."""
        try:
            ahead = parsedate_to_datetime(date or "") - self._wall()
        except (ValueError, TypeError):
            return False
        ahead = ahead if abs(ahead) > _TOLERATED else timedelta(0)
        before, self._ahead = self._ahead, ahead
        return abs(ahead - before) > _TOLERATED

    def refused(self, status: int, date: str | None) -> bool:
        """Take an answer; tell whether it is a refusal that a new signature may turn."""
        return self.learn(date) and status in _REFUSALS

    def attach(self, session: Session) -> None:
        """Have all clients that the session will make sign by this time, and try again where refused.

        Before a client is made, since clients copy the session's events. botocore offers no other way
        to sign by another clock than to put one in the place of its own.
        """
        events: Any = session.events  # Its stubs do not know that what a hook returns matters.
        events.register("needs-retry", self._retry)
        vars(botocore.auth)["get_current_datetime"] = self._botocore_now
        credentials = session.get_credentials()
        if isinstance(credentials, RefreshableCredentials):
            vars(credentials)["_time_fetcher"] = self.now

    def _botocore_now(self, remove_tzinfo: bool = True) -> datetime:
        return self.now().replace(tzinfo=None) if remove_tzinfo else self.now()

    def _retry(self, response: Any, attempts: int, **_: object) -> int | None:
        """Return the seconds to wait before another try, or None: leave it to botocore's own rules."""
        if response is None:
            return None
        answer = response[0]
        turned = self.refused(answer.status_code, answer.headers.get("Date"))
        return 0 if turned and attempts < _ATTEMPTS_MAX else None
