"""What a worker tells of its handlers' inputs: found by one child, named in each heartbeat, told when asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, PlainValidator

from orchestrator.model.schemas import SCHEMA_MAX_BYTES, schemas_digest
from tests.unit.worker.conftest import Stage
from worker import Context, Task
from worker.registry import Handler
from worker.schemas import input_schemas

NOT_JSON: Any = object()


class Darts(BaseModel):
    """An input as people write it."""

    throws: int = Field(gt=0, description="How many.")
    board: str = "circle"


@dataclass
class Point:
    x: float


class Odd(BaseModel):
    """An example that JSON cannot say."""

    value: int = Field(json_schema_extra=lambda schema: schema.update(examples=[NOT_JSON]))


def run(task: Task[Any, Any], context: Context) -> None:
    """Do nothing."""


def schemas_of(**inputs: Any) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    return input_schemas({name: Handler(name, run, declared) for name, declared in inputs.items()})


def test_models_dataclasses_and_plain_types_have_schemas() -> None:
    schemas, left_out = schemas_of(darts=Darts, point=Point, walk=int, untyped=None)
    assert left_out == {}
    assert sorted(schemas) == ["darts", "point", "walk"]
    assert schemas["walk"] == {"type": "integer"}
    assert schemas["point"]["required"] == ["x"]
    throws = schemas["darts"]["properties"]["throws"]
    assert (throws["type"], throws["exclusiveMinimum"]) == ("integer", 0)
    assert throws["description"] == "How many."
    assert schemas["darts"]["properties"]["board"]["default"] == "circle"


def test_what_no_schema_can_say_or_is_too_large_is_left_out_with_a_reason() -> None:
    coded = Annotated[object, PlainValidator(lambda value: value)]
    wordy = Annotated[int, Field(description="x" * SCHEMA_MAX_BYTES)]
    schemas, left_out = schemas_of(coded=list[type], odd=Odd, wordy=wordy, good=int, any=coded)
    assert sorted(schemas) == ["any", "good"]
    assert sorted(left_out) == ["coded", "odd", "wordy"]
    assert "PydanticInvalidForJsonSchema" in left_out["coded"]


def test_schemas_are_named_in_each_heartbeat_and_told_when_asked_for(stage: Stage) -> None:
    stage.api.wants_schemas = True
    stage.start(slots=2)
    stage.api.wait_for(lambda: any(beat.schemas for beat in stage.api.heartbeats))
    stage.beat()
    first, *_, last = stage.api.heartbeats
    (told,) = [beat.schemas for beat in stage.api.heartbeats if beat.schemas is not None]
    assert first.schemas is None
    assert told["ok.sum"]["required"] == ["a", "b"]
    assert "ok.echo" not in told
    assert {beat.schemas_digest for beat in stage.api.heartbeats} == {schemas_digest(told)}
    assert last.schemas is None, "they were wanted once"


def test_schemas_that_were_lost_on_the_way_are_told_again(stage: Stage) -> None:
    stage.api.wants_schemas, stage.api.schemas_to_lose = True, 2
    stage.start()
    stage.api.wait_for(lambda: any(beat.schemas for beat in stage.api.heartbeats))
    assert len(stage.lines.of("heartbeat_failed")) == 2


def test_a_schema_that_is_left_out_is_logged_once(stage: Stage, tmp_path: Path) -> None:
    source = tmp_path / "wordy.py"
    source.write_text(
        "from typing import Annotated\n"
        "from pydantic import Field\n"
        "from worker import Context, Task, handler\n"
        f"@handler('wordy', input=Annotated[int, Field(description='x' * {SCHEMA_MAX_BYTES})])\n"
        "def wordy(task: Task[int], context: Context) -> None: ...\n"
    )
    stage.start(slots=3, sources=(str(source),))
    stage.wait_logged("started")
    (line,) = stage.lines.of("schema_left_out")
    assert line["handler"] == "wordy"
    assert "8192 are the most" in line["reason"]
