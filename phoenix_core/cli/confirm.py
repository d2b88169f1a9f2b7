"""Asks before something is deleted."""

import sys

from phoenix_core.cli.errors import NotConfirmed


def confirm(action: str, *, yes: bool) -> None:
    """Raises NotConfirmed, unless `yes` was given or the answer at the terminal is y."""
    if yes:
        return
    if sys.stdin.isatty() and sys.stdout.isatty():
        sys.stdout.write(f"{action[0].upper()}{action[1:]}? [y/N] ")
        sys.stdout.flush()
        if sys.stdin.readline().strip().lower() in {"y", "yes"}:
            return
    raise NotConfirmed(action=action)
