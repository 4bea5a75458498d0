"""Print template.yaml as JSON, after the SAM transform.

It runs in the environment of sam-cli: the translator pins an older pydantic than the layer.
"""

import json
import logging
import os
import sys
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # the translator asks for the partition
logging.disable(logging.WARNING)  # "feature not available" on each run

from samcli.yamlhelper import (  # type: ignore[import-not-found]  # noqa: E402
    yaml_parse,
)
from samtranslator.translator.transform import transform  # noqa: E402

URIS = ("CodeUri", "ContentUri", "DefinitionUri")


def main(path: str) -> None:
    """Transform the template at `path`; as in a deployment, code lies in S3."""
    with open(path, encoding="utf-8") as file:
        template = yaml_parse(file.read())
    for part in [template["Globals"]["Function"], *properties(template)]:
        part.update({name: "s3://bucket/key" for name in URIS if name in part})
    json.dump(transform(template, {}, SimpleNamespace(load=dict)), sys.stdout)


def properties(template: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the properties of all resources."""
    return [resource["Properties"] for resource in template["Resources"].values()]


if __name__ == "__main__":
    main(sys.argv[1])
