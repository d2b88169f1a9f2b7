"""`phoenix drill run|list|show`: restores tried out, and what they proved."""

from typing import Annotated

import typer

from phoenix_core.cli import completion
from phoenix_core.cli.options import Data, Detach, Json, ServerName, WaitAgent

app = typer.Typer(
    help="Restore drills: restore to a scratch place, check every byte, keep the proof.", no_args_is_help=True
)


@app.command("run")
def run(
    server: ServerName,
    sample: Annotated[
        str,
        typer.Option(
            "--sample",
            metavar="HOW MUCH",
            help="Such as `100` (files) or `2G` (as many files as that holds), chosen at random. Default: as the "
            "server's policy says, else 100.",
        ),
    ] = "",
    take_all: Annotated[bool, typer.Option("--all", help="The whole snapshot.")] = False,
    max_bytes: Annotated[
        str, typer.Option("--max-bytes", metavar="SIZE", help="Of a sample at most, such as 1G; 0: no limit.")
    ] = "",
    snapshot: Annotated[
        str,
        typer.Option("--snapshot", metavar="SNAPSHOT", help="Id, or its start.", autocompletion=completion.snapshots),
    ] = "latest",
    on: Annotated[
        str,
        typer.Option(
            "--on",
            metavar="SERVER",
            help="The server whose agent restores. Default: as the policy says, else the server itself.",
            autocompletion=completion.servers,
        ),
    ] = "",
    wait_agent: WaitAgent = None,
    detach: Detach = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Try out now whether a server's snapshot can be restored."""
    from phoenix_core.cli import drillwork
    from phoenix_core.cli.boundary import data_directory, execute

    work = drillwork.run(
        data_directory(data),
        server,
        sample,
        max_bytes,
        snapshot,
        on,
        take_all=take_all,
        wait_agent_s=wait_agent,
        detach=detach,
        as_json=as_json,
    )
    execute(work, as_json=as_json)


@app.command("list")
def list_drills(
    server: Annotated[
        str, typer.Argument(metavar="[SERVER]", help="Default: all.", autocompletion=completion.servers)
    ] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000)] = 50,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List what drills proved, newest first."""
    from phoenix_core.cli import drillwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(drillwork.list_all(data_directory(data), server, limit, as_json=as_json), as_json=as_json)


@app.command("show")
def show(
    drill: Annotated[str, typer.Argument(metavar="DRILL", help="Id, or its start.", autocompletion=completion.drills)],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show what one drill proved, and what failed."""
    from phoenix_core.cli import drillwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(drillwork.show_one(data_directory(data), drill, as_json=as_json), as_json=as_json)
