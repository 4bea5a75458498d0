"""statemachine/job.asl.json: its form, its expressions, and every way through it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonata import Jsonata
from statelint.linter import Linter

from tests.contract.machine import End, Execution, Lambda, StepError, expressions, states_of

TEXT = (Path(__file__).parents[2] / "statemachine" / "job.asl.json").read_text("utf-8")
MACHINE: dict[str, Any] = json.loads(TEXT)
STATES = {name: (state, around) for name, state, around in states_of(MACHINE)}
TASKS = sorted(name for name, (state, _) in STATES.items() if state["Type"] == "Task")
INPUT = {"job_id": "01JD0000000000000000000000", "gen": 2, "exec": 3}
FINISHED = ["ListNodes", "FinishNodes", "FinishNode", "FinishNode", "FinishJob", "JudgeJob"]


def fakes(**changes: Lambda) -> dict[str, Lambda]:
    """Return the machine's Lambdas for a job of two nodes that succeeds, with `changes`."""
    ops: dict[str, Callable[[dict[str, Any]], Any]] = {
        "drained": lambda event: {"drained": True},
        "stop": lambda event: {},
        "nodes": lambda event: {"nodes": [0, 1]},
        "node": part,
        "last": lambda event: {"state": "SUCCEEDED"},
    }
    ops.update({name: change for name, change in changes.items() if name in ops})
    lambdas: dict[str, Lambda] = {
        "PlanTasks": lambda event: {"nodes": [0, 1]},
        "CreateTasks": lambda event: {"node": event["node"]},
        "EnqueueTasks": lambda event: {"cursor": 500},
        "MonitorJob": lambda event: {"stopping": False, "superseded": False},
        "FinishJob": lambda event: ops[event["op"]](event),
    }
    return lambdas | {name: change for name, change in changes.items() if name in lambdas}


def part(event: dict[str, Any]) -> dict[str, Any]:
    """Return what FinishJob answers for one node."""
    key = f"results/{event['job_id']}/{event['gen']}/part-{event['node']:05d}.jsonl"
    return {"node": event["node"], "key": key, "lines": 9, "bytes": 9, "sha256": "0" * 64}


def fail(error: str, times: int = 1000) -> Lambda:
    """Return a Lambda that fails `times` times, then answers with nothing."""
    left = [times]

    def run(event: dict[str, Any]) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise StepError(error)
        return {}

    return run


def each(answers: list[Any]) -> Lambda:
    """Return a Lambda that gives one answer after the other."""
    left = iter(answers)
    return lambda event: next(left)


def run(**changes: Lambda) -> tuple[Execution, End]:
    """Walk the machine once."""
    execution = Execution(MACHINE, fakes(**changes))
    return execution, execution.run(dict(INPUT))


def ops(execution: Execution) -> list[str]:
    """Return what FinishJob was asked, in order."""
    return [payload["op"] for name, payload in execution.calls if name == "FinishJob"]


# ---- form


def test_the_definition_is_valid() -> None:
    assert Linter.validate(TEXT) == []
    assert MACHINE["QueryLanguage"] == "JSONata"


@pytest.mark.parametrize("expression", sorted(set(expressions(MACHINE))))
def test_every_expression_compiles(expression: str) -> None:
    assert Jsonata(expression).errors is None


def test_no_time_out_is_an_expression() -> None:
    # An emulator fails an execution at one.
    assert all(isinstance(STATES[name][0]["TimeoutSeconds"], int) for name in TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_retried_on_named_errors_with_capped_jitter(name: str) -> None:
    first, *others = STATES[name][0]["Retry"]
    assert "Superseded" in first["ErrorEquals"]
    assert first["MaxAttempts"] == 0
    assert {"Lambda.TooManyRequestsException", "Lambda.ServiceException"} <= {
        error for entry in others for error in entry["ErrorEquals"]
    }
    for entry in others:
        assert "States.ALL" not in entry["ErrorEquals"]
        assert entry["JitterStrategy"] == "FULL"
        assert entry["IntervalSeconds"] < entry["MaxDelaySeconds"] <= 30


@pytest.mark.parametrize("name", TASKS)
def test_every_error_of_every_task_is_caught(name: str) -> None:
    state, around = STATES[name]
    catcher = STATES[around][0] if around else state
    assert catcher["Catch"][-1]["ErrorEquals"] == ["States.ALL"]
    assert catcher["Catch"][0] == {"ErrorEquals": ["Superseded"], "Next": "EndSuperseded"}


def test_each_state_is_named_as_an_imperative_and_once() -> None:
    names = [name for name, _, _ in states_of(MACHINE)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"([A-Z][a-z]+)+", name) for name in names)


def test_every_state_is_reached_and_can_end() -> None:
    after = {
        name: set(re.findall(r'"(?:Next|Default)": "(\w+)"', json.dumps(state)))
        for name, state in MACHINE["States"].items()
    }
    ends = {n for n, (s, _) in STATES.items() if s["Type"] in {"Succeed", "Fail"}}
    assert {name for name, following in after.items() if not following} == ends
    assert _closure(after, {MACHINE["StartAt"]}) == set(after)
    before = {name: {p for p, following in after.items() if name in following} for name in after}
    assert _closure(before, ends) == set(after)


def _closure(edges: dict[str, set[str]], start: set[str]) -> set[str]:
    seen: set[str] = set()
    todo = set(start)
    while todo:
        seen |= todo
        todo = {following for name in todo for following in edges[name]} - seen
    return seen


def test_nothing_polls_without_a_bound() -> None:
    waits = [name for name, (state, _) in STATES.items() if state["Type"] == "Wait"]
    assert waits == ["WaitForWorkers"]  # bounded by $rounds, see below


# ---- ways through


def test_a_job_that_succeeds() -> None:
    execution, end = run()
    assert end == End(True, "EndSucceeded")
    start = ["RememberJob", "PlanTasks", "JudgePlan", "CreateTasks", "CreateNode", "CreateNode"]
    wait = ["EnqueueTasks", "MonitorJob", "JudgeOutcome"]
    assert execution.path == [*start, *wait, *FINISHED, "EndSucceeded"]


def test_every_lambda_gets_the_job_and_what_it_needs() -> None:
    execution, _ = run()
    assert all(INPUT.items() <= payload.items() for _, payload in execution.calls)
    extra = [(name, payload.keys() - INPUT.keys()) for name, payload in execution.calls]
    assert extra[:5] == [
        ("PlanTasks", set()),
        ("CreateTasks", {"node"}),
        ("CreateTasks", {"node"}),
        ("EnqueueTasks", set()),
        ("MonitorJob", {"token"}),
    ]
    parts = [part({**INPUT, "node": node}) for node in (0, 1)]
    assert execution.calls[-1] == ("FinishJob", {**INPUT, "op": "last", "parts": parts})


def test_a_job_of_one_node_keeps_its_lists() -> None:
    execution, end = run(PlanTasks=lambda event: {"nodes": [0]}, nodes=lambda event: {"nodes": [0]})
    assert end.succeeded
    assert execution.calls[-1][1]["parts"] == [part({**INPUT, "node": 0})]


def test_a_retried_job_creates_the_chosen_nodes_and_finishes_all() -> None:
    execution, _ = run(PlanTasks=lambda event: {"nodes": [1]})
    created = [payload["node"] for name, payload in execution.calls if name == "CreateTasks"]
    finished = [p["node"] for name, p in execution.calls if p.get("op") == "node"]
    assert (created, finished) == ([1], [0, 1])


def test_a_job_of_a_million_tasks_stays_far_below_the_payload_limit() -> None:
    nodes = list(range(63))
    execution, _ = run(
        PlanTasks=lambda event: {"nodes": nodes}, nodes=lambda event: {"nodes": nodes}
    )
    assert execution.largest_state_bytes < 64 * 1024 < 256 * 1024


def test_a_node_that_is_hard_to_finish_is_tried_often_before_its_job_is_given_up() -> None:
    """Its step is the longest of all, each try goes on where the one before failed, and the work is done."""
    tries: list[int] = []

    def node(event: dict[str, Any]) -> Any:
        tries.append(event["node"])
        if len(tries) <= 8:
            raise StepError("Runtime.Throttled")
        return part(event)

    _, end = run(node=node)
    assert end == End(True, "EndSucceeded")
    assert len(tries) == 10


def test_a_plan_that_takes_long_is_gone_on_with() -> None:
    execution, end = run(PlanTasks=each([{"nodes": [], "more": True}] * 3 + [{"nodes": [0, 1]}]))
    assert end.succeeded
    assert execution.path[1:9] == ["PlanTasks", "JudgePlan"] * 4
    assert [name for name, _ in execution.calls].count("CreateTasks") == 2


def test_a_plan_without_an_end_stops_the_job() -> None:
    changes: dict[str, Lambda] = {
        "PlanTasks": lambda event: {"nodes": [], "more": True},
        "nodes": lambda event: {"nodes": []},
        "last": lambda event: {"state": "FAILED"},
    }
    execution, end = run(**changes)
    assert [name for name, _ in execution.calls].count("PlanTasks") == 100
    assert ops(execution) == ["stop", "drained", "nodes", "last"]
    assert "PlanTooLong" in end.cause


def test_a_long_plan_may_find_bad_input_or_be_superseded() -> None:
    for last in ("bad_input", "superseded"):
        execution, end = run(
            PlanTasks=each([{"nodes": [], "more": True}, {"nodes": [], last: True}])
        )
        assert end.state == {"bad_input": "RejectInput", "superseded": "EndSuperseded"}[last]
        assert {name for name, _ in execution.calls} == {"PlanTasks"}


def test_bad_input_ends_at_once() -> None:
    execution, end = run(PlanTasks=lambda event: {"nodes": [], "bad_input": True})
    assert (end.succeeded, end.error) == (False, "BadInput")
    assert [name for name, _ in execution.calls] == ["PlanTasks"]


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_job_that_does_not_succeed_fails_the_execution(state: str) -> None:
    _, end = run(last=lambda event: {"state": state})
    assert (end.succeeded, end.error) == (False, f"Job.{state}")


def test_a_stopping_job_is_drained_before_it_is_finished() -> None:
    answers = iter([False, False, True])
    execution, _ = run(
        MonitorJob=lambda event: {"stopping": True},
        drained=lambda event: {"drained": next(answers)},
    )
    assert ops(execution) == [*["drained"] * 3, "nodes", "node", "node", "last"]


def test_the_drain_ends_after_the_grace() -> None:
    execution, end = run(
        MonitorJob=lambda event: {"stopping": True}, drained=lambda event: {"drained": False}
    )
    waited = execution.path.count("WaitForWorkers") * MACHINE["States"]["WaitForWorkers"]["Seconds"]
    assert waited == 30
    assert end.succeeded


def test_the_monitor_is_asked_again_when_its_token_is_too_old() -> None:
    answers = [StepError("States.Timeout")] * 3

    def monitor(event: dict[str, Any]) -> dict[str, bool]:
        if answers:
            raise answers.pop()
        return {"stopping": False}

    execution, end = run(MonitorJob=monitor)
    tokens = [payload["token"] for name, payload in execution.calls if name == "MonitorJob"]
    assert (len(set(tokens)), end.succeeded) == (4, True)


@pytest.mark.parametrize("step", ["node", "last"])
def test_not_complete_is_tried_again_and_again(step: str) -> None:
    answers = [StepError("NotComplete")] * 8

    def run_step(event: dict[str, Any]) -> Any:
        if answers:
            raise answers.pop()
        return part(event) if step == "node" else {"state": "SUCCEEDED"}

    _, end = run(**{step: run_step})
    assert end.succeeded


# ---- a job that has moved on


@pytest.mark.parametrize(
    "step", ["PlanTasks", "CreateTasks", "EnqueueTasks", "MonitorJob", "nodes", "node", "last"]
)
def test_a_superseded_step_ends_the_execution_quietly_and_is_not_retried(step: str) -> None:
    execution, end = run(**{step: fail("Superseded")})
    assert end == End(True, "EndSuperseded")
    assert "stop" not in ops(execution)
    last = execution.calls[-1]
    assert [call for call in execution.calls if call == last] == [last]


@pytest.mark.parametrize("step", ["PlanTasks", "MonitorJob", "last"])
def test_a_step_may_say_superseded_instead_of_failing(step: str) -> None:
    _, end = run(**{step: lambda event: {"superseded": True}})
    assert end == End(True, "EndSuperseded")


def test_a_stopping_job_may_be_superseded() -> None:
    _, end = run(
        MonitorJob=lambda event: {"stopping": True}, drained=lambda event: {"superseded": True}
    )
    assert end == End(True, "EndSuperseded")


# ---- errors


@pytest.mark.parametrize(
    "step", ["PlanTasks", "CreateTasks", "EnqueueTasks", "MonitorJob", "nodes", "node", "last"]
)
def test_an_error_that_stays_stops_the_job_and_then_finishes_it(step: str) -> None:
    stopped: list[bool] = []
    healthy = fakes()

    def stop(event: dict[str, Any]) -> Any:
        stopped.append(True)
        return {}

    def once_stopped(event: dict[str, Any]) -> Any:
        if not stopped:
            raise StepError("KeyError")
        name = step if step in healthy else "FinishJob"
        return healthy[name](event) if step != "last" else {"state": "FAILED"}

    changes: dict[str, Lambda] = {"last": lambda event: {"state": "FAILED"}, step: once_stopped}
    execution, end = run(**changes, stop=stop)
    assert stopped == [True]
    assert ops(execution)[-5:] == ["drained", "nodes", "node", "node", "last"]
    assert (end.state, end.error) == ("EndUnsuccessful", "Job.FAILED")
    assert "KeyError" in end.cause


@pytest.mark.parametrize("step", ["nodes", "node", "last", "stop"])
def test_an_error_after_the_stop_ends_the_execution_for_the_sweep_to_restart(step: str) -> None:
    execution, end = run(PlanTasks=fail("KeyError"), **{step: fail("OSError")})
    assert (end.state, end.error) == ("GiveUp", "Orchestration")
    assert execution.path.count("StopJob") == 1


@pytest.mark.parametrize(
    "error", ["Lambda.TooManyRequestsException", "Sandbox.Timedout", "KeyError"]
)
@pytest.mark.parametrize("step", ["PlanTasks", "CreateTasks", "EnqueueTasks", "MonitorJob"])
def test_a_passing_error_changes_nothing(step: str, error: str) -> None:
    healthy, left = fakes()[step], [StepError(error)] * 3

    def passing(event: dict[str, Any]) -> Any:
        if left:
            raise left.pop()
        return healthy(event)

    _, end = run(**{step: passing})
    assert end.succeeded


@pytest.mark.parametrize("step", ["PlanTasks", "nodes", "last"])
def test_an_answer_without_its_field_is_an_error_like_any_other(step: str) -> None:
    execution, _ = run(**{step: lambda event: {}})
    assert "stop" in ops(execution)
