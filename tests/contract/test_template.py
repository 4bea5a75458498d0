"""template.yaml after its transform: data, queues, functions, schedule, alarms, outputs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.contract.conftest import ROOT

type Resources = dict[str, dict[str, Any]]

FUNCTIONS = {  # name in paths: (logical id, longest time-out in seconds)
    "jobs_api": ("JobsApiFunction", 29),
    "work_api": ("WorkApiFunction", 29),
    "authorizer": ("AuthorizerFunction", 10),
    "plan_tasks": ("PlanTasksFunction", 300),
    "create_tasks": ("CreateTasksFunction", 300),
    "enqueue_tasks": ("EnqueueTasksFunction", 300),
    "monitor_job": ("MonitorJobFunction", 29),
    "finish_job": ("FinishJobFunction", 300),
    "sweep": ("SweepFunction", 60),
    "dead_letters": ("DeadLettersFunction", 50),
}
ENVIRONMENT = {
    "JOBS_TABLE", "TASKS_TABLE", "WORKERS_TABLE", "DATA_BUCKET", "RESULTS_BUCKET",
    "TASK_QUEUE_URL", "EXPRESS_QUEUE_URL", "STATE_MACHINE_ARN", "ENQUEUE_FUNCTION", "CURSOR_SECRET_ARN",
    "RETENTION_DAYS", "MESSAGE_RETENTION_SECONDS", "DYNAMODB_BATCHES", "ALLOWED_ORIGIN",
    "MAX_ACTIVE_JOBS", "MAX_QUEUED_TASKS", "MAX_TASKS_PER_JOB", "EXPRESS_TASKS",
    "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "LOG_LEVEL",
}  # fmt: skip
OUTPUTS = {
    "ApiId", "ApiUrl", "WorkApiUrl", "Region", "JobsTable", "TasksTable", "WorkersTable",
    "DataBucket", "ResultsBucket", "TaskQueueUrl", "TaskQueueArn",
    "ExpressQueueUrl", "ExpressQueueArn", "DeadLetterQueueUrl",
    "DeadLetterQueueArn", "StateMachineArn", "WorkerPolicyArn", "OperatorPolicyArn",
    "SiteBucket", "SiteDistribution", "SiteDomain", "SiteUrl",
    *(logical_id for logical_id, _ in FUNCTIONS.values()),
}  # fmt: skip
KEPT = {"Fn::If": ["IsProd", "Retain", "Delete"]}
DAY = 86_400


def of_type(resources: Resources, kind: str) -> Resources:
    """Return the properties of all resources of a type."""
    return {n: r["Properties"] for n, r in resources.items() if r["Type"] == kind}


def name_of(properties: dict[str, Any], key: str) -> str:
    """Return a name that is made by Fn::Sub."""
    return str(properties[key]["Fn::Sub"])


# ---- functions


@pytest.mark.parametrize(("name", "logical_id", "seconds"), [(n, *f) for n, f in FUNCTIONS.items()])
def test_a_function_has_its_code_and_bounds(
    resources: Resources, name: str, logical_id: str, seconds: int
) -> None:
    function = resources[logical_id]["Properties"]
    assert function["Handler"] == f"{name}.app.handler"
    assert function["FunctionName"] == {"Fn::Sub": "${AWS::StackName}-" + name.replace("_", "-")}
    assert function["Timeout"] <= seconds
    assert function["Runtime"] == "python3.13"
    assert function["Environment"]["Variables"].keys() == ENVIRONMENT
    assert function["MemorySize"] >= 512


def test_there_is_no_other_function(resources: Resources) -> None:
    expected = {logical_id for logical_id, _ in FUNCTIONS.values()}
    assert of_type(resources, "AWS::Lambda::Function").keys() == expected


def test_whoever_writes_to_the_outbox_ends_before_the_sweep_sends_it(
    resources: Resources,
) -> None:
    assert resources["WorkApiFunction"]["Properties"]["Timeout"] <= 29
    assert resources["DeadLettersFunction"]["Properties"]["Timeout"] < 60
    assert resources["EnqueueTasksFunction"]["Properties"]["Timeout"] < 60


def test_every_function_logs_to_its_own_group_with_retention(resources: Resources) -> None:
    groups = of_type(resources, "AWS::Logs::LogGroup")
    for logical_id, function in of_type(resources, "AWS::Lambda::Function").items():
        group = groups[function["LoggingConfig"]["LogGroup"]["Ref"]]
        assert name_of(group, "LogGroupName") == f"/aws/lambda/{name_of(function, 'FunctionName')}"
        assert logical_id
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())
    assert len(groups) == len(FUNCTIONS) + 1


def test_the_architecture_is_a_parameter(resources: Resources) -> None:
    for function in of_type(resources, "AWS::Lambda::Function").values():
        assert function["Architectures"] == [{"Ref": "Architecture"}]


# ---- data


def test_tables_are_on_demand_encrypted_recoverable_and_expire(resources: Resources) -> None:
    tables = of_type(resources, "AWS::DynamoDB::Table")
    assert tables.keys() == {"JobsTable", "TasksTable", "WorkersTable"}
    for table in tables.values():
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
        assert table["SSESpecification"] == {"SSEEnabled": True}
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["DeletionProtectionEnabled"] == {"Fn::If": ["IsProd", True, False]}
        assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]


def test_indexes_hold_keys_alone(resources: Resources) -> None:
    indexes = resources["JobsTable"]["Properties"]["GlobalSecondaryIndexes"]
    keys = {i["IndexName"]: [k["AttributeName"] for k in i["KeySchema"]] for i in indexes}
    assert keys == {
        "by_tenant": ["tenant", "job_id"],
        "by_state": ["tenant_state", "job_id"],
        "active": ["active", "next_check_at"],
        "unsent": ["unsent_of", "priority"],
    }
    assert {i["Projection"]["ProjectionType"] for i in indexes} == {"KEYS_ONLY"}


def test_what_holds_data_is_kept_in_production(resources: Resources) -> None:
    holders = {"AWS::DynamoDB::Table", "AWS::S3::Bucket"}
    kept = [r for r in resources.values() if r["Type"] in holders]
    assert len(kept) == 6
    assert all(r["DeletionPolicy"] == r["UpdateReplacePolicy"] == KEPT for r in kept)


def test_buckets_are_private_and_encrypted_and_expire(resources: Resources) -> None:
    for bucket in of_type(resources, "AWS::S3::Bucket").values():
        assert all(bucket["PublicAccessBlockConfiguration"].values())
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        rules = bucket["LifecycleConfiguration"]["Rules"]
        assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
    for name in ("DataBucket", "ResultsBucket"):
        rules = resources[name]["Properties"]["LifecycleConfiguration"]["Rules"]
        assert any("Ref" in rule.get("ExpirationInDays", {}) for rule in rules)


def test_what_users_upload_never_expires(resources: Resources) -> None:
    rules = resources["DataBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert [r["Prefix"] for r in rules if "ExpirationInDays" in r] == ["jobs/"]


def test_a_page_of_the_allowed_origin_may_upload_and_nothing_else(resources: Resources) -> None:
    buckets = of_type(resources, "AWS::S3::Bucket")
    cors = {
        n: b["CorsConfiguration"]["CorsRules"]
        for n, b in buckets.items()
        if "CorsConfiguration" in b
    }
    (rule,) = cors.pop("DataBucket")
    assert not cors
    assert (rule["AllowedMethods"], rule["AllowedOrigins"]) == (["PUT"], [{"Ref": "AllowedOrigin"}])


def test_queues_and_buckets_refuse_plain_http_outside_the_emulator(resources: Resources) -> None:
    policies = {
        n: r
        for n, r in resources.items()
        if r["Type"] in {"AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"}
        and n != "SiteBucketPolicy"
    }
    assert len(policies) == 5
    for policy in policies.values():
        assert policy["Condition"] == "NotLocal"
        (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


# ---- queues


@pytest.mark.parametrize("name", ["TaskQueue", "ExpressQueue"])
def test_a_task_queue_leases_by_visibility_and_redrives_late(
    resources: Resources, name: str
) -> None:
    queue = resources[name]["Properties"]
    assert queue["SqsManagedSseEnabled"] is True
    assert queue["VisibilityTimeout"] == {"Ref": "LeaseSeconds"}
    assert queue["ReceiveMessageWaitTimeSeconds"] == 20
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 50
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {
        "Fn::GetAtt": ["DeadLetterQueue", "Arn"]
    }


def test_dead_letters_outlive_the_move(template: dict[str, Any], resources: Resources) -> None:
    retention = template["Parameters"]["MessageRetentionSeconds"]
    dead = resources["DeadLetterQueue"]["Properties"]
    assert (retention["Default"], retention["MaxValue"]) == (12 * DAY, 12 * DAY)
    assert dead["MessageRetentionPeriod"] == 14 * DAY
    assert dead["SqsManagedSseEnabled"] is True


def test_dead_letters_fail_one_by_one_and_stay_hidden_long_enough(resources: Resources) -> None:
    (source,) = of_type(resources, "AWS::Lambda::EventSourceMapping").values()
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["EventSourceArn"] == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    timeout = resources["DeadLettersFunction"]["Properties"]["Timeout"]
    assert resources["DeadLetterQueue"]["Properties"]["VisibilityTimeout"] >= 6 * timeout


# ---- machine, schedule, alarms, outputs


def test_the_machine_gets_each_function_that_its_definition_names(resources: Resources) -> None:
    machine = resources["JobMachine"]["Properties"]
    text = (ROOT / "statemachine" / "job.asl.json").read_text("utf-8")
    expected = {name: {"Fn::GetAtt": [name.removesuffix("Arn"), "Arn"]}
                for name in re.findall(r"\$\{(\w+)\}", text)}  # fmt: skip
    assert machine["DefinitionSubstitutions"] == expected
    assert machine["StateMachineName"] == {"Fn::Sub": "${AWS::StackName}-jobs"}
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert machine["TracingConfiguration"] == {"Enabled": False}


def test_the_names_that_break_cycles_are_the_real_ones(resources: Resources) -> None:
    variables = resources["SweepFunction"]["Properties"]["Environment"]["Variables"]
    machine = name_of(resources["JobMachine"]["Properties"], "StateMachineName")
    assert variables["STATE_MACHINE_ARN"]["Fn::Sub"].endswith(f":stateMachine:{machine}")
    enqueue = resources["EnqueueTasksFunction"]["Properties"]["FunctionName"]
    assert variables["ENQUEUE_FUNCTION"] == enqueue


def test_the_sweep_runs_each_minute_and_when_an_execution_dies(resources: Resources) -> None:
    rules = of_type(resources, "AWS::Events::Rule").values()
    sweep = {"Fn::GetAtt": ["SweepFunction", "Arn"]}
    assert all(target["Arn"] == sweep for rule in rules for target in rule["Targets"])
    (schedule,) = (r["ScheduleExpression"] for r in rules if "ScheduleExpression" in r)
    (pattern,) = (r["EventPattern"] for r in rules if "EventPattern" in r)
    assert schedule == "rate(1 minute)"
    assert pattern["source"] == ["aws.states"]
    assert pattern["detail-type"] == ["Step Functions Execution Status Change"]
    assert pattern["detail"]["status"] == ["FAILED", "ABORTED", "TIMED_OUT"]
    (machine,) = pattern["detail"]["stateMachineArn"]
    assert machine["Fn::Sub"].endswith(":stateMachine:${AWS::StackName}-jobs")


def test_a_missing_sweep_alarms_within_five_minutes(resources: Resources) -> None:
    alarm = resources["SweepAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("JobOrchestrator", "SweepFinished")
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 300
    assert alarm["TreatMissingData"] == "breaching"
    variables = resources["SweepFunction"]["Properties"]["Environment"]["Variables"]
    service = variables["POWERTOOLS_SERVICE_NAME"]
    assert alarm["Dimensions"] == [{"Name": "service", "Value": service}]
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == alarm["Namespace"]


def test_an_unreadable_dead_letter_alarms_at_once(resources: Resources) -> None:
    alarm, sweep = (
        resources[name]["Properties"] for name in ("UnreadableLettersAlarm", "SweepAlarm")
    )
    assert alarm["MetricName"] == "DeadLettersUnreadable"
    assert (alarm["Namespace"], alarm["Dimensions"]) == (sweep["Namespace"], sweep["Dimensions"])
    assert (alarm["EvaluationPeriods"], alarm["Threshold"]) == (1, 0)
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
    assert alarm["TreatMissingData"] == "notBreaching"


def test_every_alarm_tells_the_topic_of_its_begin_and_end(resources: Resources) -> None:
    alarms = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::CloudWatch::Alarm"]
    topic = [{"Fn::If": ["HasAlarmTopic", {"Ref": "AlarmTopicArn"}, {"Ref": "AWS::NoValue"}]}]
    assert len(alarms) == 3
    assert all(alarm["AlarmActions"] == alarm["OKActions"] == topic for alarm in alarms)


def test_dead_letters_that_stay_alarm(resources: Resources) -> None:
    alarm = resources["DeadLettersAlarm"]["Properties"]
    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert alarm["Dimensions"][0]["Value"] == {"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}


def test_the_outputs_are_all_that_a_client_needs(template: dict[str, Any]) -> None:
    assert template["Outputs"].keys() == OUTPUTS


def test_every_parameter_has_a_default_and_says_what_it_is(template: dict[str, Any]) -> None:
    assert all({"Default", "Description"} <= p.keys() for p in template["Parameters"].values())


# ---- site


def test_only_the_distribution_reads_the_site_bucket(resources: Resources) -> None:
    policy = resources["SiteBucketPolicy"]["Properties"]["PolicyDocument"]
    allowed, encrypted = policy["Statement"]
    assert allowed["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert allowed["Action"] == "s3:GetObject"
    source = allowed["Condition"]["StringEquals"]["aws:SourceArn"]["Fn::Sub"]
    assert source.endswith(":distribution/${SiteDistribution}")
    nowhere, deny = encrypted["Fn::If"][1:]
    assert encrypted["Fn::If"][0] == "IsLocal"
    assert nowhere == {"Ref": "AWS::NoValue"}
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_site_can_be_left_out(template: dict[str, Any], resources: Resources) -> None:
    made = {n: r for n, r in resources.items() if n.startswith("Site")}
    assert len(made) == 6
    told = {n: o for n, o in template["Outputs"].items() if n.startswith("Site")}
    assert all(part["Condition"] == "HasSite" for part in (made | told).values())


def test_pages_and_api_share_one_origin(resources: Resources) -> None:
    config = resources["SiteDistribution"]["Properties"]["DistributionConfig"]
    assets, api = config["CacheBehaviors"]
    assert (assets["PathPattern"], assets["TargetOriginId"]) == ("/assets/*", "site")
    assert (api["PathPattern"], api["TargetOriginId"]) == ("/api/*", "api")
    assert config["DefaultCacheBehavior"]["TargetOriginId"] == "site"
    origins = {origin["Id"]: origin for origin in config["Origins"]}
    assert origins["site"]["OriginAccessControlId"] == {"Fn::GetAtt": ["SiteAccess", "Id"]}
    # Error pages of a distribution would replace the API's own answers.
    assert "CustomErrorResponses" not in config


def test_the_content_policy_allows_nothing_inline(resources: Resources) -> None:
    config = resources["SiteHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]
    (text, names) = config["SecurityHeadersConfig"]["ContentSecurityPolicy"][
        "ContentSecurityPolicy"
    ]["Fn::Sub"]
    assert "unsafe" not in text
    assert "default-src 'none'" in text
    assert "script-src 'self';" in text
    assert "style-src 'self';" in text
    assert names.keys() == {"Uploads"}
