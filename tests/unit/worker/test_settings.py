"""Settings: what is missing or wrong is named, the rest has defaults."""

from __future__ import annotations

import pytest

from worker.settings import InvalidSetting, read_settings

ENV = {
    "TASK_QUEUE_URL": "http://queue",
    "WORK_API_URL": "http://api/",
    "DATA_BUCKET": "data",
    "RESULTS_BUCKET": "results",
}


def test_defaults() -> None:
    settings = read_settings(ENV)
    assert (settings.work_api_url, settings.lease_seconds, settings.drain_seconds) == (
        "http://api",
        60,
        25,
    )
    assert settings.slots >= 1
    assert settings.memory_bytes > 0
    assert settings.sources == ()


def test_two_workers_of_one_host_have_two_names() -> None:
    assert read_settings(ENV).worker_id != read_settings(ENV).worker_id


def test_handlers_are_a_list() -> None:
    assert read_settings({**ENV, "HANDLERS": "a.b, c.py,"}).sources == ("a.b", "c.py")


@pytest.mark.parametrize(("lease", "wait", "waits"), [(60, 20, 20), (30, 20, 10), (3, 5, 1)])
def test_a_receive_waits_no_longer_than_a_third_of_the_lease(
    lease: int, wait: int, waits: int
) -> None:
    """Else a message that came at the end of a long wait would be lost as soon as it is held."""
    env = {**ENV, "LEASE_SECONDS": str(lease), "RECEIVE_WAIT_SECONDS": str(wait)}
    assert read_settings(env).wait_seconds == waits


@pytest.mark.parametrize(
    ("text", "port"), [("", 8080), ("0", 0), ("9090", 9090), ("off", None), ("OFF", None)]
)
def test_probes_have_a_port_unless_they_are_off(text: str, port: int | None) -> None:
    assert read_settings({**ENV, "WORKER_HTTP_PORT": text}).http_port == port


def test_a_port_that_is_none_tells_that_there_may_be_none() -> None:
    with pytest.raises(InvalidSetting, match=r"0\.\.65535, not 'no', nor is it 'off'"):
        read_settings({**ENV, "WORKER_HTTP_PORT": "no"})


@pytest.mark.parametrize(
    ("slots", "wanted", "express"), [("1", "", 0), ("2", "", 1), ("8", "", 1), ("1", "2", 2)]
)
def test_a_worker_of_several_slots_has_one_more_for_express_messages(
    slots: str, wanted: str, express: int
) -> None:
    env = {**ENV, "WORKER_SLOTS": slots, "EXPRESS_SLOTS": wanted}
    assert read_settings(env).express_slots == 0, "there is no express queue"
    settings = read_settings({**env, "EXPRESS_QUEUE_URL": "http://express"})
    assert (settings.slots, settings.express_slots) == (int(slots), express)


def test_the_memory_is_shared_by_all_slots() -> None:
    one = read_settings({**ENV, "WORKER_SLOTS": "3"})
    other = read_settings({**ENV, "WORKER_SLOTS": "2", "EXPRESS_QUEUE_URL": "http://express"})
    assert other.memory_bytes == one.memory_bytes


@pytest.mark.parametrize("name", list(ENV))
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(InvalidSetting, match=name):
        read_settings({key: value for key, value in ENV.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKER_SLOTS", "0"),
        ("WORKER_SLOTS", "two"),
        ("LEASE_SECONDS", "1"),
        ("LEASE_SECONDS", "43201"),
        ("DRAIN_SECONDS", "-1"),
        ("RECEIVE_WAIT_SECONDS", "21"),
        ("WORKER_HTTP_PORT", "65536"),
        ("WORKER_HTTP_PORT", "http"),
        ("UNTIL_EMPTY_SECONDS", "86401"),
        ("LOG_LEVEL", "LOUD"),
        ("WORKER_ID", "a/b"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=name):
        read_settings({**ENV, name: value})
