"""Lambda handler of FinishJob: five operations, named by the event's `op`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.runtime import CallContext, Event, machine_step
from orchestrator.service import finish
from orchestrator.service.ports import Deps


def _drained(deps: Deps, event: Event) -> Mapping[str, object]:
    return finish.drained(deps, event["job_id"], event["gen"])


def _stop(deps: Deps, event: Event) -> Mapping[str, object]:
    finish.stop_orchestration(deps, event["job_id"], event["gen"])
    return {}


def _nodes(deps: Deps, event: Event) -> Mapping[str, object]:
    return finish.list_nodes(deps, event["job_id"], event["gen"])


def _node(deps: Deps, event: Event) -> Mapping[str, object]:
    return finish.finish_node(deps, event["job_id"], event["gen"], event["node"])


def _last(deps: Deps, event: Event) -> Mapping[str, object]:
    return finish.finish_last(deps, event["job_id"], event["gen"], event["parts"])


_OPERATIONS: Mapping[str, Callable[[Deps, Event], Mapping[str, object]]] = {
    "drained": _drained,
    "stop": _stop,
    "nodes": _nodes,
    "node": _node,
    "last": _last,
}


@machine_step
def handler(deps: Deps, event: Event, _: CallContext) -> Mapping[str, object]:
    """Do one operation: drained, stop, nodes, node or last."""
    return _OPERATIONS[event["op"]](deps, event)
