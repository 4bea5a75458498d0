"""One tree of errors. A `Problem` becomes an answer (RFC 9457); anything else is a bug and propagates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

_SEEN_MAX_CHARS = 80


def cut(value: object, limit: int = _SEEN_MAX_CHARS) -> str:
    """Return `value` as text of at most `limit` characters, for an error that shows what it saw."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One broken rule: the field's path (`tasks.items[3]`), the rule, the value seen (cut)."""

    field: str
    rule: str
    seen: str | None = None


class OrchestratorError(Exception):
    """The root of every error that this product raises on purpose."""


class Problem(OrchestratorError):
    """An error whose cause is the caller's; `detail` says what is wrong and `action` what to do."""

    status = 500
    code = "internal"
    title = "Internal error"

    def __init__(
        self, detail: str, *, action: str | None = None, fields: Sequence[FieldError] = ()
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.action = action
        self.fields = tuple(fields)

    def body(self, instance: str | None = None) -> dict[str, object]:
        """Return the problem+json members; absent ones are left out."""
        members: dict[str, object | None] = {
            "type": f"urn:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "action": self.action,
            "instance": instance,
            "errors": [asdict(field) for field in self.fields] or None,
        }
        return {name: value for name, value in members.items() if value is not None}


class BadRequest(Problem):
    """The request cannot be read or breaks a rule."""

    status, code, title = 400, "bad_request", "Bad request"


class InvalidField(BadRequest):
    """One or more fields break their rules."""

    status, code, title = 422, "invalid_field", "A field breaks its rule"


class InvalidCursor(BadRequest):
    """A cursor was changed, cut, or belongs to another list."""

    code, title = "invalid_cursor", "The cursor is not valid here"


class Unauthorized(Problem):
    """No key, or one that is not known."""

    status, code, title = 401, "unauthorized", "A valid API key is needed"


class Forbidden(Problem):
    """The key's role does not allow this."""

    status, code, title = 403, "forbidden", "The key's role does not allow this"


class NotFound(Problem):
    """There is no such thing for this tenant."""

    status, code, title = 404, "not_found", "Not found"


class NotAcceptable(Problem):
    """The answer has one form only, and the request does not ask for it."""

    status, code, title = 406, "not_acceptable", "The answer has another form"


class Conflict(Problem):
    """The state of the resource does not allow this."""

    status, code, title = 409, "conflict", "The resource's state does not allow this"


class IdempotencyConflict(Conflict):
    """The same Idempotency-Key came with another body."""

    code, title = "idempotency_key_reused", "The Idempotency-Key was used with another body"


class PayloadTooLarge(Problem):
    """The body is above its limit."""

    status, code, title = 413, "payload_too_large", "The body is too large"


class QuotaExceeded(Problem):
    """A limit of the tenant is reached."""

    status, code, title = 429, "quota_exceeded", "A limit is reached"


class Superseded(OrchestratorError):
    """The job has moved on (another generation, or final): this execution has nothing more to do."""


class NotComplete(OrchestratorError):
    """The job's counts do not add up to its total yet: the step is to be tried again."""


class SendFailed(OrchestratorError):
    """A message could not be sent after the retries; its outbox item is kept, so the sweep sends it."""


class BadInput(OrchestratorError):
    """The job's inputs cannot be planned; the reason is for the person who submitted them."""


class ObjectChanged(OrchestratorError):
    """An object is no longer the one that was named: overwritten or deleted since."""


class ObjectForbidden(OrchestratorError):
    """S3 does not let this product read an object: its own policy, or the key it is encrypted with."""


class LeaseLost(OrchestratorError):
    """The message is no longer this worker's: commit nothing, delete nothing."""
