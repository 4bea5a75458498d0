"""`python -m local.faults.stopper`: stops running executions of the state machine, as an operator may."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local import aws
from local.faults.dice import Dice
from local.faults.knobs import STOPPER, parse
from local.faults.ledger import Ledger
from local.faults.process import FAULTS, FOLDER
from worker.processes import die_with_parent

STOPS_A_JOB = 3
"""The product gives a job five restarts and then ends it: that is not the fault to be shown here."""
_INTERVAL_SECONDS = 5.0


class Stopper:
    """Stops executions, each job's only so often."""

    def __init__(self, states: Any, machine_arn: str, dice: Dice) -> None:
        self._states = states
        self._machine_arn = machine_arn
        self._dice = dice
        self._stops: Counter[str] = Counter()

    def look(self) -> None:
        """Decide about each execution that runs now."""
        if not self._dice.armed:
            return
        running = self._states.list_executions(
            stateMachineArn=self._machine_arn, statusFilter="RUNNING"
        )
        for execution in running["executions"]:
            job_id = execution["name"].partition("-")[0]
            if self._stops[job_id] < STOPS_A_JOB and self._dice.falls("stop_machine"):
                self._stops[job_id] += 1
                self._states.stop_execution(executionArn=execution["executionArn"], error="FAULTS")
                self._dice.note("stop_machine", "execution")


def main(environ: Mapping[str, str] = os.environ) -> None:
    """Look every five seconds until the supervisor ends."""
    die_with_parent(os.getppid())
    dice = Dice(parse(environ[FAULTS]), Ledger(Path(environ[FOLDER]), "stopper"))
    states = aws.client("stepfunctions", environ["AWS_ENDPOINT_URL"])
    stopper = Stopper(states, environ[STOPPER], dice)
    while True:
        time.sleep(_INTERVAL_SECONDS)
        try:
            stopper.look()
        except (BotoCoreError, ClientError) as error:
            print(f"stopper: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
