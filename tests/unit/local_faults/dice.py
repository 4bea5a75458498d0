"""Dice for tests, armed."""

from __future__ import annotations

from pathlib import Path

from local.faults import ledger
from local.faults.dice import Dice
from local.faults.knobs import Faults


def dice_of(folder: Path, **rates: float) -> Dice:
    """Return armed dice with these rates."""
    ledger.arm(folder)
    return Dice(Faults(rates), ledger.Ledger(folder, "worker"))


def always(folder: Path, *kinds: str) -> Dice:
    """Return armed dice that always fall."""
    ledger.arm(folder)
    return Dice(Faults(dict.fromkeys(kinds, 1.0)), ledger.Ledger(folder, "worker"))
