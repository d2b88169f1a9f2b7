"""Phoenix's core: everything but the user interface."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - pip looks at it, a copy or an old environment doesn't
    sys.exit(
        "phoenix: Phoenix needs Python 3.11 or newer, this is {}.{}.\n"
        "  Install a newer one beside it (docs/manual/installing.md has the command for each distribution), make an\n"
        "  environment with it (python3.11 -m venv DIR) and install Phoenix there.".format(*sys.version_info[:2])
    )

__version__ = "0.1.0"
