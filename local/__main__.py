"""The command line: `python -m local up|down|status|logs|demo`, each of them a make target."""

from __future__ import annotations

import argparse
import os
import sys

from local import control, demo, interrupt, logs
from local.errors import LocalError
from local.faults import knobs
from local.launch import Options


def _text(chosen: argparse.Namespace, name: str) -> str:
    """Return an option, else the variable that make hands on under its name."""
    value = getattr(chosen, name, None)
    return os.environ.get(name.upper(), "") if value is None else str(value)


def _number(chosen: argparse.Namespace, name: str, most: int, least: int = 1) -> int | None:
    """Return an option that is a number from `least`; an empty one is as good as none."""
    text = _text(chosen, name)
    if not text:
        return None
    if not text.isdecimal() or not least <= int(text) <= most:
        raise LocalError(f"{name.upper()}={text} is not a number from {least} to {most}.")
    return int(text)


def _workers(chosen: argparse.Namespace) -> int:
    """Return how many workers; none only for a stack that stays, whose workers run elsewhere."""
    least = 0 if getattr(chosen, "command", None) == "up" else 1
    wanted = _number(chosen, "workers", 64, least)
    return 2 if wanted is None else wanted


def _external(chosen: argparse.Namespace) -> str:
    """Return the address of an emulator that somebody else runs; empty without EMULATOR=external."""
    kind = _text(chosen, "emulator")
    if kind in ("", "ministack"):
        return ""
    address = os.environ.get("AWS_ENDPOINT_URL", "")
    if kind != "external":
        raise LocalError(f"EMULATOR={kind} is neither ministack (the default) nor external.")
    if not address:
        raise LocalError("EMULATOR=external needs AWS_ENDPOINT_URL=, the emulator's address.")
    return address


def options(chosen: argparse.Namespace) -> Options:
    """Return the options of `up` and `demo`; raises LocalError."""
    return Options(
        port=_number(chosen, "port", 65535),
        external=_external(chosen),
        workers=_workers(chosen),
        # Others' emulators may have no CloudFront.
        site=not _external(chosen),
        handlers=_text(chosen, "handlers"),
        faults=knobs.parse(_text(chosen, "faults") if hasattr(chosen, "faults") else ""),
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("down", "status", "logs"):
        commands.add_parser(name)
    for name in ("up", "demo"):
        command = commands.add_parser(name)
        command.add_argument("--port", help="of the emulator, else PORT, else a free one")
        command.add_argument("--emulator", help="external: the one at AWS_ENDPOINT_URL")
        command.add_argument("--workers", help="how many (up: 0 is none), else WORKERS, else 2")
        command.add_argument("--handlers", help="modules or paths, comma separated, else HANDLERS")
    commands.choices["up"].add_argument("--faults", help="what goes wrong, else FAULTS")
    command.add_argument("--data", help="folder of the files to profile, else DATA")
    return parser.parse_args(arguments)


def run(chosen: argparse.Namespace) -> int:
    """Run the chosen command; return the exit code."""
    if chosen.command == "up":
        return control.up(options(chosen))
    if chosen.command == "demo":
        return demo.demo(options(chosen), _text(chosen, "data"))
    commands = {"down": control.down, "status": control.status, "logs": logs.follow}
    return commands[chosen.command]()


def main() -> int:
    """Run the command line; Ctrl-C, SIGTERM and SIGHUP end it in order."""
    chosen = parse()
    interrupt.install()
    try:
        return run(chosen)
    except LocalError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except interrupt.Interrupted as error:
        if chosen.command == "logs":
            return 0
        print("\nInterrupted: everything that was started has been stopped.", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
