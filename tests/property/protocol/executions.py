"""The state machine of statemachine/job.asl.json, a step at a time: each step's Lambda is a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, cast

from orchestrator.errors import Superseded
from orchestrator.service.create import create_tasks
from orchestrator.service.enqueue import enqueue_tasks
from orchestrator.service.finish import (
    drained,
    finish_last,
    finish_node,
    list_nodes,
    stop_orchestration,
)
from orchestrator.service.monitor import monitor_job
from orchestrator.service.plan import plan_tasks
from tests.property.protocol.calls import Call
from tests.property.protocol.outside import Execution, Outside

MONITOR_TIMEOUT = timedelta(seconds=3_600)
ERRORS_MAX = 8
_ROUNDS_MAX = 6
_SUPERSEDED = "superseded"

Step = Callable[[], object]


class Executions:
    """Makes the calls of executions and moves them on by what the calls answer."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        outside.step_functions.on_wake = self._woken

    def call(self, execution: Execution, pick: int = 0) -> Call | None:
        """Return the call that an execution's step makes now; `pick` chooses among the nodes of a map."""
        step = execution.step
        if step == "wait":
            return self._renew(execution)
        node = self._node(execution, pick)
        function = self._function(execution, node)

        def then(answer: object) -> None:
            if execution.status == "RUNNING" and execution.step == step:
                self._move(execution, node, answer)

        def otherwise() -> None:
            execution.errors += 1

        return Call(f"{step} {node}", function, then, otherwise)

    def _renew(self, execution: Execution) -> Call | None:
        """MonitorJob's time-out: the step is taken again, with a new token."""
        since = execution.waiting_since
        if since is None or self._outside.clock - since < MONITOR_TIMEOUT:
            return None
        execution.step = "monitor"
        return self.call(execution)

    def _node(self, execution: Execution, pick: int) -> int:
        left = execution.nodes
        if execution.step == "finish":
            left = [node for node in left if node not in execution.parts]
        return left[pick % len(left)] if left else 0

    def _function(self, execution: Execution, node: int) -> Step:
        deps, job_id, gen = self._outside.deps, execution.job_id, execution.gen
        exec_, step = execution.exec, execution.step
        if step == "monitor":
            execution.monitors += 1
            token = execution.token
            execution.step, execution.waiting_since = "wait", self._outside.clock
            return lambda: monitor_job(deps, job_id, gen, exec_, token)
        functions: dict[str, Step] = {
            "plan": lambda: plan_tasks(deps, job_id, gen, exec_),
            "create": lambda: create_tasks(deps, job_id, gen, exec_, node),
            "enqueue": lambda: enqueue_tasks(
                deps, job_id, gen, seconds_left=lambda: 60.0, in_machine=True
            ),
            "drain": lambda: drained(deps, job_id, gen),
            "list": lambda: list_nodes(deps, job_id, gen),
            "finish": lambda: finish_node(deps, job_id, gen, node),
            "last": lambda: finish_last(deps, job_id, gen, list(execution.parts.values())),
            "stop": lambda: stop_orchestration(deps, job_id, gen),
        }
        return _superseding(functions[step])

    def _move(self, execution: Execution, node: int, answer: object) -> None:
        """Go to the next step, as the machine's choices do."""
        if answer == _SUPERSEDED:
            self._outside.step_functions.end(execution, "SUCCEEDED")
            return
        result = cast(Mapping[str, Any], answer)
        execution.errors = 0
        match execution.step:
            case "plan":
                execution.nodes = list(result["nodes"])
                execution.step = "create" if execution.nodes else "enqueue"
            case "create":
                execution.nodes = [each for each in execution.nodes if each != node]
                execution.step = "create" if execution.nodes else "enqueue"
            case "enqueue":
                execution.step = "monitor"
            case "stop":
                execution.stopped, execution.step = True, "drain"
            case "drain":
                execution.rounds += 1
                over = result["drained"] or execution.rounds > _ROUNDS_MAX
                execution.step = "list" if over else "drain"
            case "list":
                execution.nodes = list(result["nodes"])
                execution.step = "finish"
            case "finish":
                execution.parts[node] = result
                execution.step = (
                    "last" if len(execution.parts) == len(execution.nodes) else "finish"
                )
            case "last":
                good = result["state"] == "SUCCEEDED"
                self._outside.step_functions.end(execution, "SUCCEEDED" if good else "FAILED")

    def _woken(self, execution: Execution, output: Mapping[str, object]) -> None:
        """Take the output of MonitorJob; what wakes a machine too early is a violation."""
        if output["superseded"]:
            self._outside.step_functions.end(execution, "SUCCEEDED")
            return
        job = self._outside.checked.tables.jobs[execution.job_id]
        if not output["stopping"]:
            leaves = self._outside.checked.tables.leaves.items()
            ended = sum(len(leaf.finals) for (key, _), leaf in leaves if key == job.job_id)
            complete = job.gen == execution.gen and ended == job.total
            self._outside.checked.hold(complete, "a machine was woken too early", execution, ended)
        execution.step = "drain" if output["stopping"] else "list"

    def give_up(self, execution: Execution) -> None:
        """The retries of a step are used up: the job is stopped, or the execution ends."""
        if execution.stopped or execution.step == "stop":
            self._outside.step_functions.end(execution, "FAILED")
        else:
            execution.step = "stop"


def _superseding(step: Step) -> Step:
    """As `runtime.machine_step`: a step of a job that has moved on says so."""

    def answer() -> object:
        try:
            return step()
        except Superseded:
            return _SUPERSEDED

    return answer
