"""Writes docs/errors.md from the error classes: `make docs`. A test keeps the page current."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import phoenix_core
from phoenix_core.domain.errors import PhoenixError

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"
_HEAD = """\
# Errors

Every error has a code that never changes, a sentence that says what happened to what, and advice. Words in braces are
filled in. With `--json` a command prints the error as an object with `code`, `message`, `hint`, `fields`, `retryable`
and `exit_code`; the [exit codes](manual/exit-codes.md) are the command's. *Retry*: the same call may succeed later,
with nothing changed.

This page is written by `make docs` from the classes in the code; a test fails where the two differ.
"""
_NOT_AN_ERROR_OF_ITS_OWN = {"remote"}
"""`remote` carries the error of another process, with that error's code."""


def error_classes() -> list[type[PhoenixError]]:
    """All that a user may see, by code."""
    for module in pkgutil.walk_packages(phoenix_core.__path__, "phoenix_core."):
        if "__main__" not in module.name and ".migrations" not in module.name:
            importlib.import_module(module.name)
    classes: list[type[PhoenixError]] = [PhoenixError, *_below(PhoenixError)]
    named = [each for each in classes if each.code not in _NOT_AN_ERROR_OF_ITS_OWN and _is_ours(each)]
    return sorted(named, key=lambda each: (each.code, each.__qualname__))


def page() -> str:
    sections: dict[str, list[str]] = {}
    for each in error_classes():
        sections.setdefault(_part(each), []).append(_entry(each))
    parts = [f"## {part}\n\n" + "\n".join(entries) for part, entries in sorted(sections.items())]
    return "\n".join([_HEAD, *parts])


def _below(parent: type[PhoenixError]) -> Iterator[type[PhoenixError]]:
    for child in parent.__subclasses__():
        if "template" in child.__dict__:
            yield child
        yield from _below(child)


def _is_ours(error: type[PhoenixError]) -> bool:
    return error.__module__.startswith("phoenix_core.")


def _part(error: type[PhoenixError]) -> str:
    """The package: `agent` for phoenix_core.agent.restore.errors."""
    parts = error.__module__.split(".")
    return parts[1] if len(parts) > 2 else "core"


def _entry(error: type[PhoenixError]) -> str:
    notes = [f"exit {error.exit_code}", *(["retry"] if error.retryable else [])]
    hint = f"  {_escaped(error.hint)}\n" if error.hint else ""
    return f"* **`{error.code}`** ({', '.join(notes)}): {_escaped(error.template)}\n{hint}"


def _escaped(text: str) -> str:
    """Fields as code, outside of what is code already; angle brackets would be taken for HTML."""
    pieces = re.split(r"(`[^`]*`)", text.replace("\n", " "))
    return "".join(
        piece if piece.startswith("`") else re.sub(r"\{(\w+)[^}]*\}", r"`{\1}`", piece).replace("<", "&lt;")
        for piece in pieces
    )


def main() -> None:
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
