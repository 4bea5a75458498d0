"""What a running stack is made of, and its file `.local/stack.json`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.aws import REGION
from local.processes import Identity, alive


@dataclass(frozen=True, slots=True)
class Stack:
    """Where everything of a deployed stack is reached."""

    api_url: str
    work_api_url: str
    site_url: str | None
    api_key: str
    region: str
    endpoint_url: str
    tables: Mapping[str, str]
    buckets: Mapping[str, str]
    queues: Mapping[str, str]
    state_machine_arn: str
    functions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Running:
    """A stack with the processes that are behind it and the folder of their logs.

    `emulator` is None where somebody else runs it.
    """

    stack: Stack
    emulator: Identity | None
    workers: tuple[Identity, ...]
    folder: Path
    emulator_folder: Path

    @property
    def processes(self) -> tuple[Identity, ...]:
        """All processes."""
        return (*self.workers, *([self.emulator] if self.emulator else []))

    @property
    def emulator_lives(self) -> bool:
        """Whether the emulator runs, or is not ours to know."""
        return self.emulator is None or alive(self.emulator)

    @property
    def complete(self) -> bool:
        """Whether each part still runs."""
        return all(alive(process) for process in self.processes)

    def worker_log(self, number: int) -> Path:
        """Return the log of worker `number`, from 1."""
        return self.folder / f"worker-{number}.log"


def local_api_url(endpoint_url: str, api_id: str, public_url: str) -> str:
    """Return the address on the emulator of the API that AWS would serve at `public_url`."""
    stage = urlsplit(public_url).path.strip("/")
    return f"{endpoint_url}/restapis/{api_id}/{stage}/_user_request_"


def _function_name(logical_id: str) -> str:
    """Return `jobs_api` for `JobsApiFunction`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", logical_id.removesuffix("Function")).lower()


def of_outputs(
    outputs: Mapping[str, str], endpoint_url: str, api_key: str, site_url: str | None = None
) -> Stack:
    """Return the stack that the outputs of a deployment to the emulator describe."""
    functions = {
        _function_name(name): value for name, value in outputs.items() if name.endswith("Function")
    }
    return Stack(
        api_url=local_api_url(endpoint_url, outputs["ApiId"], outputs["ApiUrl"]),
        work_api_url=local_api_url(endpoint_url, outputs["ApiId"], outputs["WorkApiUrl"]),
        site_url=site_url,
        api_key=api_key,
        region=outputs.get("Region", REGION),
        endpoint_url=endpoint_url,
        tables={name: outputs[f"{name.title()}Table"] for name in ("jobs", "tasks", "workers")},
        buckets={"data": outputs["DataBucket"], "results": outputs["ResultsBucket"]},
        queues={
            "tasks": outputs["TaskQueueUrl"],
            "express": outputs["ExpressQueueUrl"],
            "dead_letters": outputs["DeadLetterQueueUrl"],
        },
        state_machine_arn=outputs["StateMachineArn"],
        functions=functions,
    )


def write(running: Running, path: Path) -> None:
    """Write the stack's file, readable by its owner alone: it holds an API key."""
    started = {str(process.pid): process.started for process in running.processes}
    content = asdict(running.stack) | {
        "pids": {
            "emulator": running.emulator.pid if running.emulator else None,
            "workers": [worker.pid for worker in running.workers],
        },
        "started": started,
        "folders": {"logs": str(running.folder), "emulator": str(running.emulator_folder)},
    }
    draft = path.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
    draft.replace(path)


def read(path: Path) -> Running | None:
    """Return what the stack's file describes, None when there is none that can be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        pids, started = content.pop("pids"), content.pop("started")
        folders = content.pop("folders")
        return Running(
            stack=Stack(**content),
            emulator=Identity(pids["emulator"], started[str(pids["emulator"])])
            if pids["emulator"]
            else None,
            workers=tuple(Identity(pid, started[str(pid)]) for pid in pids["workers"]),
            folder=Path(folders["logs"]),
            emulator_folder=Path(folders["emulator"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
