"""Keys of the results bucket on S3, and links to them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from boto3.session import Session
from botocore.exceptions import ClientError
from moto import mock_aws

from worker.containers.files import S3Files
from worker.ports import Unavailable


@pytest.fixture
def bucket() -> Iterator[S3Files]:
    with mock_aws():
        session = Session(region_name="us-east-1")
        session.client("s3").create_bucket(Bucket="results")
        yield S3Files(session, "results")


def test_what_is_put_is_read_up_to_the_limit(bucket: S3Files) -> None:
    bucket.put("tasks/a.log", b"0123456789", "text/plain")
    assert bucket.read("tasks/a.log", 100) == b"0123456789"
    assert bucket.read("tasks/a.log", 4) == b"0123"


def test_what_is_not_there_is_none_and_a_missing_bucket_is_no_answer(bucket: S3Files) -> None:
    assert bucket.read("tasks/none", 10) is None
    with pytest.raises(Unavailable):
        S3Files(Session(region_name="us-east-1"), "no-such-bucket").read("k", 10)


def test_a_role_that_may_not_list_is_told_403_of_what_is_not_there(
    bucket: S3Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    monkeypatch.setattr(bucket._s3, "get_object", denied)
    assert bucket.read("tasks/none", 10) is None


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_links_are_signed_as_every_region_takes_them(bucket: S3Files, method: str) -> None:
    split = urlsplit(bucket.link("tasks/j/1/0/r.upload", method, 600))  # type: ignore[arg-type]
    query = parse_qs(split.query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["600"]
    assert query["X-Amz-SignedHeaders"] == ["host"], "the container may send any others"
    assert split.path.endswith("/tasks/j/1/0/r.upload")


def test_links_are_signed_with_credentials_that_have_long_to_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker's own session may be near its end, and a link ends with what signed it."""
    now = [1_000.0]
    with mock_aws():
        files = S3Files(Session(region_name="us-east-1"), "results", lambda: now[0])
        keys = []
        for moment, key in ((0, "first"), (900, "second"), (901, "third")):
            now[0] = 1_000.0 + moment
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
            query = parse_qs(urlsplit(files.link("k", "PUT", 600)).query)
            keys.append(query["X-Amz-Credential"][0].split("/")[0])
    assert keys == ["first", "first", "third"]
