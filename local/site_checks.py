"""The site's own checks: types, style, a current client, component tests. Node.js alone, no browser."""

from __future__ import annotations

import sys

from local import interrupt, node
from local.scope import Scope

_SCRIPTS = ("client:check", "check", "test")


def run() -> int:
    """Run the checks, also after one that failed; without Node.js, say what is left out and pass."""
    try:
        node.check()
    except node.NodeMissing as error:
        print(f"The site's type check and component tests are left out: {error}.")
        return 0
    failed = False
    with Scope() as scope:
        folder = scope.folder("site-checks")
        with node.alone():
            node.install(scope, folder)
        for name in _SCRIPTS:
            print(f"-- npm run {name}", flush=True)
            command = ["npm", "run", "--silent", name]
            env = node.environment(folder)
            failed = bool(scope.run(command, env=env, cwd=node.FRONTEND, log=None)) or failed
    return int(failed)


def main() -> int:
    """Run the command line."""
    return interrupt.exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
