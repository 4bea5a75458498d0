"""Copy a built template as `sam local` needs it: `python -m local.sam_template BUILT COPY URL`.

`sam local` gives a container no variable that the template does not name, and the product's template
names no endpoint: an emulator sets it by itself. It also finds no authorizer behind a GetAtt.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

_INTEGRATION = (
    "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
    "arn:aws:lambda:us-east-1:123456789012:function:{}/invocations"
)


def with_endpoint(template: dict[str, Any], endpoint_url: str) -> dict[str, Any]:
    """Return the template with AWS_ENDPOINT_URL among the variables of all functions."""
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    variables["AWS_ENDPOINT_URL"] = endpoint_url
    return template


def with_authorizers(template: dict[str, Any]) -> dict[str, Any]:
    """Return the template with each authorizer's function named in the one form that `sam local` reads."""
    for resource in template["Resources"].values():
        auth = resource.get("Properties", {}).get("Auth", {})
        for authorizer in auth.get("Authorizers", {}).values():
            function, _ = authorizer["FunctionArn"]["Fn::GetAtt"]
            authorizer["FunctionArn"] = _INTEGRATION.format(function)
    return template


def without_preflights(template: dict[str, Any]) -> dict[str, Any]:
    """Return the template without OPTIONS routes, which are open.

    `sam local` has one authorizer for all methods of a path: it would ask nobody for a key.
    """
    for resource in template["Resources"].values():
        events = resource.get("Properties", {}).get("Events", {})
        for name, event in list(events.items()):
            if event.get("Properties", {}).get("Method", "").upper() == "OPTIONS":
                del events[name]
    return template


def main(built: Path, copy: Path, endpoint_url: str) -> None:
    """Write the copy beside the built one: its paths are relative."""
    template = yaml.safe_load(built.read_text(encoding="utf-8"))
    changed = without_preflights(with_authorizers(with_endpoint(template, endpoint_url)))
    copy.write_text(yaml.safe_dump(changed), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
