"""The safeguards of the store and the AWS clients, each with what it is without."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_CORE = "layers/core/orchestrator"
_STORE = (
    "tests/integration/test_store_conformance.py",
    "tests/integration/test_store_rows.py",
    "-k",
    "not emulator",
)
"""On the fake and on moto: the copy of the tree has no emulator."""
_INSIGHT = (
    "tests/integration/test_store_insight.py",
    "tests/integration/test_store_fleet.py",
    "-k",
    "not emulator",
)
_AWS = ("tests/unit/test_aws_clients.py", "tests/unit/store")


def _store(name: str, module: str, old: str, new: str) -> Mutant:
    return Mutant(name, f"{_CORE}/store/{module}.py", old, new, _STORE)


CONDITIONS = [
    _store(
        "rows without the attempt's condition",
        "tasks",
        "same = (model.gen == expect.gen) & (model.attempt == expect.attempt)",
        "same = model.gen == expect.gen",
    ),
    _store(
        "rows without the generation's condition",
        "tasks",
        "same = (model.gen == expect.gen) & (model.attempt == expect.attempt)",
        "same = model.attempt == expect.attempt",
    ),
    _store(
        "final rows are written over",
        "tasks",
        "condition: Condition = same & model.state.is_in(*_OPEN_STATES)",
        "condition: Condition = same",
    ),
    _store(
        "a closed leaf takes reports",
        "progress",
        "actions, mine & model.closed.does_not_exist(), expires_at)\n\n    def reopen_leaf",
        "actions, mine, expires_at)\n\n    def reopen_leaf",
    ),
    _store(
        "a leaf takes reports of any generation",
        "progress",
        "mine = model.gen == gen\n",
        "mine = model.gen.exists()\n",
    ),
    _store(
        "a leaf is reopened twice",
        "progress",
        '(model.gen < gen) & (model.closed == "done")',
        'model.closed == "done"',
    ),
    _store(
        "a leaf is closed without its generation",
        "progress",
        '(model.closed == "closing") & (model.gen == gen)',
        'model.closed == "closing"',
    ),
    _store(
        "a node takes older counts",
        "progress",
        "slot.does_not_exist() | (slot < number)",
        "slot.does_not_exist() | (slot > 0)",
    ),
    _store(
        "the job's cursor has no condition",
        "jobs",
        "            condition &= model.cursor == guard.cursor\n",
        "            pass\n",
    ),
    Mutant(
        "a point of the series is written over by an older one",
        f"{_CORE}/store/insight.py",
        "put(row, absent(model) | (model.ended <= ended))",
        "put(row)",
        _INSIGHT,
    ),
    Mutant(
        "a worker that speaks again is deleted",
        f"{_CORE}/store/people.py",
        "return delete(row, self._worker.expires_at <= now)",
        "return delete(row, self._worker.expires_at.exists())",
        _INSIGHT,
    ),
    Mutant(
        "an event replaces those before it",
        f"{_CORE}/store/jobs.py",
        "events.set((events | []).append([pack_event(value)]))",
        "events.set([pack_event(value)])",
        _INSIGHT,
    ),
    Mutant(
        "refused entries of a batch are not sent again",
        f"{_CORE}/aws.py",
        "waiting = {number: waiting[number] for number in failed}",
        "waiting = {}",
        _AWS,
    ),
    Mutant(
        "unprocessed items are left",
        f"{_CORE}/store/requests.py",
        '        left: list[dict[str, Any]] = answer.get("UnprocessedItems", {}).get(table, [])\n',
        "        left: list[dict[str, Any]] = []\n",
        _AWS,
    ),
    Mutant(
        "throttled statements are taken as done",
        f"{_CORE}/store/requests.py",
        "                again.append(number)\n",
        "                pass\n",
        _AWS,
    ),
]
