"""`Sources` on S3: against moto, beside the fake; a scripted client where S3 is in trouble."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, IncompleteReadError
from moto import mock_aws

from orchestrator.aws import Clients
from orchestrator.errors import ObjectChanged, ObjectForbidden
from orchestrator.service.sources import Sources, StoredObject
from orchestrator.sources_s3 import S3Sources
from tests.fakes.world import MemoryObjects, MemorySources

from .test_aws_clients import Scripted, refused

BODIES = {
    "a/1": b"0123456789",
    "a/2": b"",
    "b": b"x",
    "a/é": b"1",
    "a/\U0001f600": b"1",
    "a/＿": b"1",
}


@pytest.fixture(params=["memory", "moto"])
def sources(request: pytest.FixtureRequest) -> Iterator[Sources]:
    if request.param == "memory":
        objects = MemoryObjects()
        objects.bodies |= BODIES
        yield MemorySources(objects)
        return
    with mock_aws():
        clients = Clients()
        clients.get("s3").create_bucket(Bucket="data")
        for key, body in BODIES.items():
            clients.get("s3").put_object(Bucket="data", Key=key, Body=body)
        yield S3Sources(clients, "data")


def found(sources: Sources, key: str) -> StoredObject:
    stored = sources.find(key)
    assert stored is not None
    return stored


def test_an_object_is_found_with_its_size_and_etag(sources: Sources) -> None:
    assert found(sources, "a/1") == StoredObject(
        key="a/1", size_bytes=10, etag="781e5e245d69b566979b86e28d23f2c7"
    )
    assert sources.find("a/3") is None


def test_a_body_is_streamed_from_any_byte(sources: Sources) -> None:
    stored = found(sources, "a/1")
    for start in (0, 3, 9, 10):
        assert b"".join(sources.stream(stored, start)) == BODIES["a/1"][start:]
    assert list(sources.stream(found(sources, "a/2"), 0)) == []


def test_another_content_or_none_is_a_changed_object(sources: Sources) -> None:
    with pytest.raises(ObjectChanged):
        list(sources.stream(StoredObject(key="a/1", size_bytes=10, etag="0" * 32), 0))
    with pytest.raises(ObjectChanged):
        list(sources.stream(StoredObject(key="a/3", size_bytes=10, etag="0" * 32), 5))


def test_a_list_goes_by_the_bytes_of_the_keys_page_by_page(sources: Sources) -> None:
    keys = ["a/1", "a/2", "a/é", "a/＿", "a/\U0001f600"]
    assert [item.key for item in sources.list_after("a/", "", 1_000)] == keys
    seen: list[str] = []
    while page := sources.list_after("a/", seen[-1] if seen else "", 2):
        seen += [item.key for item in page]
    assert seen == keys
    assert sources.list_after("a/1", "", 10) == [found(sources, "a/1")]
    assert sources.list_after("c", "", 10) == []


def test_a_put_is_signed_with_its_size_and_checksum(sources: Sources) -> None:
    signed = sources.sign_put("uploads/t/x.csv", 12, "00" * 32, 600)
    assert signed.headers == {
        "Content-Length": "12",
        "x-amz-checksum-sha256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    }
    assert "uploads/t/x.csv" in signed.url
    assert "600" in signed.url
    assert sources.sign_put("k", 1, None, 60).headers == {"Content-Length": "1"}


def test_the_signature_covers_size_and_checksum() -> None:
    with mock_aws():
        url = S3Sources(Clients(), "data").sign_put("k", 12, "00" * 32, 600).url
    assert "X-Amz-SignedHeaders=content-length%3Bhost%3Bx-amz-checksum-sha256" in url
    assert "X-Amz-Expires=600" in url


STORED = StoredObject(key="k", size_bytes=6, etag="e")


@pytest.mark.parametrize("code", ["403", "AccessDenied", "InvalidObjectState"])
def test_what_s3_does_not_let_us_read_is_forbidden(code: str) -> None:
    sources = S3Sources(Scripted(lambda *_: refused(code)), "b")
    for call in (
        lambda: sources.find("k"),
        lambda: list(sources.stream(STORED, 0)),
        lambda: sources.list_after("k", "", 1),
    ):
        with pytest.raises(ObjectForbidden):
            call()


def test_trouble_of_another_kind_stays_what_it_is() -> None:
    sources = S3Sources(Scripted(lambda *_: refused("SlowDown")), "b")
    with pytest.raises(ClientError, match="SlowDown"):
        sources.find("k")
    with pytest.raises(ClientError, match="SlowDown"):
        list(sources.stream(STORED, 0))


class Body:
    """A body that breaks off behind what it has."""

    def __init__(self, text: bytes, whole: bool) -> None:
        self.text, self.whole = text, whole

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        yield self.text
        if not self.whole:
            raise IncompleteReadError(actual_bytes=1, expected_bytes=2)


def test_a_body_that_breaks_off_is_gone_on_with_behind_what_was_read() -> None:
    bodies = iter([Body(b"01", False), Body(b"23", False), Body(b"45", True)])
    clients = Scripted(lambda *_: {"Body": next(bodies), "ETag": '"e"'})
    assert b"".join(S3Sources(clients, "b").stream(STORED, 0)) == b"012345"
    asked = [(request.get("Range"), request["IfMatch"]) for _, request in clients.calls]
    assert asked == [(None, '"e"'), ("bytes=2-", '"e"'), ("bytes=4-", '"e"')]


def test_a_body_that_gives_nothing_again_and_again_is_given_up() -> None:
    clients = Scripted(lambda *_: {"Body": Body(b"", False), "ETag": '"e"'})
    with pytest.raises(IncompleteReadError):
        list(S3Sources(clients, "b").stream(STORED, 0))
    assert 1 < len(clients.calls) < 6


def test_an_emulator_that_does_not_heed_if_match_is_found_out() -> None:
    def script(_: str, request: dict[str, Any]) -> Any:
        return {"Body": io.BytesIO(b"other"), "ETag": '"f"'}

    with pytest.raises(ObjectChanged):
        list(S3Sources(Scripted(script), "b").stream(STORED, 0))
