"""Counts every AWS request of a process, by service and operation, where BENCH_COUNTS names a folder.

Python imports this module by itself when its folder is on PYTHONPATH. The count is taken where botocore
sends, so retries of one request count as one call; a batch is one request. Calls of workers to the work API
are counted where they are sent, each try for itself, as API Gateway bills them. A function's peak memory is
noted beside its requests, whenever it has grown.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

PEAK = "peak"


def _open(folder: str) -> int:
    return os.open(f"{folder}/{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _count(folder: str, module: ModuleType) -> None:
    """Write a line to this process's own file for each request that botocore's endpoint makes."""
    file, peak = _open(folder), 0
    function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
    send = module.Endpoint.make_request

    def make_request(self: Any, operation_model: Any, request_dict: Any) -> Any:
        nonlocal peak
        answer = send(self, operation_model, request_dict)
        units = _units(answer[1])
        service = operation_model.service_model.service_name
        os.write(file, f"{service} {operation_model.name} {units}\n".encode())
        if function and (now := _peak_kb()) > peak:
            peak = now
            os.write(file, f"{PEAK} {function} {peak}\n".encode())
        return answer

    module.Endpoint.make_request = make_request


def _count_work_api(folder: str, module: ModuleType) -> None:
    """Write a line for each request of a worker to the work API, by the last word of its path."""
    file = _open(folder)
    send = module.SignedWorkApi._send

    def counted(self: Any, url: str, data: bytes) -> Any:
        os.write(file, f"apigateway {url.rpartition('/')[2]} 0\n".encode())
        return send(self, url, data)

    module.SignedWorkApi._send = counted


def _peak_kb() -> int:
    """Return this program's peak memory: unlike getrusage's, not that of whoever started it."""
    try:
        with open("/proc/self/status") as status:
            found = [line for line in status if line.startswith("VmHWM:")]
    except OSError:
        return 0
    return int(found[0].split()[1]) if found else 0


def _units(answer: Any) -> float:
    """Return the capacity units that DynamoDB said it used."""
    used = answer.get("ConsumedCapacity") if isinstance(answer, dict) else None
    listed = used if isinstance(used, list) else [used] if used else []
    return float(sum(item.get("CapacityUnits", 0) for item in listed))


class _After(Loader):
    def __init__(
        self, loader: Loader, folder: str, hook: Callable[[str, ModuleType], None]
    ) -> None:
        self._loader, self._folder, self._hook = loader, folder, hook

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Let the real loader create the module."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, then hook it."""
        self._loader.exec_module(module)
        self._hook(self._folder, module)


_HOOKS = {"botocore.endpoint": _count, "worker.aws.work_api": _count_work_api}


class _Finder(MetaPathFinder):
    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Wrap the loaders of the modules that send, and of nothing else."""
        hook = _HOOKS.get(name)
        if hook is None:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _After(spec.loader, self._folder, hook)
        return spec


if _folder := os.environ.get("BENCH_COUNTS"):
    sys.meta_path.insert(0, _Finder(_folder))
