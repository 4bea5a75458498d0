"""Write an overlay's stack.env: `python -m local.k8s_config` (STACK=name, else ENDPOINT=address; ROLE_ARN=arn).

With STACK the values are the outputs of that CloudFormation stack, asked with your own AWS settings, and go to
overlays/eks. Without it they are those of the stack of `make up`, and go to overlays/local.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local import interrupt, stack
from local.errors import LocalError
from local.paths import ROOT, STACK_FILE

OVERLAYS = ROOT / "k8s" / "overlays"
_OUTPUTS = {
    "TASK_QUEUE_URL": "TaskQueueUrl",
    "EXPRESS_QUEUE_URL": "ExpressQueueUrl",
    "WORK_API_URL": "WorkApiUrl",
    "DATA_BUCKET": "DataBucket",
    "RESULTS_BUCKET": "ResultsBucket",
    "AWS_REGION": "Region",
}


def of_outputs(outputs: Mapping[str, str], role_arn: str = "") -> dict[str, str]:
    """Return the workers' settings from a stack's outputs. Raises LocalError when one is missing."""
    if missing := sorted(set(_OUTPUTS.values()) - outputs.keys()):
        raise LocalError(f"The stack has no output {', '.join(missing)}: is it this application?")
    found = {name: outputs[output] for name, output in _OUTPUTS.items()}
    return found | ({"AWS_ROLE_ARN": role_arn} if role_arn else {})


def of_local(deployed: stack.Stack, endpoint: str = "") -> dict[str, str]:
    """Return the settings of workers in pods, which reach the emulator at `endpoint` (http://host:port).

    Raises LocalError when that is no address, or one that a pod would take for itself.
    """
    address = _reachable(endpoint or deployed.endpoint_url)
    return {
        "TASK_QUEUE_URL": _moved(deployed.queues["tasks"], address),
        "EXPRESS_QUEUE_URL": _moved(deployed.queues["express"], address),
        "WORK_API_URL": _moved(deployed.work_api_url, address),
        "DATA_BUCKET": deployed.buckets["data"],
        "RESULTS_BUCKET": deployed.buckets["results"],
        "AWS_REGION": deployed.region,
        "AWS_ENDPOINT_URL": urlunsplit(address),
    }


def _reachable(endpoint: str) -> SplitResult:
    address = urlsplit(endpoint.rstrip("/"))
    if address.scheme not in {"http", "https"} or not address.hostname or address.path:
        raise LocalError(f"ENDPOINT={endpoint} is no address: write http://host:port.")
    if _is_loopback(address.hostname):
        raise LocalError(
            f"A pod that calls {endpoint} calls itself. Start the emulator with a BIND_HOST that pods "
            "reach, and give its address: make k8s-config ENDPOINT=http://host:port."
        )
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _moved(url: str, address: SplitResult) -> str:
    return urlunsplit(urlsplit(url)._replace(scheme=address.scheme, netloc=address.netloc))


def outputs_of(name: str, client: Any) -> dict[str, str]:
    """Return the outputs of a CloudFormation stack by name. Raises LocalError with AWS's reason."""
    try:
        answer = client.describe_stacks(StackName=name)
    except (BotoCoreError, ClientError) as error:
        raise LocalError(f"The outputs of stack {name} cannot be read: {error}") from error
    listed = answer["Stacks"][0].get("Outputs", [])
    return {item["OutputKey"]: item["OutputValue"] for item in listed}


def env_file(values: Mapping[str, str]) -> str:
    """Return the lines of an env file as kustomize reads it. Raises LocalError for what it cannot hold."""
    for name, value in values.items():
        if not value or value != value.strip() or not value.isprintable():
            raise LocalError(f"{name} has the value {value!r}, which an env file cannot hold.")
    lines = [f"{name}={value}\n" for name, value in values.items()]
    return "# Written by `make k8s-config`.\n" + "".join(lines)


def write(overlay: str, values: Mapping[str, str], overlays: Path | None = None) -> Path:
    """Write the overlay's stack.env; return its path."""
    path = (overlays or OVERLAYS) / overlay / "stack" / "stack.env"
    draft = path.with_suffix(".tmp")
    draft.write_text(env_file(values))
    draft.replace(path)
    return path


def _client(region: str | None) -> Any:
    """Return a client by the person's own settings. Raises LocalError where these do not suffice."""
    try:
        return boto3.session.Session(region_name=region or None).client("cloudformation")
    except BotoCoreError as error:
        raise LocalError(f"AWS cannot be asked: {error} (AWS_REGION, AWS_PROFILE)") from error


def run(env: Mapping[str, str]) -> list[str]:
    """Write the file that `env` asks for; return what a person is told. Raises LocalError."""
    if name := env.get("STACK"):
        outputs = outputs_of(name, _client(env.get("AWS_REGION")))
        path = write("eks", of_outputs(outputs, env.get("ROLE_ARN", "")))
        policy = outputs.get("WorkerPolicyArn", "the output WorkerPolicyArn")
        return [f"Written: {path}", f"The pods' role needs this policy: {policy}"]
    running = stack.read(STACK_FILE)
    if running is None:
        raise LocalError(
            "Which stack? On AWS: make k8s-config STACK=name. Here: make up, then make k8s-config ENDPOINT=..."
        )
    path = write("local", of_local(running.stack, env.get("ENDPOINT", "")))
    return [f"Written: {path}", "Next: kubectl apply -k k8s/overlays/local"]


def _told() -> int:
    print("\n".join(run(os.environ)))
    return os.EX_OK


def main() -> int:
    """Run the command line."""
    return interrupt.exit_code(_told)


if __name__ == "__main__":
    sys.exit(main())
