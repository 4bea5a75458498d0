"""Copy a built template, with an AWS endpoint for its functions: `python -m local.sam_template BUILT COPY URL`.

`sam local` gives a container no variable that the template does not name, and the product's template
names no endpoint: an emulator sets it by itself.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml


def with_endpoint(template: dict[str, Any], endpoint_url: str) -> dict[str, Any]:
    """Return the template with AWS_ENDPOINT_URL among the variables of all functions."""
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    variables["AWS_ENDPOINT_URL"] = endpoint_url
    return template


def main(built: Path, copy: Path, endpoint_url: str) -> None:
    """Write the copy beside the built one: its paths are relative."""
    template = yaml.safe_load(built.read_text(encoding="utf-8"))
    copy.write_text(yaml.safe_dump(with_endpoint(template, endpoint_url)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
