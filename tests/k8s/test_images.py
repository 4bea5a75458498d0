"""A user's image as docs/handlers.md makes it: built, and its handlers found."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from local import image as worker_image
from local.paths import ROOT
from tests.k8s import images

_LIST = """
import json
from worker.registry import installed_sources, load_handlers
print(json.dumps(sorted(load_handlers(installed_sources()))))
"""


def test_the_image_of_the_page_on_handlers_has_its_handler(image: str, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "handlers.md").read_text()
    for name, text in re.findall(r"^```\w+ file=(\S+)\n(.*?)^```$", page, re.M | re.S):
        (tmp_path / name).write_text(text)
    program = worker_image.engine(os.environ)
    images.run(program, "build", "--tag", "handlers-page:1", str(tmp_path))
    limits = ("--read-only", "--cap-drop=ALL", "--network=none")
    found = images.run(
        *(program, "run", "--rm", *limits, "--entrypoint=python", "handlers-page:1", "-c", _LIST)
    )
    assert set(json.loads(found)) >= {"darts", "echo", "sleep", "csv.profile"}
