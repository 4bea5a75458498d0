"""What AWS answers when it throttles, for each protocol."""

from __future__ import annotations

import io
import json
from typing import Any

_JSON_CODES = {
    "dynamodb": (400, "com.amazonaws.dynamodb.v20120810#ThrottlingException"),
    "sqs": (403, "com.amazonaws.sqs#RequestThrottled"),
    "stepfunctions": (400, "ThrottlingException"),
    "secretsmanager": (400, "ThrottlingException"),
}


def throttled(on: str, url: str) -> Any:
    """Return the refusal of one request to `on` (such as dynamodb.GetItem) as botocore reads it."""
    from botocore.awsrequest import (
        AWSResponse,  # botocore is the process's own: not before it has it.
    )
    from botocore.compat import HTTPHeaders
    from urllib3 import HTTPResponse

    status, headers, body = _refusal(on.partition(".")[0])
    raw = HTTPResponse(body=io.BytesIO(body), preload_content=False)
    return AWSResponse(url, status, HTTPHeaders.from_dict(headers), raw)


def _refusal(service: str) -> tuple[int, dict[str, str], bytes]:
    message = "Rate exceeded (FAULTS)"
    if service == "s3":
        xml = f"<Error><Code>SlowDown</Code><Message>{message}</Message></Error>"
        return 503, {"Content-Type": "application/xml"}, xml.encode()
    if service == "lambda":
        headers = {"x-amzn-errortype": "TooManyRequestsException"}
        return 429, headers, json.dumps({"message": message}).encode()
    status, code = _JSON_CODES[service]
    headers = {"Content-Type": "application/x-amz-json-1.0"}
    return status, headers, json.dumps({"__type": code, "message": message}).encode()


def can_throttle(on: str) -> bool:
    """Tell whether this module knows how the service throttles."""
    return on.partition(".")[0] in {*_JSON_CODES, "s3", "lambda"}
