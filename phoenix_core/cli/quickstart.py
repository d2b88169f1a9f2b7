"""`phoenix quickstart`."""

from pathlib import Path
from typing import Annotated

import typer

from phoenix_core.cli.options import Data, Json


def quickstart(
    path: Annotated[Path, typer.Argument(help="A folder of this machine.")] = Path("/usr/share"),
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Back a folder of this machine up, twice, restore it to a temporary place, and compare."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.quickstart_run import run_quickstart

    execute(run_quickstart(data_directory(data), path, as_json=as_json), as_json=as_json)
