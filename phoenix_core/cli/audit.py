"""`phoenix audit list|export`."""

from pathlib import Path
from typing import Annotated

import typer

from phoenix_core.cli.options import Data, Json

app = typer.Typer(help="The audit log: who changed what.", no_args_is_help=True)


@app.command("list")
def list_entries(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000)] = 50,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List the newest entries."""
    from phoenix_core.cli import auditwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(auditwork.list_newest(data_directory(data), limit, as_json=as_json), as_json=as_json)


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="Default: standard output.")] = Path("-"),
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Write all entries, oldest first, as JSON: one a line."""
    from phoenix_core.cli import auditwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(auditwork.export(data_directory(data), file, as_json=as_json), as_json=as_json)
