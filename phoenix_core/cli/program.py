"""How this program is called from the operator's shell, for advice that can be typed as it stands."""

import itertools
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from phoenix_core.host.datadir import DataDirectory, default_data_directory

ROLES = frozenset({"agent", "storage"})
_COMMAND = re.compile(r"`(?P<words>phoenix (?P<group>[a-z]+)[^`]*)`")


def command_line(data: DataDirectory, *words: str) -> str:
    """`phoenix …`, with the path where it isn't found by name, and with --data where another is the default."""
    is_default = data.root == default_data_directory().expanduser().absolute() and not _named_data()
    named = () if is_default else ("--data", os.fspath(data.root))
    return f"{_program()} {shlex.join((*words, *named))}".rstrip()


def as_typed(text: str) -> str:
    """A text with commands in backticks, each with --data where this one was called with it. Commands of an agent or a
    storage node are for another host than the core's, or another directory: they stay as they are, and so do those of
    the core where this is one of an agent or a storage node."""
    named = _named_data()
    if not named:
        return text
    groups = [word for before, word in itertools.pairwise(sys.argv) if word[:1] != "-" and before != "--data"]
    own = groups[0] if groups and groups[0] in ROLES else ""
    option = shlex.join(("--data", os.fspath(DataDirectory(Path(named)).root)))

    def with_data(found: re.Match[str]) -> str:
        elsewhere = found["group"] != own if own else found["group"] in ROLES
        return found[0] if elsewhere or "--data" in found[0] else f"`{found['words']} {option}`"

    return _COMMAND.sub(with_data, text)


def _named_data() -> str:
    """The directory that was given with --data; empty for none. Before a command, the option has become the default of
    this process alone."""
    words = sys.argv[1:]
    named = [word.partition("=")[2] for word in words if word.startswith("--data=")]
    named += [after for word, after in itertools.pairwise(words) if word == "--data"]
    return named[-1] if named else ""


def _program() -> str:
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m phoenix_core.cli"
    found = shutil.which("phoenix")
    if found is not None and Path(found).resolve() == called.resolve():
        return "phoenix"
    relative = os.path.relpath(called)
    return shlex.quote(str(called.absolute()) if relative.startswith("..") else relative)
