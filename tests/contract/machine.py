"""A small interpreter of the state machine's language: enough to walk job.asl.json.

Its Lambdas are plain functions from payload to result; `StepError` is how they fail.
Waits pass at once. Retries follow the named errors and their MaxAttempts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonata import Jsonata

type Json = Any
type Lambda = Callable[[dict[str, Json]], Json]

NOT_BY_TASK_FAILED = {"States.Timeout"}
STEPS_MAX = 500


class StepError(Exception):
    """An error of a step, by the name that Retry and Catch match."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class End:
    """How an execution ended."""

    succeeded: bool
    state: str
    error: str = ""
    cause: str = ""


def strings(value: Json) -> Iterator[str]:
    """Yield every string of a JSON value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def expressions(value: Json) -> list[str]:
    """Return the JSONata expressions of a JSON value."""
    return [text[2:-2].strip() for text in strings(value) if text.startswith("{%")]


def states_of(machine: Mapping[str, Json]) -> Iterator[tuple[str, dict[str, Json], str | None]]:
    """Yield name, state and the Map around it (None at the top) of every state."""
    for name, state in machine["States"].items():
        yield name, state, None
        if state["Type"] == "Map":
            for inner, inner_state, _ in states_of(state["ItemProcessor"]):
                yield inner, inner_state, name


def first_match(rules: list[dict[str, Json]], error: str) -> int | None:
    """Return the place of the first Retry or Catch entry that takes `error`."""
    names = {error, "States.ALL"}
    if error not in NOT_BY_TASK_FAILED:
        names.add("States.TaskFailed")
    return next((i for i, rule in enumerate(rules) if names & {*rule["ErrorEquals"]}), None)


@dataclass(slots=True)
class Execution:
    """One run: `path` lists the states entered, `calls` the payloads that each Lambda got."""

    machine: dict[str, Json]
    lambdas: Mapping[str, Lambda]
    variables: dict[str, Json] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Json]]] = field(default_factory=list)
    largest_state_bytes: int = 0

    def run(self, execution_input: dict[str, Json]) -> End:
        """Walk from StartAt to a Succeed or Fail state; an error that nothing catches is raised."""
        end = self._walk(self.machine, execution_input, {})
        assert isinstance(end, End)
        return end

    def _walk(self, machine: Mapping[str, Json], given: Json, context: dict[str, Json]) -> Json:
        name = machine["StartAt"]
        while len(self.path) < STEPS_MAX:
            self.path.append(name)
            self.largest_state_bytes = max(self.largest_state_bytes, len(repr(given)))
            state = machine["States"][name]
            scope = {"input": given, "context": context}
            if state["Type"] == "Succeed":
                return End(True, name)
            if state["Type"] == "Fail":
                error, cause = (self._eval(state[key], scope) for key in ("Error", "Cause"))
                return End(False, name, error, cause)
            name, given = self._step(state, scope)
            if name is None:
                return given
        raise AssertionError(f"no end after {STEPS_MAX} states: {self.path[-20:]}")

    def _step(self, state: Mapping[str, Json], scope: dict[str, Json]) -> tuple[str | None, Json]:
        if state["Type"] == "Choice":
            return self._choose(state, scope), scope["input"]
        try:
            scope["result"] = self._result(state, scope)
            return state.get("Next"), self._leave(state, scope, scope["result"])
        except StepError as failed:
            caught = first_match(state.get("Catch", []), failed.error)
            if caught is None:
                raise
            catcher = state["Catch"][caught]
            scope["errorOutput"] = {"Error": failed.error, "Cause": "{}"}
            return catcher["Next"], self._leave(catcher, scope, scope["errorOutput"])

    def _leave(self, rule: Mapping[str, Json], scope: Mapping[str, Json], default: Json) -> Json:
        assigned = self._eval(rule.get("Assign", {}), scope)
        output = self._eval(rule["Output"], scope) if "Output" in rule else default
        self.variables.update(assigned)
        return output

    def _choose(self, state: Mapping[str, Json], scope: Mapping[str, Json]) -> str:
        for choice in state["Choices"]:
            condition = self._eval(choice["Condition"], scope)
            assert isinstance(condition, bool), f"{choice['Condition']} gave {condition!r}"
            if condition:
                return str(choice["Next"])
        return str(state["Default"])

    def _result(self, state: Mapping[str, Json], scope: dict[str, Json]) -> Json:
        if state["Type"] == "Map":
            return [self._item(state, scope, item) for item in self._eval(state["Items"], scope)]
        if state["Type"] == "Task":
            return self._task(state, scope)
        return scope["input"]

    def _item(self, state: Mapping[str, Json], scope: Mapping[str, Json], item: Json) -> Json:
        context = {"Map": {"Item": {"Value": item}}}
        given = self._eval(state["ItemSelector"], {**scope, "context": context})
        return self._walk(state["ItemProcessor"], given, context)

    def _task(self, state: Mapping[str, Json], scope: Mapping[str, Json]) -> Json:
        tries: dict[int, int] = {}
        while True:
            context = {"Task": {"Token": f"token-{len(self.calls)}"}}
            arguments = self._eval(state["Arguments"], {**scope, "context": context})
            function = arguments["FunctionName"].removeprefix("${").removesuffix("FunctionArn}")
            self.calls.append((function, arguments["Payload"]))
            try:
                result = self.lambdas[function](copy.deepcopy(arguments["Payload"]))
            except StepError as failed:
                entry = first_match(state["Retry"], failed.error)
                if entry is None or tries.get(entry, 0) >= state["Retry"][entry]["MaxAttempts"]:
                    raise
                tries[entry] = tries.get(entry, 0) + 1
                continue
            return result if state["Resource"].endswith("waitForTaskToken") else {"Payload": result}

    def _eval(self, value: Json, scope: Mapping[str, Json]) -> Json:
        if isinstance(value, Mapping):
            return {key: self._eval(item, scope) for key, item in value.items()}
        if isinstance(value, list):
            return [self._eval(item, scope) for item in value]
        if not (isinstance(value, str) and value.startswith("{%")):
            return value
        expression = Jsonata(value[2:-2].strip())
        for name, bound in {**self.variables, "states": scope}.items():
            expression.assign(name, bound)
        found = expression.evaluate(None)
        if found is None:  # Step Functions refuses an expression that gives nothing
            raise StepError("States.QueryEvaluationError")
        return found
