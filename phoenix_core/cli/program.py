"""How this program is called from the operator's shell, for advice that can be typed as it stands."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from phoenix_core.host.datadir import DataDirectory, default_data_directory


def command_line(data: DataDirectory, *words: str) -> str:
    """`phoenix …`, with the path where it isn't found by name, and with --data where another is the default."""
    is_default = data.root == default_data_directory().expanduser().absolute() and not _names_data()
    named = () if is_default else ("--data", os.fspath(data.root))
    return f"{_program()} {shlex.join((*words, *named))}".rstrip()


def _names_data() -> bool:
    """Whether --data was given: before a command, it has become the default of this process alone."""
    return any(word == "--data" or word.startswith("--data=") for word in sys.argv[1:])


def _program() -> str:
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m phoenix_core.cli"
    found = shutil.which("phoenix")
    if found is not None and Path(found).resolve() == called.resolve():
        return "phoenix"
    relative = os.path.relpath(called)
    return shlex.quote(str(called.absolute()) if relative.startswith("..") else relative)
