"""A manifest as it is submitted: that it is there, readable, of a known kind, and begins well."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NoReturn

from pydantic import BaseModel, ConfigDict

from orchestrator.errors import (
    BadInput,
    FieldError,
    InvalidField,
    ObjectChanged,
    ObjectForbidden,
    cut,
)
from orchestrator.model.sources import MANIFEST_MAX_BYTES, ManifestFormat, ManifestIn
from orchestrator.model.strict_json import NotStrict, parse_strict
from orchestrator.service.access import Caller
from orchestrator.service.data_access import require_readable
from orchestrator.service.manifest_lines import (
    BOM,
    GZIP_MAGIC,
    InputCheck,
    Row,
    gunzip,
    judge_inputs,
    reader_of,
    skip_bytes,
    split_lines,
)
from orchestrator.service.ports import Deps
from orchestrator.service.sources import StoredObject

FIELD = "tasks.manifest"
HEAD_BYTES = 64 * 1024
TEXT_MAX_BYTES = 1024 * 1024
"""Of the beginning, unpacked: gzip may make a thousand bytes of one."""
TOLD_MAX = 20
_ENDINGS: dict[str, ManifestFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jsonlines": "jsonl",
    ".csv": "csv",
}


class ManifestRef(BaseModel):
    """A manifest as the submit found it; the plan reads this very content, or none."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    key: str
    etag: str
    size_bytes: int
    format: ManifestFormat
    gzip: bool
    on_bad_line: Literal["reject", "skip"]

    def stored(self) -> StoredObject:
        """Return the object that is meant."""
        return StoredObject(key=self.key, size_bytes=self.size_bytes, etag=self.etag)


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a manifest, unpacked; `whole` where it is all of it."""

    text: bytes
    whole: bool

    def rows(self, kind: ManifestFormat) -> Iterator[Row]:
        """Return the rows that are whole. Raises BadInput."""
        return reader_of(kind).read(split_lines([self.text]), whole=self.whole)


def open_text(deps: Deps, ref: ManifestRef, start: int) -> Iterator[bytes]:
    """Yield the manifest's text from byte `start` on; plain text is read from there, gzip unpacked up to it.

    Raises BadInput, ObjectChanged, ObjectForbidden.
    """
    if ref.gzip:
        return skip_bytes(gunzip(deps.sources.stream(ref.stored(), 0)), start)
    return deps.sources.stream(ref.stored(), start)


def check_manifest(
    deps: Deps, caller: Caller, manifest: ManifestIn, fault_of: InputCheck | None = None
) -> ManifestRef:
    """Return what is to be planned. Raises InvalidField, which says what is wrong and what to do."""
    require_readable(caller.tenant, manifest.key, f"{FIELD}.key")
    try:
        found = _find(deps, manifest.key)
        packed = _beginning(deps, found)
    except ObjectForbidden:
        _refuse("key", "may not be read by this stack", manifest.key, "Put it there by an upload.")
    except ObjectChanged:
        _refuse("key", "was overwritten just now", manifest.key, "Submit again.")
    try:
        head = read_head(packed, whole=len(packed) == found.size_bytes)
        kind = manifest.format or infer_format(manifest.key, head.text)
        if kind is None:
            _refuse("format", "cannot be told from the key or the content", None, _FORMATS)
        faults, tasks = _judge(head, kind, fault_of)
    except BadInput as error:
        _refuse("key", str(error), manifest.key, "Correct the manifest and upload it again.")
    if faults and manifest.on_bad_line == "reject":
        raise _bad_lines(faults)
    if head.whole and tasks == 1 and head.text.removeprefix(BOM).lstrip().startswith(b"["):
        rule = "is one JSON array, so it would be one task"
        _refuse("key", rule, manifest.key, "Put each of its values on a line of its own.")
    if head.whole and not tasks:
        _refuse("key", "has no task in it", manifest.key, "One line is one task.")
    return ManifestRef(
        key=manifest.key,
        etag=found.etag,
        size_bytes=found.size_bytes,
        format=kind,
        gzip=packed.startswith(GZIP_MAGIC),
        on_bad_line=manifest.on_bad_line,
    )


_FORMATS = 'Give "format": "jsonl" or "csv", or let the key end with .jsonl or .csv.'


def _find(deps: Deps, key: str) -> StoredObject:
    found = deps.sources.find(key)
    if found is None:
        _refuse("key", "is not in the data bucket", key, "Upload it first: POST /api/v1/uploads.")
    if found.size_bytes == 0:
        _refuse("key", "is an empty object", key, "One line is one task.")
    if found.size_bytes > MANIFEST_MAX_BYTES:
        rule = f"has {found.size_bytes:,} bytes, and a manifest at most {MANIFEST_MAX_BYTES:,}"
        _refuse("key", rule, key, "Compress it with gzip, or submit several jobs.")
    return found


def _refuse(part: str, rule: str, seen: str | None, action: str) -> NoReturn:
    field = f"{FIELD}.{part}"
    shown = cut(seen) if seen is not None else None
    raise InvalidField(f"{field} {rule}", action=action, fields=[FieldError(field, rule, shown)])


def _beginning(deps: Deps, found: StoredObject) -> bytes:
    held = bytearray()
    for chunk in deps.sources.stream(found, 0):
        held += chunk
        if len(held) >= HEAD_BYTES:
            break
    return bytes(held[:HEAD_BYTES])


def read_head(packed: bytes, *, whole: bool) -> Head:
    """Unpack the beginning of a manifest. Raises BadInput where it is no text."""
    text = packed
    if packed.startswith(GZIP_MAGIC):
        text, whole = _unpack(packed, whole)
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput("is UTF-16: save it as UTF-8")
    if b"\0" in text:
        raise BadInput("is binary, and a manifest is text: JSON lines or CSV, gzipped or not")
    return Head(text, whole)


def _unpack(packed: bytes, whole: bool) -> tuple[bytes, bool]:
    held = bytearray()
    if whole:
        for chunk in gunzip([packed]):
            held += chunk
            if len(held) > TEXT_MAX_BYTES:
                return bytes(held[:TEXT_MAX_BYTES]), False
        return bytes(held), True
    try:
        return zlib.decompressobj(wbits=31).decompress(packed, TEXT_MAX_BYTES), False
    except zlib.error as error:
        raise BadInput(f"is broken gzip: {error}") from error


def infer_format(key: str, text: bytes) -> ManifestFormat | None:
    """Return the format by the key's ending, else by the first line: JSON, or nothing that tells."""
    name = key.lower().removesuffix(".gz")
    for ending, kind in _ENDINGS.items():
        if name.endswith(ending):
            return kind
    first = text.removeprefix(BOM).strip().split(b"\n", 1)[0]
    try:
        parse_strict(first.decode())
    except (json.JSONDecodeError, NotStrict, UnicodeDecodeError):
        return None
    return "jsonl"


def _judge(head: Head, kind: ManifestFormat, fault_of: InputCheck | None) -> tuple[list[Row], int]:
    """Return the first bad rows of the beginning, and how many of its rows are tasks."""
    rows = list(judge_inputs(head.rows(kind), fault_of))
    faults = [row for row in rows if row.fault is not None]
    return faults[:TOLD_MAX], sum(row.text is not None for row in rows)


def _bad_lines(faults: list[Row]) -> InvalidField:
    fields = [FieldError(FIELD, f"line {row.line} {row.fault}", row.seen or None) for row in faults]
    return InvalidField(
        f"{FIELD}: {fields[0].rule}",
        action='Correct the lines named in `errors`, or set "on_bad_line": "skip" to leave such lines out.',
        fields=fields,
    )
