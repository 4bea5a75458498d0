"""The safeguards of the use cases, each with what it is without; and the list of all mutants."""

from __future__ import annotations

from tests.mutants.mutant import Mutant
from tests.mutants.store_safeguards import CONDITIONS
from tests.mutants.worker_safeguards import WORKER

_CORE = "layers/core/orchestrator"
_SERVICE = ("tests/unit/service", "tests/property/protocol", "tests/property/test_max_running.py")


def _service(name: str, module: str, old: str, new: str) -> Mutant:
    return Mutant(name, f"{_CORE}/service/{module}.py", old, new, _SERVICE)


_LANES = [
    _service(
        "what is sent of an express job goes to the one queue",
        "messages",
        "group=message.job, lane=job.lane, delay",
        "group=message.job, delay",
    ),
    _service(
        "express messages hold several tasks",
        "messages",
        "    per_message = 1 if job.lane is Lane.EXPRESS else per_message\n",
        "",
    ),
    _service(
        "a tenant may fill the express lane",
        "lanes",
        "    return Lane.EXPRESS if used + job.chosen <= TENANT_SHARE * most else Lane.ORDINARY\n",
        "    return Lane.EXPRESS\n",
    ),
    _service(
        "newer jobs that wait for their plan keep older ones out of the express lane",
        "lanes",
        "    before = job.job_id if job.gen == 1 else None\n",
        "    before = None\n",
    ),
]

_REPORTS = [
    _service(
        "a report of another attempt is not stale",
        "settle",
        "stale = row.gen != job.gen or row.attempt != report.attempt or row.state.final",
        "stale = row.gen != job.gen or row.state.final",
    ),
    _service(
        "own outcome without the row's generation",
        "settle",
        "elif row.gen == job.gen and row.last is not None",
        "elif row.last is not None",
    ),
    _service(
        "an absent row takes any attempt",
        "settle",
        "stale = report.attempt != 1 or job.gen != 1",
        "stale = False",
    ),
    _service(
        "a report of a final job goes on",
        "settle",
        '    if job.state.final:\n        return "closed"\n',
        "",
    ),
    _service(
        "the row is written before its outbox item",
        "settle",
        "        _put_outbox(deps, job, waiting)\n"
        "        answers = deps.store.write_tasks([_write_of(item) for item in waiting])\n",
        "        answers = deps.store.write_tasks([_write_of(item) for item in waiting])\n"
        "        _put_outbox(deps, job, waiting)\n",
    ),
    _service(
        "a repeated report stops at its row",
        "settle",
        "item.report.index: _set_of(item.row) for item in open_ones if item.row is not None",
        "item.report.index: _set_of(item.row)\n"
        "        for item in open_ones\n"
        "        if item.row is not None and item.row is item.wanted",
    ),
    _service(
        "failed sends of retries lose their outbox items",
        "retries",
        "count=len(soon), error=str(error))\n        return []",
        "count=len(soon), error=str(error))",
    ),
]

_PROGRESS = [
    _service(
        "the throttle holds back a complete node",
        "commit",
        "if tally.finals == size or tally.failed > root.node_tally(number).failed:",
        "if tally.failed > root.node_tally(number).failed:",
    ),
    _service(
        "the throttle holds back failures",
        "commit",
        "if tally.finals == size or tally.failed > root.node_tally(number).failed:",
        "if tally.finals == size:",
    ),
    _service(
        "a report asks for more by the cursor that it has read before",
        "commit",
        "if known is None or known.gen != job.gen or not refill_due(known, root",
        "if known is None or known.gen != job.gen or not refill_due(job, root",
    ),
    _service(
        "of reports that ask at once, each starts an enqueuer",
        "commit",
        "gen=job.gen, cursor=job.cursor, states=frozenset({JobState.PROCESSING}), unasked_at=now",
        "gen=job.gen, cursor=job.cursor, states=frozenset({JobState.PROCESSING})",
    ),
    _service(
        "a report asks though the cursor moves meanwhile",
        "commit",
        "gen=job.gen, cursor=job.cursor, states=frozenset({JobState.PROCESSING}), unasked_at=now",
        "gen=job.gen, states=frozenset({JobState.PROCESSING}), unasked_at=now",
    ),
    _service(
        "a free place among few waits for an enqueuer that was asked before it was free",
        "commit",
        "    if not backlog_of(known, root, policy, now).is_large or _ask(deps, known, now):",
        "    if _ask(deps, known, now):",
    ),
    _service(
        "reports ask for another enqueuer between the steps of one",
        "enqueue",
        "asked_until=deps.now() + ASK_TIMEOUT if size < room else None",
        "asked_until=None",
    ),
    _service(
        "after an enqueuer's last step reports wait as if there were another",
        "enqueue",
        "asked_until=deps.now() + ASK_TIMEOUT if size < room else None",
        "asked_until=deps.now() + ASK_TIMEOUT",
    ),
    _service(
        "an enqueuer that found nothing to send keeps reports from asking",
        "enqueue",
        "            _clear_asked(deps, job)\n",
        "",
    ),
    _service(
        "reports wait though nobody was told that the queue is low",
        "commit",
        "    return backlog_of(job, root, policy, now).is_large and refill_due(job, root, policy, now)\n",
        "    return True\n",
    ),
    _service(
        "nodes that are pushed again are judged in any state",
        "commit",
        "    if root is not None and job.state is JobState.PROCESSING:\n",
        "    if root is not None:\n",
    ),
    _service(
        "touched nodes are not pushed again",
        "commit",
        "        root = put_node_in_root(deps, job, number, node)\n    if root is not None and",
        "        pass\n    if root is not None and",
    ),
    _service(
        "the token is sent for another generation",
        "commit",
        "if job is None or job.gen != gen or job.state is not JobState.PROCESSING:",
        "if job is None or job.state is not JobState.PROCESSING:",
    ),
    _service(
        "a job's stop does not wake its monitor",
        "commit",
        "reason=reason, by=by\n        )\n        send_token(deps, job)",
        "reason=reason, by=by\n        )",
    ),
]

_MACHINE = [
    _service(
        "the monitor keeps its token without asking the execution",
        "monitor",
        "guard = JobGuard(gen=gen, exec=exec, states=frozenset({job.state}))",
        "guard = JobGuard(gen=gen, states=frozenset({job.state}))",
    ),
    _service(
        "the monitor does not look whether the work is done",
        "monitor",
        "if job.state is JobState.STOPPING or complete:",
        "if job.state is JobState.STOPPING:",
    ),
    _service(
        "the monitor of a stopping job waits",
        "monitor",
        "if job.state is JobState.STOPPING or complete:",
        "if complete:",
    ),
    _service(
        "the cursor is advanced before the outbox",
        "enqueue",
        "    deps.store.put_outbox([item])\n    changes",
        "    changes",
    ),
    _service(
        "the cursor moves from anywhere",
        "enqueue",
        "JobGuard(gen=job.gen, cursor=job.cursor, states=allowed)",
        "JobGuard(gen=job.gen, states=allowed)",
    ),
    _service(
        "the cursor moves in any generation",
        "enqueue",
        "JobGuard(gen=job.gen, cursor=job.cursor, states=allowed)",
        "JobGuard(cursor=job.cursor, states=allowed)",
    ),
    _service(
        "a lost cursor takes the winner's outbox item away",
        "enqueue",
        "    if moved is None:\n        return None",
        "    if moved is None:\n        deps.store.delete_outbox([item])\n        return None",
    ),
    _service(
        "the outbox item goes before the send",
        "enqueue",
        "    send_range(deps, moved, item.start, item.stop, window)\n"
        "    deps.store.delete_outbox([item])\n",
        "    deps.store.delete_outbox([item])\n"
        "    send_range(deps, moved, item.start, item.stop, window)\n",
    ),
    _service(
        "enqueue runs before the leaves are open",
        "enqueue",
        "frozenset({JobState.PROCESSING} | ({JobState.ENQUEUING} if in_machine else set()))",
        "frozenset({JobState.PROCESSING, JobState.ENQUEUING})",
    ),
    _service(
        "a higher job's last enqueue wakes nobody",
        "enqueue",
        "        wake_lower(deps, job)\n",
        "        pass\n",
    ),
    _service(
        "a higher job's stop wakes nobody",
        "commit",
        "            deps.enqueue_later(job_id, gen)  # It sends",
        "            pass  # It sends",
    ),
    _service(
        "a job does not wait for a higher one",
        "enqueue",
        "    return not held_back(deps, job)\n",
        "    return True\n",
    ),
    _service(
        "a held job believes an index that is behind",
        "priority",
        "if other is not None and other.unsent_of is not None:\n            return other",
        "if other is not None:\n            return other",
    ),
    _service(
        "the sweep leaves held jobs alone",
        "sweep",
        "            if refill_due(job, root, policy, now):\n"
        "                deps.enqueue_later(job.job_id, job.gen)\n",
        "            pass\n",
    ),
    _service(
        "an idle job that is held is looked after as rarely as before",
        "priority",
        '        changes["next_check_at"] = now + HELD_CHECK\n',
        "        pass\n",
    ),
    _service(
        "reports of a held job ask again and again",
        "commit",
        "for shut in (job.opens_at, job.held_until)",
        "for shut in (job.opens_at,)",
    ),
    _service(
        "leaves are reopened before their rows",
        "create",
        "    deps.store.write_tasks(writes)\n    by_leaf",
        "    by_leaf",
    ),
    _service(
        "a reopened leaf is not pushed",
        "create",
        "    if leaves:\n        put_node_in_root(deps, job, node, put_leaves_in_node(deps, job, leaves))\n",
        "",
    ),
    _service(
        "create goes on under STOPPING",
        "create",
        "if job.state is not JobState.STOPPING:",
        "if job.state is not None:",
    ),
    _service(
        "finish promotes rows of any generation",
        "finish",
        "own = row is not None and row.gen == leaf.gen",
        "own = row is not None",
    ),
    _service(
        "finish does not promote committed rows",
        "finish",
        "own = row is not None and row.gen == leaf.gen",
        "own = False",
    ),
    _service(
        "finish closes leaves at once that have open tasks",
        "finish",
        "expiry(deps), full=full)",
        "expiry(deps), full=True)",
    ),
    _service(
        "finish does not stamp closed leaves",
        "finish",
        "        if leaf.gen < job.gen:\n            stamped",
        "        if False:\n            stamped",
    ),
    _service(
        "the job's end does not ask for its generation",
        "finish",
        "JobGuard(gen=job.gen, states=ACTIVE_JOB_STATES),\n        state=state,",
        "JobGuard(states=ACTIVE_JOB_STATES),\n        state=state,",
    ),
    _service(
        "the job ends before all tasks are counted",
        "finish",
        "if tally.finals != total or lines != total:",
        "if lines != total:",
    ),
    _service(
        "an orchestration that fails leaves the job",
        "sweep",
        "if exhausted and job.state is not JobState.STOPPING:",
        "if exhausted and job.state is None:",
    ),
]

_DELIVERY = [
    _service(
        "a claim does not heal",
        "claim",
        "    if outcomes:\n        commit_outcomes(deps, job, outcomes)\n",
        "",
    ),
    _service(
        "a claim runs settled tasks again",
        "claim",
        "rest = [index for index in own if index not in settled]",
        "rest = own",
    ),
    _service(
        "a claim ignores what was given back",
        "claim",
        "own = [index for index in message.tasks() if index not in given]",
        "own = message.tasks()",
    ),
    _service(
        "a redelivered range is not split",
        "claim",
        "    if len(rest) > 1 and message.receive_count > 1:\n"
        "        return _split(deps, job, message, rest)\n",
        "",
    ),
    _service(
        "a split is noted before it is sent",
        "claim",
        "    send_again(deps, job, [Again(indexes=[index], attempt=message.attempt) "
        "for index in rest])\n"
        "    deps.store.add_given(message.message_id, frozenset(rest), expiry(deps))\n",
        "    deps.store.add_given(message.message_id, frozenset(rest), expiry(deps))\n"
        "    send_again(deps, job, [Again(indexes=[index], attempt=message.attempt) "
        "for index in rest])\n",
    ),
    _service(
        "tasks of a capped job run without a hold",
        "claim",
        "        rest = take_holds(deps, message, rest)\n",
        "        pass\n",
    ),
    _service(
        "a split keeps its holds",
        "claim",
        "        drop_holds(deps, message, rest)\n",
        "        pass\n",
    ),
    _service(
        "a give-back keeps its holds",
        "giveback",
        "        drop_holds(deps, item, item.tasks())\n",
        "        pass\n",
    ),
    _service(
        "a capped job is reopened beside handlers that were told to stop",
        "control",
        "    return opens_at if opens_at > now else None\n",
        "    return None\n",
    ),
    _service(
        "starts have no limit",
        "claim",
        "if losses < Policy.load(job.policy).retry.limit_of(Outcome.WORKER_LOST):",
        "if losses >= 0:",
    ),
    _service(
        "starts are counted without the receive",
        "giveback",
        'return f"{message_id}#{receive_count}"',
        "return message_id",
    ),
    _service(
        "a give-back does not undo the claim's start",
        "giveback",
        "            deps.store.refund_start(item.job, index, item.gen, item.attempt, key)\n",
        "            pass\n",
    ),
    _service(
        "a give-back is not noted",
        "giveback",
        "    deps.store.add_given(item.message_id, frozenset(item.tasks()), expiry(deps))\n",
        "",
    ),
    _service(
        "interruptions have no limit",
        "giveback",
        "    too_often = times >= Policy",
        "    too_often = times < 0 and times >= Policy",
    ),
    _service(
        "dead letters ignore what was given back",
        "dead_letters",
        "own = [index for index in message.tasks() if index not in given]",
        "own = message.tasks()",
    ),
]

_SWEEP = [
    _service(
        "the sweep does not send the token again",
        "sweep",
        "    if job.state is JobState.STOPPING:\n        send_token(deps, job)\n    elif",
        "    if",
    ),
    _service(
        "the sweep does not judge jobs",
        "sweep",
        "        judge_job(deps, job, root)\n",
        "",
    ),
    _service(
        "the sweep starts nothing",
        "sweep",
        "        deps.machine.start(job.job_id, job.gen, job.exec)\n"
        '        deps.journal.event("job.started_by_sweep"',
        '        deps.journal.event("job.started_by_sweep"',
    ),
    _service(
        "a restart keeps the old execution's number",
        "sweep",
        "        exec=job.exec + 1,\n        token=None,",
        "        token=None,",
    ),
    _service(
        "one bad job stops the sweep",
        "sweep",
        '            set_aside(deps, "job", job_id, error)',
        "            raise",
    ),
    _service(
        "a due retry of another generation is sent",
        "outbox",
        "if job is None or job.gen != items[0].gen or job.state.final",
        "if job is None or job.state.final",
    ),
    _service(
        "a due retry of another attempt is sent",
        "outbox",
        "return (row.gen, row.attempt) == (item.gen, item.attempt) and row.due_at <= deps.now()",
        "return row.due_at <= deps.now()",
    ),
    _service(
        "a retry whose row is behind is dropped",
        "outbox",
        "return row is None or (row.gen == item.gen and row.attempt < item.attempt)",
        "return False",
    ),
    _service(
        "a repeated retry request is another retry",
        "control",
        "        if idem.from_gen < job.gen:\n",
        "        if idem.from_gen < 0:\n",
    ),
    _service(
        "a job is reopened from any generation",
        "control",
        "JobGuard(gen=job.gen, states=FINAL_JOB_STATES)",
        "JobGuard(states=FINAL_JOB_STATES)",
    ),
]

MUTANTS = [*_LANES, *_REPORTS, *_PROGRESS, *_MACHINE, *_DELIVERY, *_SWEEP, *CONDITIONS, *WORKER]
