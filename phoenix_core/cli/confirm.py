"""Asks before something is deleted."""

import sys

from phoenix_core.cli.errors import NotConfirmed
from phoenix_core.cli.prompts import ask


def confirm(action: str, *, yes: bool) -> None:
    """Raises NotConfirmed, unless `yes` was given or the answer at the terminal is y."""
    if yes:
        return
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if at_terminal and ask(f"{action[0].upper()}{action[1:]}? [y/N] ").strip().lower() in {"y", "yes"}:
        return
    raise NotConfirmed(action=action)
