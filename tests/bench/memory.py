"""Memory of processes, from /proc: nothing where there is none."""

from __future__ import annotations

from pathlib import Path

from local.processes import Identity

_PAGE_BYTES = 4096


def resident_bytes(process: Identity) -> int:
    """Return the resident memory of a process and of all in its session, its children among them."""
    return sum(map(_resident_bytes, _statm_of_session(process.pid)))


def _resident_bytes(statm: Path) -> int:
    try:
        return int(statm.read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0  # It has ended meanwhile.


def _statm_of_session(session: int) -> list[Path]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It has ended meanwhile.
        if int(fields[3]) == session:
            found.append(stat.with_name("statm"))
    return found
