"""The site: built with Node.js where there is one, and put into the bucket behind the distribution."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from local import aws, interrupt, node
from local.errors import LocalError
from local.paths import BUILDS, ROOT
from local.scope import Scope

_SOURCES = ("src", "public")
_KEPT_BUILDS = 3
_TEXT = (".html", ".js", ".css", ".svg", ".json")
_FOREVER = "public, max-age=31536000, immutable"


def stamp(frontend: Path = node.FRONTEND) -> str:
    """Return a hash of all that the build reads."""
    files = [path for path in frontend.iterdir() if path.is_file()]
    for folder in _SOURCES:
        files += [path for path in (frontend / folder).rglob("*") if path.is_file()]
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(f"{path.relative_to(frontend)}\0".encode() + path.read_bytes())
    return total.hexdigest()[:16]


def build(scope: Scope) -> Path:
    """Return the folder of the built site, built anew when its sources have changed.

    Raises NodeMissing, or LocalError with the end of npm's output.
    """
    node.check()
    with node.alone():
        builds = BUILDS / "site"
        built = builds / stamp()
        if not (built / "index.html").exists():
            folder = scope.folder("site")
            node.install(scope, folder)
            node.script(scope, folder, "build", "--outDir", str(folder / "dist"))
            builds.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(built, ignore_errors=True)
            shutil.move(folder / "dist", built)
            _forget_old(builds)
        return built


def _forget_old(builds: Path) -> None:
    """Keep the newest few builds."""
    by_age = sorted(builds.iterdir(), key=lambda path: path.stat().st_mtime)
    for old in by_age[:-_KEPT_BUILDS]:
        shutil.rmtree(old, ignore_errors=True)


def stored(path: Path, name: str) -> dict[str, object]:
    """Return how one file of the site is stored: its body, type, encoding and time in caches.

    Names under assets/ hold a hash of their content, so they never change. Text is stored
    compressed, since a distribution compresses nothing beyond 10 MB, and an emulator's nothing.
    """
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    fields: dict[str, object] = {
        "ContentType": f"{kind}; charset=utf-8" if name.endswith(_TEXT) else kind,
        "CacheControl": _FOREVER if name.startswith("assets/") else "no-cache",
        "Body": path.read_bytes(),
    }
    if name.endswith(_TEXT):
        fields |= {"Body": gzip.compress(path.read_bytes(), mtime=0), "ContentEncoding": "gzip"}
    return fields


def upload(built: Path, endpoint_url: str, bucket: str) -> None:
    """Upload the built site, the document that names the other files last."""
    client = aws.client("s3", endpoint_url)
    names = sorted(
        path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file()
    )
    for name in sorted(names, key="index.html".__eq__):
        client.put_object(Bucket=bucket, Key=name, **stored(built / name, name))


def address(endpoint_url: str, domain: str) -> str:
    """Return where the emulator serves the distribution that AWS would serve at `domain`.

    Browsers resolve every name under localhost to this machine.
    """
    port = urlsplit(endpoint_url).port or 80
    return f"http://{domain.partition('.')[0]}.cloudfront.localhost:{port}/"


def build_if_possible(scope: Scope) -> Path | None:
    """Build the site; without Node.js, or when it fails, say what is left out and return None."""
    try:
        return build(scope)
    except LocalError as error:
        if scope.closed:
            raise
        print(
            f"  The site is left out: {error}.\n  All else runs ({ROOT.name}/docs/site.md).",
            flush=True,
        )
        return None


def _built() -> int:
    with Scope() as scope:
        print(build(scope))
    return 0


def main() -> int:
    """Build the site and say where it is."""
    return interrupt.exit_code(_built)


if __name__ == "__main__":
    sys.exit(main())
