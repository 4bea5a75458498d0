"""A stack on an emulator of somebody else's, and functions in Lambda's own containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from local import __main__, control, emulator, launch, sam_local, sam_template, stack
from local.errors import LocalError
from local.processes import Identity, free_port
from local.scope import Scope
from tests.unit.test_local_demo import STACK, running


def external(folder: Path) -> stack.Running:
    return stack.Running(STACK, None, (Identity(2, "b"),), folder, folder / "emulator")


def chosen(monkeypatch: pytest.MonkeyPatch, **variables: str) -> launch.Options:
    for name in ("EMULATOR", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return __main__.options(__main__.parse(["up"]))


# -- an emulator of somebody else's


def test_an_external_emulator_is_the_one_at_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://localhost:4667"
    assert chosen(monkeypatch, EMULATOR="external", AWS_ENDPOINT_URL=url).external == url
    assert chosen(monkeypatch, AWS_ENDPOINT_URL=url).external == ""


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"EMULATOR": "external"}, "AWS_ENDPOINT_URL="),
        ({"EMULATOR": "localstack"}, "neither ministack"),
    ],
)
def test_a_wrong_emulator_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    with pytest.raises(LocalError, match=said):
        chosen(monkeypatch, **variables)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://dynamodb.us-east-1.amazonaws.com", "AWS itself"),
        ("https://sqs.us-east-1.api.aws", "AWS itself"),
        ("localhost:4566", "no http address"),
        ("http://127.0.0.1:{free}", "No emulator answers"),
    ],
)
def test_what_is_no_emulator_is_not_deployed_to(url: str, said: str) -> None:
    with Scope() as scope, pytest.raises(emulator.EmulatorError, match=said):
        emulator.external(scope, url.format(free=free_port()))


def test_a_stack_on_an_external_emulator_is_read_back_and_is_whole_with_its_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "stack.json"
    stack.write(external(tmp_path), path)
    assert stack.read(path) == external(tmp_path)
    monkeypatch.setattr(stack, "alive", lambda process: process.pid == 2)
    assert external(tmp_path).complete
    assert not running(tmp_path).complete


def test_down_leaves_what_is_not_ours_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "stack.json"
    stack.write(external(tmp_path), path)
    stopped: list[Identity] = []
    monkeypatch.setattr(control, "STACK_FILE", path)
    monkeypatch.setattr(control, "stop_groups", stopped.extend)
    assert control.down() == 0
    assert stopped == [Identity(2, "b")]
    assert f"deployed to {STACK.endpoint_url} stays" in capsys.readouterr().out


# -- sam local


class Functions:
    """A Lambda client that knows two functions."""

    def get_function_configuration(self, **request: str) -> dict[str, Any]:
        if request["FunctionName"] == "stack-dead-letters":
            return {}
        queue = f"{STACK.endpoint_url}/000000000000/tasks"
        return {"Environment": {"Variables": {"JOBS_TABLE": "jobs", "TASK_QUEUE_URL": queue}}}


def test_containers_get_what_is_deployed_and_the_emulator_as_they_see_it() -> None:
    endpoint = "http://host.docker.internal:1"
    assert sam_local.variables(STACK, Functions()) == {
        "JobsApiFunction": {
            "JOBS_TABLE": "jobs",
            "TASK_QUEUE_URL": f"{endpoint}/000000000000/tasks",
            "AWS_ENDPOINT_URL": endpoint,
        },
        "DeadLettersFunction": {"AWS_ENDPOINT_URL": endpoint},
    }


@pytest.mark.parametrize(
    ("configs", "address"),
    [
        ([{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.9"}], "172.17.0.9"),
        ([{"Subnet": "172.17.0.0/16"}], "172.17.0.1"),
        ([{}, {"Subnet": "10.9.8.0/24"}], "10.9.8.1"),
        ([], None),
    ],
)
def test_the_gateway_is_the_one_named_or_the_first_of_the_subnet(
    configs: list[dict[str, str]], address: str | None
) -> None:
    assert sam_local.gateway_of(configs) == address


def test_the_copy_of_the_template_differs_where_sam_local_needs_it_alone(
    tmp_path: Path,
) -> None:
    variables: dict[str, Any] = {"A": {"Ref": "B"}}
    authorizer: dict[str, Any] = {"FunctionArn": {"Fn::GetAtt": ["AuthorizerFunction", "Arn"]}}
    events: dict[str, Any] = {
        "List": {"Type": "Api", "Properties": {"Path": "/jobs", "Method": "GET"}},
        "Preflight": {"Type": "Api", "Properties": {"Path": "/jobs", "Method": "OPTIONS"}},
        "Tick": {"Type": "Schedule"},
    }
    template = {
        "Globals": {"Function": {"Environment": {"Variables": variables}}},
        "Resources": {
            "Table": {"Type": "AWS::DynamoDB::Table"},
            "JobsApiFunction": {"Properties": {"Events": events}},
            "Api": {"Properties": {"Auth": {"Authorizers": {"Bearer": authorizer}}}},
        },
    }
    built, copy = tmp_path / "template.yaml", tmp_path / "copy.yaml"
    built.write_text(yaml.safe_dump(template))
    sam_template.main(built, copy, "http://x:1")
    variables["AWS_ENDPOINT_URL"] = "http://x:1"
    found = yaml.safe_load(copy.read_text())
    arn = found["Resources"]["Api"]["Properties"]["Auth"]["Authorizers"]["Bearer"]["FunctionArn"]
    assert arn.endswith(":function:AuthorizerFunction/invocations")
    authorizer["FunctionArn"] = arn
    del events["Preflight"]
    assert found == template


def test_sam_local_without_an_engine_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalError, match="needs Docker"):
        sam_local.engine()


def test_an_unknown_function_or_event_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sam_local, "_running", lambda _file: running(tmp_path))
    with Scope() as scope:
        with pytest.raises(LocalError, match="no function nope: there are dead_letters, jobs_api"):
            sam_local.invoke(scope, tmp_path, "nope", tmp_path)
        with pytest.raises(LocalError, match="no event"):
            sam_local.invoke(scope, tmp_path, "jobs_api", tmp_path / "none.json")
