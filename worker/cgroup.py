"""The limits of this process's cgroup, v1 and v2: what a container may use, not what the machine has.

A limit may sit on the process's own cgroup or on any above it (a pod's, a slice's): the lowest that can
be seen holds. All functions take the root of the file system, so that a test brings trees of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path("/")
_NO_LIMIT_BYTES = 1 << 60
"""cgroup v1 has no word for "none": it shows the largest number of whole pages, just below 2**63."""


@dataclass(frozen=True, slots=True)
class _Mount:
    """A mounted hierarchy: `inside` is its part that `at` shows; v2 has no controllers of its own."""

    at: Path
    inside: PurePosixPath
    controllers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a controller's files of this process are: its own folder, then those above it."""

    version: int
    folders: tuple[Path, ...]


def memory_limit_bytes(root: Path = ROOT) -> int | None:
    """Return how much memory this process's cgroup may hold; None: no limit is set, or to be seen."""
    place = find(root, "memory")
    if place is None:
        return None
    name = "memory.max" if place.version == 2 else "memory.limit_in_bytes"
    texts = [_text(folder / name) for folder in place.folders]
    limits = [int(text) for text in texts if text.isdigit()]
    return min((limit for limit in limits if limit < _NO_LIMIT_BYTES), default=None)


def cpu_limit(root: Path = ROOT) -> float | None:
    """Return how many CPUs' time this process's cgroup may use (0.5: half of one); None: no limit."""
    place = find(root, "cpu")
    if place is None:
        return None
    read = _share_v2 if place.version == 2 else _share_v1
    shares = [share for folder in place.folders if (share := read(folder)) is not None]
    return min(shares, default=None)


def oom_events(root: Path = ROOT) -> Path | None:
    """Return the file that counts, as `oom_kill`, the processes that the kernel killed for memory."""
    place = find(root, "memory")
    if place is None:
        return None
    name = "memory.events" if place.version == 2 else "memory.oom_control"
    return next((folder / name for folder in place.folders if (folder / name).is_file()), None)


def find(root: Path, controller: str) -> Place | None:
    """Return where a controller's files are; None where it is not mounted.

    Where both versions are mounted (hybrid), a controller belongs to the one hierarchy that v1 names.
    """
    own = _own(root)
    mounts = list(_mounts(root))
    for mount in mounts:
        if controller in mount.controllers and controller in own:
            return Place(1, _folders(mount, own[controller]))
    unified = [mount for mount in mounts if not mount.controllers]
    if controller not in own and unified and "" in own:
        return Place(2, _folders(unified[0], own[""]))
    return None


def _own(root: Path) -> dict[str, PurePosixPath]:
    """Return this process's path in each hierarchy, by controller; v2's by the empty name."""
    found = dict[str, PurePosixPath]()
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        found.update(dict.fromkeys(controllers.split(","), PurePosixPath(path)))
    return found


def _mounts(root: Path) -> Iterator[_Mount]:
    """Yield the mounted hierarchies. The fields of a line are those of proc(5), mountinfo."""
    for line in _text(root / "proc/self/mountinfo").splitlines():
        fields, _, after = line.partition(" - ")
        kind, _, source_and_options = after.partition(" ")
        if kind in {"cgroup", "cgroup2"}:
            options = source_and_options.rpartition(" ")[2].split(",")
            inside, at = map(_plain, fields.split(" ")[3:5])
            yield _Mount(
                at=root / at.lstrip("/"),
                inside=PurePosixPath(inside),
                controllers=frozenset(options) if kind == "cgroup" else frozenset(),
            )


def _folders(mount: _Mount, own: PurePosixPath) -> tuple[Path, ...]:
    """Return the own folder and those above it, up to the mount.

    A container that does not have a cgroup namespace reads the machine's path in /proc/self/cgroup, but
    sees its own folder where the hierarchy is mounted: what cannot be found below is not looked for.
    """
    below = own.relative_to(mount.inside) if own.is_relative_to(mount.inside) else PurePosixPath()
    folder = mount.at / below
    chain = [folder, *folder.parents]
    return tuple(each for each in chain if each.is_relative_to(mount.at) and each.is_dir())


def _share_v2(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _share_v1(folder: Path) -> float | None:
    quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _plain(field: str) -> str:
    """Return a path without the escapes (octal) of spaces and backslashes."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


def _text(file: Path) -> str:
    """Return a file's text, empty where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
