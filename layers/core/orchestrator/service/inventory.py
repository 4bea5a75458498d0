"""Tasks made of objects: those whose key begins with a text, or matches a pattern, ordered by key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import translate

from orchestrator.errors import FieldError, InvalidField, ObjectForbidden, cut
from orchestrator.service.access import Caller
from orchestrator.service.data_access import require_readable
from orchestrator.service.ports import Deps
from orchestrator.service.sources import StoredObject
from orchestrator.spec import encode_json

FIELD = "tasks.prefix"
PAGE = 1_000
"""S3's largest page of a list."""
_WILD = re.compile(r"[*?\[]")


def fixed_part(pattern: str) -> str:
    """Return what every matching key begins with: all of it, or what stands before the first wild card."""
    return _WILD.split(pattern, maxsplit=1)[0]


def list_objects(deps: Deps, pattern: str, after: str) -> Iterator[tuple[StoredObject, bool]]:
    """Yield the objects behind the key `after`, ascending, and whether each is a task's.

    A pattern is a shell pattern for the whole key (`*` also stands for slashes). Keys that end with a slash are
    folders that consoles made, and no task's. Raises ObjectForbidden.
    """
    prefix = fixed_part(pattern)
    # Python's translation has no backtracking that grows with the square of a key.
    matches = re.compile(translate(pattern)).match if prefix != pattern else None
    while True:
        page = deps.sources.list_after(prefix, after, PAGE)
        for found in page:
            wanted = matches is None or matches(found.key) is not None
            yield found, wanted and not found.key.endswith("/")
        if len(page) < PAGE:
            return
        after = page[-1].key


def object_input(found: StoredObject) -> bytes:
    """Return the input of an object's task, one line of JSON."""
    return encode_json({"key": found.key, "size_bytes": found.size_bytes, "etag": found.etag})


def check_prefix(deps: Deps, caller: Caller, pattern: str) -> None:
    """Let pass what the tenant may list and what has objects at all. Raises InvalidField."""
    prefix = fixed_part(pattern)
    require_readable(caller.tenant, prefix, FIELD)
    try:
        found = deps.sources.list_after(prefix, "", 1)
    except ObjectForbidden as error:
        raise _refusal("may not be listed by this stack", pattern) from error
    if not found:
        raise _refusal("has no object in the data bucket", pattern)


def _refusal(rule: str, pattern: str) -> InvalidField:
    return InvalidField(
        f"{FIELD} {rule}",
        action="Compare with the bucket: keys are case-sensitive, and a folder's ends with a slash.",
        fields=[FieldError(FIELD, rule, cut(pattern))],
    )
