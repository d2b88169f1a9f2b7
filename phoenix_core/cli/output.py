"""The one place where commands print: tables and sentences for people, JSON for programs, errors to standard error."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from phoenix_core.cli.program import as_typed
from phoenix_core.domain import amounts
from phoenix_core.domain.errors import ErrorView

size = amounts.size


def print_json(value: object) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def warn(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def print_error(view: ErrorView, *, as_json: bool) -> None:
    if as_json:
        print_json({"error": view})
    else:
        warn(f"phoenix: {view.message}\n  {as_typed(view.hint)}" if view.hint else f"phoenix: {view.message}")


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """Columns as wide as their content, so that lines can be cut and searched; numbers are right-aligned by caller."""
    lines = [list(row) for row in rows]
    if not lines:
        say(as_typed(empty))
        return
    widths = [max(len(line[at]) for line in [list(headings), *lines]) for at in range(len(headings))]
    for line in [list(headings), *lines]:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    pairs = list(facts)
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        say(f"{name.ljust(width)}  {value}")


def when(time: datetime | None) -> str:
    """Local time, with its zone."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z") if time else "-"


def duration(start: datetime | None, end: datetime | None) -> str:
    if start is None:
        return "-"
    return seconds(((end or datetime.now(UTC)) - start).total_seconds())


def seconds(count: float) -> str:
    if count < 60:
        return f"{count:.1f} s"
    minutes, rest = divmod(round(count), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
