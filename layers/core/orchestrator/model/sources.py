"""Where tasks may come from other than the request's body: a manifest, a prefix; and how one is uploaded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from orchestrator.model.wire import Wire

KEY_MAX_BYTES = 1024
"""S3's limit of a key."""
MANIFEST_MAX_BYTES = 1024**3
"""As it is stored. At 5 MB/s, a slow function's rate, it is read within four minutes."""
LISTED_BAD_LINES = 100
UPLOADS = "uploads/"
SHARED = "shared/"
"""What lies under it, every tenant may name."""

ManifestFormat = Literal["jsonl", "csv"]


def check_key(text: str) -> str:
    """Return an object's key. Raises ValueError where S3, or a path made of it, could read it in two ways."""
    if len(text.encode(errors="replace")) > KEY_MAX_BYTES:
        raise ValueError(f"a key has at most {KEY_MAX_BYTES} bytes")
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text):
        raise ValueError("control characters are not allowed")
    parts = text.split("/")
    if "" in parts[:-1] or {".", ".."} & {*parts}:
        raise ValueError('a key has no empty part, "." or ".." between its slashes')
    return text


ObjectKey = Annotated[str, StringConstraints(min_length=1), AfterValidator(check_key)]


class ManifestIn(Wire):
    """Tasks from an object of the data bucket: one a line (JSON lines), or one a row (CSV with a header row).

    It may be gzipped. `format` is taken from the key's ending, else from the content. `on_bad_line`: "reject"
    fails the job before any task runs, "skip" leaves such lines out.
    """

    key: ObjectKey
    format: ManifestFormat | None = None
    on_bad_line: Literal["reject", "skip"] = "reject"


class UploadIn(Wire):
    """Body of POST /api/v1/uploads. `sha256` (64 hexadecimal digits): S3 refuses any other content."""

    filename: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")]
    size_bytes: Annotated[int, Field(ge=1, le=MANIFEST_MAX_BYTES)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
