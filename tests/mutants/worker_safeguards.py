"""The safeguards of the worker, each with what it is without."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_WORKER = ("tests/unit/worker",)


def _worker(name: str, module: str, old: str, new: str) -> Mutant:
    return Mutant(name, f"worker/{module}.py", old, new, _WORKER)


WORKER = [
    _worker(
        "a message is deleted before its report is answered",
        "reporter",
        '        """A task ran: report how it ended."""\n',
        "        self._settle(report.held, [report.index])\n",
    ),
    _worker(
        "a redelivered message is run without a claim",
        "admission",
        "if held.redelivered or self._jobs.must_ask(held.message)]",
        "if self._jobs.must_ask(held.message)]",
    ),
    _worker(
        "tasks that a claim has settled are run again",
        "admission",
        "                held.unsettled.intersection_update(told.run)\n",
        "",
    ),
    _worker(
        "a redelivered single task runs beside others",
        "admission",
        "            run=[held for held in to_run if not held.redelivered],\n"
        "            alone=sorted(alone, key=lambda held: not held.claimed),\n",
        "            run=to_run,\n            alone=alone[:0],\n",
    ),
    _worker(
        "what ran under a lost lease is reported",
        "reporter",
        "            if self._leases.ours(entry.held):\n",
        "            if entry.held:\n",
    ),
    _worker(
        "a message whose lease is lost is deleted",
        "deletions",
        "            ours = [held for held in batch if self._leases.ours(held)]\n",
        "            ours = list(batch)\n",
    ),
    _worker(
        "a process that was frozen keeps its leases",
        "leases",
        "self.clock() - held.renewed_at > self._lease_seconds:",
        "self.clock() < held.renewed_at:",
    ),
    _worker(
        "a refused renewal loses no lease",
        "leases",
        "            self._lose(held, refusal.reason)\n",
        "            pass\n",
    ),
    _worker(
        "renewals that failed in part are tried again without a pause",
        "leases",
        "        return all(refusal.final for refusal in refusals)\n",
        "        return True\n",
    ),
    _worker(
        "deletes that failed in part are taken as done",
        "deletions",
        "            passing = receipt in failed and not failed[receipt].final\n",
        "            passing = False\n",
    ),
    _worker(
        "a delete by an older receipt is not repeated",
        "deletions",
        "(again if passing or held.receipt != receipt else gone)",
        "(again if passing else gone)",
    ),
    _worker(
        "a report that could not be sent is not sent again",
        "reporter",
        "                if self._outbound.wait_closed(backoff.next_seconds()):\n"
        "                    return\n",
        "                return\n",
    ),
    _worker(
        "a give-back that failed is taken as given",
        "reporter",
        '        given = answer.unstarted.get(entry.held.received.message_id) == "given"\n',
        "        given = True\n",
    ),
    _worker(
        "a result that is refused settles its task",
        "reporter",
        '            if status == "invalid":\n',
        '            if status == "nothing":\n',
    ),
    _worker(
        "a drain keeps what has not begun",
        "core",
        "            parts.poller.give_back(held)\n",
        "            pass\n",
    ),
    _worker(
        "a message of a newer generation is dropped by what is known of an older one",
        "jobs",
        "    if info is None or info.gen < message.gen:\n",
        "    if info is None:\n",
    ),
    _worker(
        "an older state in a heartbeat's answer replaces a newer one",
        "jobs",
        "if known is not None and known[0].gen <= status.gen:",
        "if known is not None:",
    ),
]
