"""Writes docs/manual/commands.md from the commands themselves: `make docs`. A test keeps the page current."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from phoenix_core.cli.main import app

PAGE = Path(__file__).parent.parent / "docs" / "manual" / "commands.md"
_HEAD = """\
# Commands

`phoenix` without a command opens the console. `backup`, `restore`, `find`, `mount`, `doctor` and `quickstart` are
verbs; everything else is a noun and a verb. What they print on standard output is the result; progress and errors go to
standard error. The [exit codes](exit-codes.md) tell scripts what happened.

These options are the same for every command:

* `--data DIR`: the data directory; before the command or after it. Default: `PHOENIX_DATA`, else
  `~/.local/share/phoenix`. Only `vault init`, `quickstart`, `core run`, the console and the two `enroll` make one that
  isn't there.
* `--json`, after the command: print one JSON object or list instead of text. Times are UTC (RFC 3339), sizes bytes;
  [odd names](restore.md#odd-names) are escaped. `core run`, `agent run`, `storage run` and the console go on until they
  are stopped, and have none.
* `--help`, `-h`: help.

`phoenix --install-completion` installs completion for your shell: commands, options, and the names of servers, jobs,
snapshots and settings, asked from the core that runs.

This page is written by `make docs` from the commands; a test fails where the two differ.
"""
_EVERYWHERE = {"data", "as_json", "help"}


def page() -> str:
    root: Any = get_command(app)
    return "\n".join([_HEAD, *(_section(path, command) for path, command in _leaves(root, ()))])


def _leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, child in below.items():
        yield from _leaves(child, (*path, name))


def _section(path: tuple[str, ...], command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [
        each
        for each in command.params
        if each.param_type_name == "option" and each.name not in _EVERYWHERE and not each.hidden
    ]
    usage = " ".join(["phoenix", *path, *(["[OPTIONS]"] if options else []), *map(_argument, arguments)])
    lines = [f"## {' '.join(path)}", "", f"`{usage}`", "", command.help.strip(), ""]
    rows = [(f"`{_argument(each)}`", each.help or "") for each in arguments if each.help]
    rows += [(_option(each), f"{each.help or ''}{_default(each)}") for each in options]
    if rows:
        lines += ["| | |", "|---|---|", *(f"| {_cell(name)} | {_cell(text)} |" for name, text in rows), ""]
    return "\n".join(lines)


def _argument(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    many = "..." if argument.nargs == -1 else ""
    return (name if argument.required else f"[{name}]") + many


def _option(option: Any) -> str:
    value = "" if option.is_flag else f" {option.metavar or 'VALUE'}"
    return ", ".join(f"`{name}{value}`" for name in option.opts)


def _default(option: Any) -> str:
    shown = option.default not in {None, "", False} and "Default:" not in (option.help or "")
    return f" Default: {option.default}." if shown else ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def main() -> None:
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
