"""`phoenix config export|diff|apply`."""

from pathlib import Path
from typing import Annotated

import typer

from phoenix_core.cli.options import Data, Json, Yes

app = typer.Typer(help="Policies, rules, groups and notifications as one text file.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(metavar="FILE", help="TOML; - for standard input.")]


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="Default: standard output.")] = Path("-"),
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Write all policies, rules, groups and notifications to a file. No secrets are in it."""
    from phoenix_core.cli import configwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(configwork.export(data_directory(data), file, as_json=as_json), as_json=as_json)


@app.command("diff")
def diff(file: File, data: Data = None, as_json: Json = False) -> None:
    """Show what `config apply` would change. Exits with 1 where there is something."""
    from phoenix_core.cli import configwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(configwork.diff(data_directory(data), file, as_json=as_json), as_json=as_json)


@app.command("apply")
def apply(file: File, yes: Yes = False, data: Data = None, as_json: Json = False) -> None:
    """Have the policies, rules, groups and notifications of a file, and no others."""
    from phoenix_core.cli import configwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(configwork.apply(data_directory(data), file, yes=yes, as_json=as_json), as_json=as_json)
