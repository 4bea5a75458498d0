"""Who may do what: the roles and policies of template.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
import pytest

from tests.contract.test_api_routes import IAM, JOBS, ROUTES, WORK

type Resources = dict[str, dict[str, Any]]

PERMISSION_ONLY = {  # actions that are no operation of an API
    "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:PartiQLSelect",
    "execute-api:Invoke", "lambda:InvokeFunction", "s3:ListBucket",
    "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery", "logs:ListLogDeliveries",
}  # fmt: skip
SERVICES = {"states": "stepfunctions"}  # prefix of actions: botocore's name, where they differ
WILD = {  # statements on *, and why
    ("JobMachineRole", "logs:CreateLogDelivery"): "vended logs know no resource",
    ("EmulatorPartiqlPolicy", "dynamodb:BatchExecuteStatement"): "the emulator asks for it",
    ("EmulatorTokenPolicy", "states:SendTaskSuccess"): "the emulator asks for it",
}
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLInsert", "PartiQLUpdate"}


def as_list(value: Any) -> list[Any]:
    """Return a value that may stand alone or in a list as a list."""
    return value if isinstance(value, list) else [value]


def statements(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the statements of a role or of a managed policy."""
    properties = resource["Properties"]
    documents = [p["PolicyDocument"] for p in properties.get("Policies", ())]
    documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
    for document in documents:
        yield from document["Statement"]


def policies(resources: Resources) -> Resources:
    """Return all roles and managed policies."""
    kinds = {"AWS::IAM::Role", "AWS::IAM::ManagedPolicy"}
    return {name: r for name, r in resources.items() if r["Type"] in kinds}


def grants(resources: Resources, name: str) -> set[tuple[str, str]]:
    """Return (action, first logical id of the resource) pairs of a role or policy."""
    return {
        (action, logical_id(target))
        for statement in statements(resources[name])
        for action in as_list(statement["Action"])
        for target in as_list(statement["Resource"])
    }


def logical_id(target: Any) -> str:
    """Return which resource of the template an ARN is of, or its kind where it is made by name."""
    if isinstance(target, str):
        return target
    if "Fn::GetAtt" in target:
        return str(target["Fn::GetAtt"][0])
    text = str(target["Fn::Sub"])
    if text.startswith("${"):
        return text[2:].split(".", maxsplit=1)[0]
    return text.split(":${AWS::AccountId}:")[1].split(":", maxsplit=1)[0]


@cache
def operations(service: str) -> frozenset[str]:
    """Return the names of a service's operations."""
    model = botocore.session.get_session().get_service_model(service)
    return frozenset(model.operation_names)


def test_every_function_has_a_role_of_its_own(resources: Resources) -> None:
    functions = {n: r for n, r in resources.items() if r["Type"] == "AWS::Lambda::Function"}
    roles = {n: f["Properties"]["Role"]["Fn::GetAtt"][0] for n, f in functions.items()}
    assert roles == {n: n.removesuffix("Function") + "Role" for n in functions}


def test_no_statement_is_wild_where_a_name_can_be_given(resources: Resources) -> None:
    wild = {
        (name, as_list(s["Action"])[0])
        for name, resource in policies(resources).items()
        for s in statements(resource)
        if "*" in as_list(s["Resource"])
    }
    assert wild == WILD.keys()


def test_no_role_takes_a_policy_of_aws(resources: Resources) -> None:
    for resource in policies(resources).values():
        for arn in resource["Properties"].get("ManagedPolicyArns", ()):
            condition, then, otherwise = arn["Fn::If"]
            assert condition == "IsLocal"
            assert then["Ref"].startswith("Emulator")
            assert otherwise == {"Ref": "AWS::NoValue"}


def test_what_only_the_emulator_needs_is_absent_from_aws(resources: Resources) -> None:
    emulator = [r for name, r in policies(resources).items() if name.startswith("Emulator")]
    assert len(emulator) == 3
    assert all(r["Condition"] == "IsLocal" for r in emulator)


def test_every_action_exists(resources: Resources) -> None:
    actions = {
        action
        for resource in policies(resources).values()
        for statement in statements(resource)
        for action in as_list(statement["Action"])
    }
    for action in actions - PERMISSION_ONLY:
        prefix, name = action.split(":")
        assert name in operations(SERVICES.get(prefix, prefix)), action


def test_every_statement_allows_and_names_no_wild_action(resources: Resources) -> None:
    for resource in policies(resources).values():
        for statement in statements(resource):
            assert statement["Effect"] == "Allow"
            assert not [a for a in as_list(statement["Action"]) if "*" in a]


def test_only_lambda_and_step_functions_take_the_roles(resources: Resources) -> None:
    for name, resource in policies(resources).items():
        if resource["Type"] == "AWS::IAM::Role":
            (trust,) = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            service = "states" if name == "JobMachineRole" else "lambda"
            assert trust["Principal"] == {"Service": f"{service}.amazonaws.com"}


def test_every_function_writes_its_own_log_and_no_other(resources: Resources) -> None:
    for name in (n for n in resources if n.endswith("Function")):
        logs = {t for a, t in grants(resources, name.replace("Function", "Role")) if "logs:" in a}
        assert logs == {name.replace("Function", "Logs")}


@pytest.mark.parametrize(
    ("action", "target", "roles"),
    [
        ("sqs:SendMessage", "TaskQueue", {"EnqueueTasks", "WorkApi", "Sweep", "DeadLetters"}),
        ("sqs:SendMessage", "ExpressQueue", {"EnqueueTasks", "WorkApi", "Sweep", "DeadLetters"}),
        ("lambda:InvokeFunction", "EnqueueTasksFunction",
         {"JobsApi", "WorkApi", "FinishJob", "Sweep", "DeadLetters", "JobMachine"}),
        ("states:StartExecution", "stateMachine", {"JobsApi", "Sweep"}),
        ("states:StopExecution", "execution", {"Sweep"}),
        ("states:SendTaskSuccess", "stateMachine",
         {"JobsApi", "WorkApi", "MonitorJob", "FinishJob", "Sweep", "DeadLetters"}),
        ("secretsmanager:GetSecretValue", "CursorSecret", {"JobsApi"}),
        ("dynamodb:DeleteItem", "JobsTable", {"JobsApi"}),
        ("dynamodb:PartiQLUpdate", "TasksTable",
         {"WorkApi", "CreateTasks", "Sweep", "DeadLetters"}),
    ],
)  # fmt: skip
def test_only_those_who_need_it_may(
    resources: Resources, action: str, target: str, roles: set[str]
) -> None:
    having = {n for n, r in resources.items() if r["Type"] == "AWS::IAM::Role"
              and (action, target) in grants(resources, n)}  # fmt: skip
    assert having == {f"{role}Role" for role in roles}


def test_the_jobs_of_a_tenant_by_state_are_looked_up_by_two(resources: Resources) -> None:
    having = {
        name
        for name, resource in policies(resources).items()
        for statement in statements(resource)
        if "index/by_state" in str(statement["Resource"])
    }
    assert having == {"JobsApiRole", "PlanTasksRole"}


def test_the_apis_of_people_never_write_tasks_or_results(resources: Resources) -> None:
    for role in ("JobsApiRole", "AuthorizerRole", "PlanTasksRole", "MonitorJobRole"):
        granted = grants(resources, role)
        assert not {a for a, t in granted if t == "TasksTable" and a.split(":")[1] in WRITES}
        assert ("s3:PutObject", "ResultsBucket") not in granted


def test_what_people_put_into_the_bucket_is_read_by_two_and_written_by_one(
    resources: Resources,
) -> None:
    wanted: dict[str, set[str]] = {"s3:GetObject": set(), "s3:PutObject": set()}
    for name, resource in policies(resources).items():
        for statement in statements(resource):
            texts = [str(target) for target in as_list(statement["Resource"])]
            if any(
                "DataBucket.Arn}/uploads/" in t or "DataBucket.Arn}/shared/" in t for t in texts
            ):
                for action in as_list(statement["Action"]):
                    wanted[action].add(name)
    assert wanted == {
        "s3:GetObject": {"JobsApiRole", "PlanTasksRole"},
        "s3:PutObject": {"JobsApiRole"},
    }


def test_the_authorizer_reads_keys_alone(resources: Resources) -> None:
    reads = [s for s in statements(resources["AuthorizerRole"]) if "dynamodb" in str(s["Action"])]
    (read,) = reads
    assert read["Action"] == "dynamodb:GetItem"
    assert read["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["KEYS"]}}


def test_workers_reach_the_queues_four_routes_and_objects(resources: Resources) -> None:
    granted = grants(resources, "WorkerPolicy")
    assert {(a, t) for a, t in granted if a != "execute-api:Invoke"} == {
        ("sqs:ReceiveMessage", "TaskQueue"),
        ("sqs:DeleteMessage", "TaskQueue"),
        ("sqs:ChangeMessageVisibility", "TaskQueue"),
        ("sqs:GetQueueAttributes", "TaskQueue"),
        ("sqs:ReceiveMessage", "ExpressQueue"),
        ("sqs:DeleteMessage", "ExpressQueue"),
        ("sqs:ChangeMessageVisibility", "ExpressQueue"),
        ("sqs:GetQueueAttributes", "ExpressQueue"),
        ("s3:GetObject", "DataBucket"),
        ("s3:ListBucket", "DataBucket"),
        ("s3:GetObject", "ResultsBucket"),
        ("s3:PutObject", "ResultsBucket"),
        ("s3:ListBucket", "ResultsBucket"),
    }
    assert invokable(resources, "WorkerPolicy") == routes_of(WORK)


def test_operators_reach_the_key_routes_alone(resources: Resources) -> None:
    assert {action for action, _ in grants(resources, "OperatorPolicy")} == {"execute-api:Invoke"}
    assert invokable(resources, "OperatorPolicy") == routes_of(JOBS)


def invokable(resources: Resources, policy: str) -> set[str]:
    """Return the routes that a policy allows, as they end an execute-api ARN."""
    prefix = (
        "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/${StageName}/"
    )
    return {
        target["Fn::Sub"].removeprefix(prefix)
        for statement in statements(resources[policy])
        if statement["Action"] == "execute-api:Invoke"
        for target in statement["Resource"]
    }


def routes_of(function: str) -> set[str]:
    """Return the IAM routes of a function, with * for each parameter."""
    return {
        verb + "/".join("*" if part.startswith("{") else part for part in path.split("/"))
        for (verb, path), (owner, access) in ROUTES.items()
        if owner == function and access == IAM
    }


def test_the_machine_invokes_the_functions_of_its_definition(resources: Resources) -> None:
    named = resources["JobMachine"]["Properties"]["DefinitionSubstitutions"]
    invoked = {t for a, t in grants(resources, "JobMachineRole") if a == "lambda:InvokeFunction"}
    assert invoked == {name.removesuffix("Arn") for name in named}
