"""Opens the console, which is found by its entry point: the core imports no user interface."""

import sys
from importlib.metadata import entry_points
from pathlib import Path

from phoenix_core.cli.boundary import data_directory, execute
from phoenix_core.cli.errors import NoTerminal
from phoenix_core.domain.errors import UsageError

GROUP = "phoenix.console"


def open_console(data: Path | None) -> None:
    execute(_open(data))


async def _open(data: Path | None) -> int:
    """With the core that runs, else with one embedded. Left with work under way, a detached core may take over."""
    from phoenix_core.cli.consolehost import run_console

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise NoTerminal
    found = list(entry_points(group=GROUP))
    if not found:
        raise UsageError(detail="No console is installed.")
    return await run_console(data_directory(data), found[0].load())
