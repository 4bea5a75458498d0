"""Handlers by name: declared by the decorator, found in this package, entry points and HANDLERS."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.errors import OrchestratorError
from worker.api import Context, Json, Task

ENTRY_POINTS = "orchestrator.handlers"
"""Group of entry points that name the modules of other packages' handlers."""
BUILT_IN = "worker.handlers"


class HandlerError(OrchestratorError):
    """The handlers cannot be loaded; the message says which one and what to do."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A function that runs tasks, with the types of its input and parameters (None: JSON)."""

    name: str
    function: Callable[[Task[Any, Any], Context], object]
    input: Any = None
    parameters: Any = None

    @property
    def place(self) -> str:
        """Where it is defined, for messages."""
        return f"{self.function.__module__}.{self.function.__qualname__}"


_declared: dict[str, Handler] = {}


def handler[I = Json, P = Json](
    name: str, *, input: type[I] | None = None, parameters: type[P] | None = None
) -> Callable[[Callable[[Task[I, P], Context], object]], Callable[[Task[I, P], Context], object]]:
    """Declare a handler: `@handler("csv.profile", input=ProfileInput)`.

    `input` and `parameters` are pydantic models (or any type that pydantic validates); what does
    not fit fails the task before the function is called. Raises HandlerError if the name is taken.
    """

    def declare(
        function: Callable[[Task[I, P], Context], object],
    ) -> Callable[[Task[I, P], Context], object]:
        new = Handler(name, function, input, parameters)
        known = _declared.get(name)
        if known is not None and known.place != new.place:
            raise HandlerError(
                f"handler {name!r} is declared in {known.place} and in {new.place}: rename one"
            )
        _declared[name] = new
        return function

    return declare


def declared() -> dict[str, Handler]:
    """Return the handlers declared so far, by name."""
    return dict(_declared)


def installed_sources() -> list[str]:
    """Return the modules that installed packages name under the entry point group."""
    # It costs more than the rest of a child's imports together, so the parent looks once for all.
    from importlib.metadata import entry_points

    return sorted({point.module for point in entry_points(group=ENTRY_POINTS)})


def load_handlers(sources: Sequence[str]) -> dict[str, Handler]:
    """Import the built-in handlers and those of `sources`: modules, .py files or folders of them.

    Raises HandlerError, naming the source, when one cannot be imported or a name is taken.
    """
    for source, load in _loaders(sources):
        try:
            load()
        except HandlerError:
            raise
        except Exception as error:
            raise HandlerError(
                f"handlers from {source} cannot be loaded: {type(error).__name__}: {error}"
            ) from error
    return declared()


def _loaders(sources: Sequence[str]) -> Iterator[tuple[str, Callable[[], object]]]:
    yield BUILT_IN, partial(_load_package, BUILT_IN)
    for source in sources:
        yield source, partial(_load_source, source)


def _load_package(name: str) -> None:
    package = importlib.import_module(name)
    for module in pkgutil.iter_modules(package.__path__, f"{name}."):
        importlib.import_module(module.name)


def _load_source(source: str) -> None:
    path = Path(source)
    if (path / "__init__.py").is_file():
        _search_in(path.parent)
        _load_package(path.name)
    elif path.is_dir():
        _load_folder(path)
    elif path.suffix == ".py":
        _load_file(path)
    else:
        importlib.import_module(source)


def _load_folder(folder: Path) -> None:
    files = sorted(folder.glob("*.py"))
    if not files:
        raise FileNotFoundError("the folder has no .py file")
    for file in files:
        _load_file(file)


def _load_file(path: Path) -> None:
    """Import a file under its own name, or its folder's too where that is taken."""
    if not path.is_file():
        raise FileNotFoundError("there is no such file")
    _search_in(path.parent)
    taken = path.stem in sys.modules
    name = f"{path.resolve().parent.name}_{path.stem}" if taken else path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _search_in(folder: Path) -> None:
    """Let handlers import their neighbours."""
    if str(folder.resolve()) not in sys.path:
        sys.path.append(str(folder.resolve()))
