"""Start of a child: `python -m worker.child SETTINGS`, started by the pool only."""

import sys

from worker.child.loop import main

main(sys.argv[1])
