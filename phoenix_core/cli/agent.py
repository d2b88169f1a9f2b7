"""`phoenix agent enroll|run`: this machine as a protected server."""

from pathlib import Path
from typing import Annotated

import typer

from phoenix_core.cli.options import Data, Json

app = typer.Typer(help="This machine's agent.", no_args_is_help=True)


@app.command("enroll")
def enroll(
    token: Annotated[
        str, typer.Argument(metavar="TOKEN", help="Activation token, or - to read it from standard input.")
    ],
    data: Data = None,
    again: Annotated[bool, typer.Option("--again", help="Replace an enrolment that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Enrol this machine at a core, with the token from `phoenix server token` there."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.enrolling import enroll_agent

    execute(enroll_agent(data_directory(data), token, again=again, as_json=as_json), as_json=as_json)


@app.command("run")
def run(
    data: Data = None,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="The agent's folder. Default: DIR/agent of --data.")
    ] = None,
    scripts: Annotated[
        Path | None,
        typer.Option(
            "--scripts",
            metavar="DIR",
            help="Where pre- and post-backup scripts lie, which only root may change. Default: /etc/phoenix/scripts.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing, and log to the file only.")] = False,
) -> None:
    """Run the agent until SIGTERM or Ctrl-C."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.rolehost import run_agent_role

    execute(run_agent_role(data_directory(data), state, scripts, quiet=quiet))
