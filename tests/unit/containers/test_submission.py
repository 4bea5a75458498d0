"""What a submission may say of containers, checked before any task exists."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.model.container import read_container
from orchestrator.model.states import TaskState
from orchestrator.spec import SubmitJobIn
from tests.unit.service.played import claimed, started, task

IMAGE = "registry.example/team/app:1"


def submit(tasks: Any, parameters: Any = None, **fields: Any) -> SubmitJobIn:
    body = {"name": "n", "handler": "container", "tasks": tasks, "parameters": parameters}
    return SubmitJobIn.model_validate({**body, **fields})


def test_an_item_needs_only_what_the_parameters_do_not_say() -> None:
    submit({"items": [{"args": ["1"]}, {"image": IMAGE}]}, {"image": IMAGE})
    submit({"count": 5}, {"image": IMAGE})


def test_each_message_carries_one_container_unless_more_are_asked_for() -> None:
    assert submit({"count": 5}, {"image": IMAGE}).policy().tasks_per_message == 1
    many = submit({"count": 5}, {"image": IMAGE}, tasks_per_message=4)
    assert many.policy().tasks_per_message == 4
    other = submit({"count": 5}, handler="echo")
    assert other.policy().tasks_per_message is None


@pytest.mark.parametrize(
    ("tasks", "parameters", "words"),
    [
        ({"count": 5}, None, "image: Field required"),
        ({"items": [{"image": IMAGE}, {}]}, None, r"tasks.items\[1\], as a container: image"),
        ({"items": [3]}, {"image": IMAGE}, "must be an object with the fields of a container"),
        ({"count": 1}, [IMAGE], "the job's parameters must be an object"),
        ({"count": 1}, {"image": "Upper/x"}, "no image reference"),
        ({"count": 1}, {"image": IMAGE, "hostNetwork": True}, "hostNetwork: Extra inputs"),
        ({"count": 1}, {"image": IMAGE, "volumes": []}, "volumes: Extra inputs"),
        ({"count": 1}, {"image": IMAGE, "env": {"TASK_ID": "x"}}, "are set by the worker"),
        ({"count": 1}, {"image": IMAGE, "env": {"A-B": "x"}}, "letters, digits and _"),
        ({"count": 1}, {"image": IMAGE, "env": {"A": 1}}, "env.A: Input should be a valid string"),
        ({"count": 1}, {"image": IMAGE, "args": ["a\0"]}, "NUL"),
        ({"items": [{"args": ["a" * 65_537]}]}, {"image": IMAGE}, "65536 bytes: use `input`"),
        ({"count": 1}, {"image": IMAGE, "resources": {"cpu": "a lot"}}, "no number of CPUs"),
        ({"count": 1}, {"image": IMAGE, "resources": {"cpu": "0m"}}, "more than 0"),
        ({"count": 1}, {"image": IMAGE, "resources": {"memory": "1MiB"}}, "no number of bytes"),
        ({"count": 1}, {"image": IMAGE, "resources": {"memory": "1Mi"}}, "between 4Mi and 64Ti"),
        ({"count": 1}, {"image": IMAGE, "gpu": -1}, "gpu"),
        ({"count": 1}, {"image": IMAGE, "timeout_seconds": 40_000}, "timeout_seconds"),
        ({"count": 1}, {"image": IMAGE, "service_account": "A B"}, "no name of a service account"),
        (
            {"matrix": {"image": [IMAGE, "Upper/x"]}},
            None,
            r"tasks.matrix\[1\], as a container: image",
        ),
        ({"matrix": {"shard": "1..9"}}, {"image": IMAGE}, "shard: Extra inputs"),
        (
            {"matrix": {"gpu": [1, 2]}, "include": [{"gpu": 17}]},
            {"image": IMAGE},
            r"tasks.include\[0\], as a container: gpu",
        ),
        (
            {"prefix": "shared/images/"},
            {"image": IMAGE},
            "an object under a prefix is no container",
        ),
    ],
)
def test_a_container_that_could_never_run_is_refused_with_its_field(
    tasks: Any, parameters: Any, words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        submit(tasks, parameters)


def test_a_matrix_of_containers_is_taken() -> None:
    matrix = {"image": [IMAGE, "app:2"], "timeout_seconds": [10, 20.5], "gpu": "0..4"}
    submit({"matrix": matrix, "include": [{"image": "other", "args": ["x"]}]})


def test_another_handler_s_items_are_its_own_business() -> None:
    submit({"items": [{"image": "Upper"}]}, handler="echo")


@pytest.mark.parametrize(
    "image",
    [
        "app",
        "app:latest",
        "registry.example:5000/a/b_c/d--e.f:1.2-rc",
        f"localhost/app@sha256:{'0' * 64}",
    ],
)
def test_image_references_of_all_forms_are_taken(image: str) -> None:
    assert read_container({"image": image}, None).image == image


@pytest.mark.parametrize(
    "image",
    ["", "a b", "a:", ":1", "-a/b", "a//b", "a@sha256:12", "https://a/b", "a\n", "a:" + "x" * 129],
)
def test_what_is_no_image_reference_is_refused(image: str) -> None:
    with pytest.raises(ValueError, match="no image reference"):
        read_container({"image": image}, None)


# What the control plane makes of their messages


def test_a_container_may_change_hands_any_number_of_times() -> None:
    """A worker that is lost says nothing about the container: redeliveries are asked about, not counted."""
    cluster = started(1, handler="container", parameters={"image": IMAGE})
    (message,) = cluster.messages()
    for receive_count in range(2, 40):
        assert claimed(cluster, message, "m", receive_count, begins=False) != "drop"
    assert task(cluster).state is TaskState.PENDING
    cluster.report(message)
    assert claimed(cluster, message, "m", 40, begins=False) == "drop"
