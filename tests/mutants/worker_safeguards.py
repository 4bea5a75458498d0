"""The safeguards of the worker, each with what it is without."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_WORKER = ("tests/unit/worker",)


def _worker(name: str, module: str, old: str, new: str) -> Mutant:
    return Mutant(name, f"worker/{module}.py", old, new, _WORKER)


WORKER = [
    _worker(
        "a signal that another thread receives is not heeded",
        "core",
        "return self._signals.get(timeout=_LOOK_SECONDS)",
        "return self._signals.get(timeout=_LOOK_SECONDS if self._until_empty else None)",
    ),
    _worker(
        "a message is deleted before its report is answered",
        "reporter",
        '        """A task ran: report how it ended."""\n',
        "        self._settle(report.held, [report.index])\n",
    ),
    _worker(
        "a redelivered message is run without a claim",
        "admission",
        "if held.must_claim or self._jobs.must_ask(held.message)]",
        "if held.message.hold or self._jobs.must_ask(held.message)]",
    ),
    _worker(
        "a capped job's message is run without a claim",
        "held",
        "return self.redelivered or self.message.hold is True",
        "return self.redelivered",
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
        "a receive may be taken for a lease that is being lost",
        "leases",
        "        with self._changed:\n            if held.receipt == refusal.receipt:",
        "        if True:\n            if held.receipt == refusal.receipt:",
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
        "            parts.handover.give_back(held)\n",
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
    _worker(
        "ordinary messages take the express slots",
        "dispatch",
        "        free = min(self._free - len(self._ready[Lane.EXPRESS]), self._shared - len(running))\n",
        "        free = self._free\n",
    ),
    _worker(
        "the express queue is not looked at before the next ordinary receive",
        "dispatch",
        "        return 0 if self._express_waits else max(0, self._ordinary_room())\n",
        "        return max(0, self._ordinary_room())\n",
    ),
    _worker(
        "an ordinary message of several tasks does not make way",
        "dispatch",
        "        if len(self._ready[Lane.EXPRESS]) > self._free:\n",
        "        if False:\n",
    ),
    _worker(
        "express messages begin beside one that runs alone",
        "dispatch",
        "            return self._alone\n",
        "            return self._alone or next(iter(self._ready[Lane.EXPRESS]), None)\n",
    ),
    _worker(
        "a message is deleted in another queue than its own",
        "deletions",
        "self._queues[lane].delete(",
        "self._queues[Lane.ORDINARY].delete(",
    ),
    _worker(
        "a lease is renewed in another queue than the message's",
        "leases",
        "self._queues[lane].change_visibility(",
        "self._queues[Lane.ORDINARY].change_visibility(",
    ),
    _worker(
        "a message is put back in another queue than its own",
        "leases",
        "self._queues[held.lane].change_visibility(",
        "self._queues[Lane.ORDINARY].change_visibility(",
    ),
    _worker(
        "one quiet queue ends the worker",
        "quiet",
        "        return all(self._dry.values())\n",
        "        return any(self._dry.values())\n",
    ),
    _worker(
        "tasks wait behind one that lasts",
        "pool/conversation",
        "        return min(self._slow_at, began + self._limits.stalled_seconds)\n",
        "        return self._slow_at\n",
    ),
]
