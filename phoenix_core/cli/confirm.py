"""Asks before something is deleted: yes or no, or for its name."""

import sys

from phoenix_core.cli.errors import NameNotTyped, NotConfirmed
from phoenix_core.cli.prompts import ask


def confirm(action: str, *, yes: bool) -> None:
    """Raises NotConfirmed, unless `yes` was given or the answer at the terminal is y."""
    if yes:
        return
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if at_terminal and ask(f"{action[0].upper()}{action[1:]}? [y/N] ").strip().lower() in {"y", "yes"}:
        return
    raise NotConfirmed(action=action)


def confirm_by_name(action: str, name: str, *, typed: str = "") -> None:
    """Raises NameNotTyped, unless the name was given: as `typed`, or at the terminal."""
    if typed == name:
        return
    if not typed and sys.stdin.isatty() and sys.stdout.isatty():
        typed = ask(f"{action[0].upper()}{action[1:]}? Type {name} to confirm: ").strip()
        if typed == name:
            return
    raise NameNotTyped(action=action, name=name)
