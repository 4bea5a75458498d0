"""Start a stack with the site, run Playwright against it, end the stack.

Arguments go to Playwright. SITE_TASKS is the size of the large job (100,000); SCREENSHOTS=1 writes
docs/img.
"""

from __future__ import annotations

import os
import sys

from local import interrupt, launch, node
from local.errors import LocalError
from local.phases import Phases
from local.scope import Scope
from local.stack import Stack
from tests.site import chromium

_HANDLERS = "tests/site/handlers.py,tests/e2e/handlers.py"


def environment(stack: Stack, browser: str) -> dict[str, str]:
    """Return Playwright's environment: where the stack is, and the browser."""
    return os.environ | {
        "SITE_URL": stack.site_url or "",
        "API_URL": stack.api_url,
        "API_KEY": stack.api_key,
        "CHROMIUM": browser,
        "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1",
    }


def run(arguments: list[str]) -> int:
    """Run the tests; return Playwright's exit code. Raises LocalError when they cannot be run."""
    node.check()
    browser = chromium.ensure()
    options = launch.Options(workers=2, handlers=_HANDLERS, site=True)
    with Scope() as scope, launch.threads(scope) as pool:
        running = pool.submit(launch.launch, scope, Phases(), pool, options).result()
        if running.stack.site_url is None:
            raise LocalError("The site could not be built (see above).")
        env = environment(running.stack, browser)
        command = ["npx", "playwright", "test", *arguments]
        return pool.submit(scope.run, command, env=env, cwd=node.FRONTEND, log=None).result()


def main() -> int:
    """Run the command line."""
    return interrupt.exit_code(lambda: run(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
