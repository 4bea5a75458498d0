"""What a stack's launch does differently when it has faults; nothing at all when it has none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from local.faults.knobs import STOPPER, Faults
from local.faults.ledger import arm
from local.faults.process import FAULTS, FOLDER, WORKER

_HOOK = Path(__file__).parent / "hook"
_LEASE_SECONDS = "15"
"""Short, so that what a lost or frozen worker held is seen to come back."""


def folder_of(stack_folder: Path) -> Path:
    """Return where a stack's processes write down their faults."""
    return stack_folder / "faults"


def hooks(faults: Faults, stack_folder: Path) -> dict[str, str]:
    """Return the environment of functions and workers, and make the folder that it names."""
    if not faults:
        return {}
    folder = folder_of(stack_folder)
    folder.mkdir()
    return {"PYTHONPATH": str(_HOOK), FAULTS: faults.text(), FOLDER: str(folder)}


def worker_command(faults: Faults) -> Sequence[str]:
    """Return the module that is run as a worker: with faults, one that starts it again."""
    return ["local.faults.supervisor"] if faults else [WORKER]


def lease_seconds(faults: Faults) -> str:
    """Return the lease of workers; empty: the worker's own default."""
    return _LEASE_SECONDS if faults else ""


def stopper(faults: Faults, number: int, machine_arn: str) -> dict[str, str]:
    """Return what has worker `number` stop executions: the first one, if that may happen."""
    wanted = number == 1 and faults.rate("stop_machine") > 0
    return {STOPPER: machine_arn} if wanted else {}


def begin(faults: Faults, stack_folder: Path) -> None:
    """Let the faults of a launched stack happen from now on."""
    if faults:
        arm(folder_of(stack_folder))
