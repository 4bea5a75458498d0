"""The receipt of a job: requests that its own items have counted, what follows from them, and list prices.

No request is made for the sake of counting. Versions of leaves and nodes are numbers of writes; NODE counts
the workers' reports and ROOT its pushes by the writes that change them. Attempts and worker time are summed
up from the rows when the job ends; until then a sample stands for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.model.ids import LEAF_SIZE, nodes_of
from orchestrator.model.items import Job, Usage
from orchestrator.model.progress import Node, Root, unpack_leaf
from orchestrator.model.states import JobState
from orchestrator.service.access import Caller, own_job
from orchestrator.service.durations import Sample, sample_rows
from orchestrator.service.finish import used_by
from orchestrator.service.ports import Deps
from orchestrator.service.prices import Prices, load_prices

type Basis = Literal["counted", "sampled", "derived", "modelled"]

_NODE_BYTES, _LEAF_SLOT_BYTES = 60, 16
_ROOT_BYTES, _NODE_SLOT_BYTES = 120, 22
"""Sizes of items by what they hold (names, and numbers at a byte for two digits): a write unit is 1 KB."""
_STEP_TASKS = 1_000
_MACHINE_CALLS, _MACHINE_CALLS_A_NODE = 6, 2
"""PlanTasks, EnqueueTasks, MonitorJob, FinishJob three times; CreateTasks and FinishJob for each node."""
_JOB_WRITES = 8
"""Changes of JOB in a generation's life, each up to two write units."""
NOTES = (
    "An estimate at list prices, without free tiers, discounts, taxes, storage, logs and data transfer.",
    "counted: by the job's own items; sampled: from the rows of up to 1,000 tasks; derived: follows from "
    "the former; modelled: by constants of prices.json, which names their sources.",
    "Not included: reads by people, heartbeats and empty receives, which no job alone causes.",
    "Workers: a task's time counts as one vCPU of AWS Fargate; idle time of workers is not included.",
)


class ReceiptLine(BaseModel):
    """One thing that was used. `basis` says how its quantity is known."""

    model_config = ConfigDict(frozen=True)

    service: str
    item: str
    quantity: float
    unit: str
    basis: Basis
    usd: float


class ReceiptOut(BaseModel):
    """What a job has used so far over all its generations, and its price: an estimate."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    gen: int
    state: JobState
    estimate: Literal[True] = True
    currency: str
    region: str
    prices_as_of: str
    lines: list[ReceiptLine]
    platform_usd: float
    workers_usd: float
    total_usd: float
    usd_per_million_tasks: float | None
    attempts: int
    worker_seconds: float
    worker_seconds_basis: Basis
    notes: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracks:
    """What a job's items have counted."""

    calls: int
    leaf_writes: int
    node_units: int
    root_units: int
    attempts: int
    worker_ms: int
    basis: Basis
    """Of attempts and worker_ms."""


def job_receipt(deps: Deps, caller: Caller, job_id: str) -> ReceiptOut:
    """Return the receipt. Raises NotFound. Costs a batch of up to 63 nodes, and a sample while it runs."""
    job, root = own_job(deps, caller, job_id)
    nodes = deps.store.get_nodes(job_id, list(nodes_of(job.total or 0)))
    sample = None if job.state.final else sample_rows(deps, job, root)
    tracks, prices = read_tracks(job, root, nodes, sample), load_prices()
    lines = [_line(prices, *entry) for entry in _platform(job, tracks, prices)]
    seconds = tracks.worker_ms / 1_000
    workers = _line(
        prices, "Workers", "time in handlers", "worker_vcpu_seconds", seconds, tracks.basis
    )
    platform_usd = sum(line.usd for line in lines)
    total = platform_usd + workers.usd
    ended = root.tally().finals
    return ReceiptOut(
        job_id=job_id,
        gen=job.gen,
        state=job.state,
        currency="USD",
        region=prices.region,
        prices_as_of=prices.as_of,
        lines=[*lines, workers],
        platform_usd=round(platform_usd, 6),
        workers_usd=workers.usd,
        total_usd=round(total, 6),
        usd_per_million_tasks=round(total / ended * 1e6, 2) if ended else None,
        attempts=tracks.attempts,
        worker_seconds=round(seconds, 3),
        worker_seconds_basis=tracks.basis,
        notes=list(NOTES),
    )


def read_tracks(job: Job, root: Root, nodes: Mapping[int, Node], sample: Sample | None) -> Tracks:
    """Add up what the items tell. With a sample, its tasks stand for all that ended."""
    attempts, worker_ms, basis = _attempts(job, sample)
    return Tracks(
        calls=sum(node.calls for node in nodes.values()),
        leaf_writes=sum(
            unpack_leaf(packed).ver for node in nodes.values() for packed in node.leaves.values()
        ),
        node_units=sum(
            node.ver * _units(_NODE_BYTES + _LEAF_SLOT_BYTES * len(node.leaves))
            for node in nodes.values()
        ),
        root_units=root.pushes * _units(_ROOT_BYTES + _NODE_SLOT_BYTES * len(root.nodes)),
        attempts=attempts,
        worker_ms=worker_ms,
        basis=basis,
    )


def _units(size_bytes: int) -> int:
    return -(-size_bytes // 1024)


def _attempts(job: Job, sample: Sample | None) -> tuple[int, int, Basis]:
    """Return attempts and their milliseconds; never less than the generation before had come to."""
    known = job.usage or Usage(attempts=0, worker_ms=0)
    if sample is None:
        return known.attempts, known.worker_ms, "counted"
    used = used_by(sample.rows)
    share = sample.ended / len(sample.rows) if sample.rows else 0.0
    attempts, worker_ms = round(used["attempts"] * share), round(used["worker_ms"] * share)
    return max(attempts, known.attempts), max(worker_ms, known.worker_ms), "sampled"


type _Entry = tuple[str, str, str, float, Basis]


def _platform(job: Job, tracks: Tracks, prices: Prices) -> Iterable[_Entry]:
    """Yield service, item, thing used, quantity and basis."""
    total, gens = job.total or 0, job.gen
    nodes, steps = len(nodes_of(total)), total // _STEP_TASKS + 1
    machine = gens * (_MACHINE_CALLS + _MACHINE_CALLS_A_NODE * nodes)
    writes = "dynamodb_write_units"
    per_call = prices.per_report_call
    yield "API Gateway", "reports of workers", "api_calls", tracks.calls, "counted"
    yield "API Gateway", "submit and retries", "api_calls", gens, "derived"
    yield "Lambda", "reports of workers", "lambda_calls", tracks.calls, "counted"
    yield "Lambda", "steps of the machine", "lambda_calls", machine, "derived"
    gb_seconds = tracks.calls * per_call["lambda_gb_seconds"]
    gb_seconds += gens * total * prices.per_task_in_machine["lambda_gb_seconds"]
    yield "Lambda", "time of both", "lambda_gb_seconds", gb_seconds, "modelled"
    yield "DynamoDB", "rows of tasks", writes, tracks.attempts, tracks.basis
    yield "DynamoDB", "leaves", writes, tracks.leaf_writes, "counted"
    yield "DynamoDB", "leaves created", writes, -(-total // LEAF_SIZE), "derived"
    yield "DynamoDB", "nodes", writes, tracks.node_units, "counted"
    yield "DynamoDB", "root", writes, tracks.root_units, "counted"
    yield "DynamoDB", "job and its window", writes, 2 * gens * (_JOB_WRITES + steps), "derived"
    reads = tracks.calls * per_call["dynamodb_read_units"]
    yield "DynamoDB", "reads by reports", "dynamodb_read_units", reads, "modelled"
    messages = tracks.attempts * prices.per_task["sqs_requests"]
    yield "SQS", "messages sent, received, deleted", "sqs_requests", messages, "modelled"
    transitions = gens * (prices.per_job["transitions"] + prices.per_node["transitions"] * nodes)
    yield "Step Functions", "transitions", "transitions", transitions, "derived"
    yield "S3", "inputs and results", "s3_writes", total * prices.per_task["s3_writes"], "modelled"


def _line(
    prices: Prices, service: str, item: str, unit: str, quantity: float, basis: Basis
) -> ReceiptLine:
    return ReceiptLine(
        service=service,
        item=item,
        quantity=round(quantity, 3),
        unit=unit,
        basis=basis,
        usd=round(quantity * prices.per_million[unit] / 1e6, 9),
    )
