"""Counts every AWS request of a process, by service and operation, where BENCH_COUNTS names a folder.

Python imports this module by itself when its folder is on PYTHONPATH. The count is taken where botocore
sends, so retries of one request count as one call; a batch is one request.
"""

from __future__ import annotations

import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


def _count(folder: str, module: ModuleType) -> None:
    """Write a line to this process's own file for each request that botocore's endpoint makes."""
    file = os.open(f"{folder}/{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    send = module.Endpoint.make_request

    def make_request(self: Any, operation_model: Any, request_dict: Any) -> Any:
        answer = send(self, operation_model, request_dict)
        units = _units(answer[1])
        service = operation_model.service_model.service_name
        os.write(file, f"{service} {operation_model.name} {units}\n".encode())
        return answer

    module.Endpoint.make_request = make_request


def _units(answer: Any) -> float:
    """Return the capacity units that DynamoDB said it used."""
    used = answer.get("ConsumedCapacity") if isinstance(answer, dict) else None
    listed = used if isinstance(used, list) else [used] if used else []
    return float(sum(item.get("CapacityUnits", 0) for item in listed))


class _After(Loader):
    def __init__(self, loader: Loader, folder: str) -> None:
        self._loader, self._folder = loader, folder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Let the real loader create the module."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, then hook it."""
        self._loader.exec_module(module)
        _count(self._folder, module)


class _Finder(MetaPathFinder):
    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Wrap the loader of botocore.endpoint, and of nothing else."""
        if name != "botocore.endpoint":
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _After(spec.loader, self._folder)
        return spec


if _folder := os.environ.get("BENCH_COUNTS"):
    sys.meta_path.insert(0, _Finder(_folder))
