"""`phoenix alert list|show|acknowledge`."""

from typing import Annotated

import typer

from phoenix_core.cli import completion
from phoenix_core.cli.options import Data, Json

app = typer.Typer(help="Alerts: what wants an operator.", no_args_is_help=True)
AlertId = Annotated[str, typer.Argument(metavar="ALERT", help="Id, or its start.", autocompletion=completion.alerts)]


@app.command("list")
def list_alerts(
    resolved: Annotated[bool, typer.Option("--resolved", help="Those that are over, the newest first.")] = False,
    server: Annotated[
        str, typer.Option("--server", metavar="SERVER", help="Of one server.", autocompletion=completion.servers)
    ] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000, help="Of those that are over.")] = 50,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List the active alerts, the worst first."""
    from phoenix_core.cli import alertwork
    from phoenix_core.cli.boundary import data_directory, execute

    work = alertwork.list_all(data_directory(data), resolved=resolved, server=server, limit=limit, as_json=as_json)
    execute(work, as_json=as_json)


@app.command("show")
def show(alert: AlertId, data: Data = None, as_json: Json = False) -> None:
    """Show one alert: what happened, and what to do next."""
    from phoenix_core.cli import alertwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(alertwork.show_one(data_directory(data), alert, as_json=as_json), as_json=as_json)


@app.command("acknowledge")
def acknowledge(
    alert: AlertId,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Such as who looks after it.")] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Tell that somebody knows of an alert. It stays active until what it is about is gone."""
    from phoenix_core.cli import alertwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(alertwork.acknowledge(data_directory(data), alert, note, as_json=as_json), as_json=as_json)
