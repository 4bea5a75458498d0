"""Python imports this by itself in each process that has its folder on PYTHONPATH: faults begin here.

The project's root is on the path only for a moment, last, so that a function sees nothing of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

_root = str(Path(__file__).resolve().parents[3])
sys.path.append(_root)
try:
    from local.faults.process import install

    install()
finally:
    sys.path.remove(_root)
