"""`make k8s-config`: the stack's outputs become the overlay's env file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local import k8s_config
from local.errors import LocalError
from tests.unit.k8s.conftest import ENDPOINT, LOCAL, OUTPUTS, ROLE
from tests.unit.k8s.manifests import env_file
from worker.settings import read_settings


class CloudFormation:
    """Knows one stack, and refuses others as AWS does."""

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 (boto3's name)
        if StackName != "jobs":
            reason = f"Stack with id {StackName} does not exist"
            raise ClientError(
                {"Error": {"Code": "ValidationError", "Message": reason}}, "DescribeStacks"
            )
        listed = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()]
        return {"Stacks": [{"Outputs": listed}]}


@pytest.fixture
def overlays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for both files, and AWS with the one stack."""
    for name in ("eks", "local"):
        (tmp_path / name / "stack").mkdir(parents=True)
    monkeypatch.setattr(k8s_config, "OVERLAYS", tmp_path)
    monkeypatch.setattr(k8s_config, "STACK_FILE", tmp_path / "none.json")
    monkeypatch.setattr(k8s_config, "_client", lambda region: CloudFormation())
    return tmp_path


def test_a_stack_on_aws_is_written_for_eks(overlays: Path) -> None:
    told = k8s_config.run({"STACK": "jobs"})
    written = env_file(overlays / "eks" / "stack" / "stack.env")
    assert written == {
        "TASK_QUEUE_URL": OUTPUTS["TaskQueueUrl"],
        "EXPRESS_QUEUE_URL": OUTPUTS["ExpressQueueUrl"],
        "WORK_API_URL": OUTPUTS["WorkApiUrl"],
        "DATA_BUCKET": "some-data",
        "RESULTS_BUCKET": "some-results",
        "AWS_REGION": "eu-west-1",
    }
    assert OUTPUTS["WorkerPolicyArn"] in told[-1]


def test_the_worker_takes_what_was_written(overlays: Path) -> None:
    k8s_config.run({"STACK": "jobs", "ROLE_ARN": ROLE})
    written = env_file(overlays / "eks" / "stack" / "stack.env")
    assert written["AWS_ROLE_ARN"] == ROLE
    taken = read_settings(written)
    assert (taken.region, taken.queue_url) == ("eu-west-1", OUTPUTS["TaskQueueUrl"])
    assert taken.express_queue_url == OUTPUTS["ExpressQueueUrl"]


def test_writing_again_replaces_the_file(overlays: Path) -> None:
    k8s_config.run({"STACK": "jobs", "ROLE_ARN": ROLE})
    k8s_config.run({"STACK": "jobs"})
    assert "AWS_ROLE_ARN" not in env_file(overlays / "eks" / "stack" / "stack.env")
    assert [path.name for path in (overlays / "eks" / "stack").iterdir()] == ["stack.env"]


def test_a_stack_that_does_not_exist_is_named(overlays: Path) -> None:
    with pytest.raises(LocalError, match=r"stack nothing cannot be read: .*does not exist"):
        k8s_config.run({"STACK": "nothing"})


def test_the_outputs_of_another_application_are_refused() -> None:
    with pytest.raises(LocalError, match="no output DataBucket, Region"):
        k8s_config.of_outputs(
            {key: OUTPUTS[key] for key in OUTPUTS if key not in {"DataBucket", "Region"}}
        )


def test_without_any_stack_both_ways_are_told(overlays: Path) -> None:
    with pytest.raises(LocalError, match=r"STACK=name.*make up"):
        k8s_config.run({})


def test_pods_are_given_the_address_at_which_they_reach_the_emulator() -> None:
    assert k8s_config.of_local(LOCAL, ENDPOINT + "/") == {
        "TASK_QUEUE_URL": f"{ENDPOINT}/000000000000/tasks",
        "EXPRESS_QUEUE_URL": f"{ENDPOINT}/000000000000/express",
        "WORK_API_URL": f"{ENDPOINT}/restapis/a1/prod/_user_request_",
        "DATA_BUCKET": "local-data",
        "RESULTS_BUCKET": "local-results",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": ENDPOINT,
    }


def test_an_emulator_on_an_address_of_the_network_needs_no_other() -> None:
    deployed = replace(LOCAL, endpoint_url="http://192.0.2.7:4566")
    assert k8s_config.of_local(deployed)["AWS_ENDPOINT_URL"] == "http://192.0.2.7:4566"


@pytest.mark.parametrize("endpoint", ["", "http://localhost:4566", "http://[::1]:4566"])
def test_an_address_that_a_pod_takes_for_itself_is_refused(endpoint: str) -> None:
    with pytest.raises(LocalError, match="calls itself"):
        k8s_config.of_local(LOCAL, endpoint)


@pytest.mark.parametrize(
    "endpoint", ["10.244.0.1:4566", "ftp://10.244.0.1", "http://", "http://a/b"]
)
def test_what_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(LocalError, match="no address"):
        k8s_config.of_local(LOCAL, endpoint)


@pytest.mark.parametrize("value", ["", "two\nlines", " padded"])
def test_a_value_that_would_break_the_file_is_refused(value: str) -> None:
    with pytest.raises(LocalError, match="DATA_BUCKET"):
        k8s_config.env_file({"DATA_BUCKET": value})
