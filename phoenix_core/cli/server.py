"""`phoenix server add|token|list|show|upgrade|remove|undelete`: the protected servers."""

from typing import Annotated

import typer

from phoenix_core.cli import completion
from phoenix_core.cli.options import Confirm, Data, Json, ServerName

app = typer.Typer(help="The protected servers.", no_args_is_help=True)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="The server's name. Default: its host name.")] = "",
    valid: Annotated[int, typer.Option("--valid", metavar="SECONDS", help="How long the line can be used.")] = 3600,
    address: Annotated[
        str,
        typer.Option(
            "--address", metavar="URL", help="The core's address in the line. Default: the first of core.urls."
        ),
    ] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Print the one line that installs and enrols another server. Needs the wheels of `phoenix core bundle`."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.serverwork import add as work

    execute(work(data_directory(data), name, valid, address, as_json=as_json), as_json=as_json)


@app.command("token")
def token(
    name: Annotated[str, typer.Option("--name", help="The server's name. Default: its host name.")] = "",
    role: Annotated[str, typer.Option("--role", help="agent or storage.", autocompletion=completion.roles)] = "agent",
    valid: Annotated[int, typer.Option("--valid", metavar="SECONDS", help="How long it can be used.")] = 3600,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a one-time activation token for another server."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.serverwork import make_token

    execute(make_token(data_directory(data), name, role, valid, as_json=as_json), as_json=as_json)


@app.command("list")
def list_servers(data: Data = None, as_json: Json = False) -> None:
    """List the protected servers."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.serverwork import list_all

    execute(list_all(data_directory(data), as_json=as_json), as_json=as_json)


@app.command("show")
def show(server: ServerName, data: Data = None, as_json: Json = False) -> None:
    """Show one server."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.serverwork import show_one

    execute(show_one(data_directory(data), server, as_json=as_json), as_json=as_json)


@app.command("upgrade")
def upgrade(
    servers: Annotated[
        list[str] | None, typer.Argument(metavar="[SERVER]...", help="Name or id.", autocompletion=completion.servers)
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="All that are behind and connected.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Order agents whose administrators allow it to take the core's version; they restart between two jobs."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.serverupgrade import upgrade as work

    execute(work(data_directory(data), servers or [], everyone=everyone, as_json=as_json), as_json=as_json)


@app.command("remove")
def remove(server: ServerName, confirm: Confirm = "", data: Data = None, as_json: Json = False) -> None:
    """Remove a server: its certificate counts no more. For servers.undo_days `phoenix server undelete` undoes it."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.serverwork import remove_one

    execute(remove_one(data_directory(data), server, typed=confirm, as_json=as_json), as_json=as_json)


@app.command("undelete")
def undelete(server: ServerName, data: Data = None, as_json: Json = False) -> None:
    """Bring a removed server back; its agent is let in again."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.serverwork import undelete_one

    execute(undelete_one(data_directory(data), server, as_json=as_json), as_json=as_json)
