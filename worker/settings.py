"""The worker's settings, from its environment."""

from __future__ import annotations

import math
import os
import re
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import OrchestratorError
from orchestrator.policy import VISIBILITY_MAX_SECONDS
from worker import cgroup
from worker.log import LEVELS

if TYPE_CHECKING:
    from worker.containers.settings import ContainerSettings

_RESERVED_BYTES = 256 * 1024 * 1024
"""Kept for the worker's own process, which no limit of a task may push out."""
_SHARE = 0.9
_OFF = "off"
_SLOTS_MAX = 10_000
"""Of both kinds together: what a heartbeat may tell."""


class InvalidSetting(OrchestratorError):
    """An environment variable is missing or breaks its rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that the environment says. Times in seconds."""

    queue_url: str
    express_queue_url: str | None = None
    work_api_url: str
    data_bucket: str
    results_bucket: str
    region: str
    slots: int
    express_slots: int = 0
    sources: tuple[str, ...]
    lease_seconds: int
    drain_seconds: float
    wait_seconds: int
    memory_bytes: int
    worker_id: str
    log_level: str
    until_empty_seconds: int
    http_host: str
    http_port: int | None
    containers: ContainerSettings | None = None


def read_settings(env: Mapping[str, str], root: Path = cgroup.ROOT) -> Settings:
    """Read the settings; `root` is where the container's limits are found.

    Raises InvalidSetting, naming the variable and its rule.
    """
    slots = whole_number(env, "WORKER_SLOTS", lambda: cpus(root), 1, _SLOTS_MAX)
    express_slots = _express_slots(env, slots)
    lease_seconds = whole_number(env, "LEASE_SECONDS", 60, 3, VISIBILITY_MAX_SECONDS)
    wait_seconds = whole_number(env, "RECEIVE_WAIT_SECONDS", 20, 0, 20)
    return Settings(
        queue_url=_required(env, "TASK_QUEUE_URL"),
        express_queue_url=env.get("EXPRESS_QUEUE_URL") or None,
        work_api_url=_required(env, "WORK_API_URL").rstrip("/"),
        data_bucket=_required(env, "DATA_BUCKET"),
        results_bucket=_required(env, "RESULTS_BUCKET"),
        region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1",
        slots=slots,
        express_slots=express_slots,
        sources=tuple(part.strip() for part in env.get("HANDLERS", "").split(",") if part.strip()),
        lease_seconds=lease_seconds,
        drain_seconds=whole_number(env, "DRAIN_SECONDS", 25, 0, VISIBILITY_MAX_SECONDS),
        # A lease counts from the asking, since when SQS gave the message is not known.
        wait_seconds=min(wait_seconds, lease_seconds // 3),
        memory_bytes=whole_number(
            env,
            "WORKER_TASK_MEMORY_BYTES",
            lambda: memory_of_a_slot(slots + express_slots, root),
            0,
            1 << 60,
        ),
        worker_id=_worker_id(env),
        log_level=_level(env),
        until_empty_seconds=whole_number(env, "UNTIL_EMPTY_SECONDS", 30, 0, 86_400),
        http_host=env.get("WORKER_HTTP_HOST") or "0.0.0.0",  # noqa: S104 (a pod's own address)
        http_port=_http_port(env),
        containers=_containers(env),
    )


def _express_slots(env: Mapping[str, str], slots: int) -> int:
    """Return the slots beside the others that express messages have for themselves.

    None by default where there is one slot: such a worker was told to run one task at a time.
    """
    most = _SLOTS_MAX - slots
    wanted = whole_number(env, "EXPRESS_SLOTS", min(most, 1 if slots > 1 else 0), 0, most)
    return wanted if env.get("EXPRESS_QUEUE_URL") else 0


def _required(env: Mapping[str, str], name: str) -> str:
    if not env.get(name):
        raise InvalidSetting(f"{name} is not set: it comes from the stack's outputs")
    return env[name]


def whole_number(
    env: Mapping[str, str], name: str, default: int | Callable[[], int], low: int, high: int
) -> int:
    """Return a variable's number, or the default where it is not set. Raises InvalidSetting."""
    text = env.get(name, "")
    if not text:
        return default if isinstance(default, int) else default()
    if not re.fullmatch(r"\d{1,19}", text) or not low <= int(text) <= high:
        raise InvalidSetting(f"{name} must be a whole number in {low}..{high}, not {text!r}")
    return int(text)


def _level(env: Mapping[str, str]) -> str:
    level = env.get("LOG_LEVEL", "INFO").upper()
    if level not in LEVELS:
        raise InvalidSetting(f"LOG_LEVEL must be one of {', '.join(LEVELS)}, not {level!r}")
    return level


def _worker_id(env: Mapping[str, str]) -> str:
    host = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:60].lstrip("._-") or "worker"
    wanted = env.get("WORKER_ID") or f"{host}-{os.getpid()}-{secrets.token_hex(3)}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", wanted):
        raise InvalidSetting(f"WORKER_ID may hold letters, digits, '.', '_', '-', not {wanted!r}")
    return wanted


def _containers(env: Mapping[str, str]) -> ContainerSettings | None:
    from worker.containers.settings import read_container_settings  # It needs this module.

    return read_container_settings(env)


def _http_port(env: Mapping[str, str]) -> int | None:
    """Return the port of probes and metrics; 0: any free one; None: they are not served."""
    if env.get("WORKER_HTTP_PORT", "").lower() == _OFF:
        return None
    try:
        return whole_number(env, "WORKER_HTTP_PORT", 8080, 0, 65_535)
    except InvalidSetting as error:
        raise InvalidSetting(f"{error}, nor is it {_OFF!r}") from None


def cpus(root: Path = cgroup.ROOT) -> int:
    """Return how many CPUs this process may use at once: by its affinity, and by its cgroup's quota."""
    limit = cgroup.cpu_limit(root)
    allowed = len(os.sched_getaffinity(0))
    return allowed if limit is None else max(1, min(allowed, math.ceil(limit)))


def memory_of_a_slot(slots: int, root: Path = cgroup.ROOT) -> int:
    """Return a child's share, in bytes: nine tenths of what the worker itself leaves of the container."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    total = min(machine, cgroup.memory_limit_bytes(root) or machine)
    return int(max(total - _RESERVED_BYTES, total // 2) * _SHARE) // slots
