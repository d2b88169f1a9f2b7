"""`phoenix core run`: a core without a user interface, for agents and scripts."""

from typing import Annotated

import typer

from phoenix_core.cli.options import Data, Json

app = typer.Typer(help="The core: API, agent link, job queue, storage node.", no_args_is_help=True)


@app.command("run")
def run(
    data: Data = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log to the file only, not to the terminal.")] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Take the vault from a storage node that is known to be gone for good.")
    ] = False,
    background: Annotated[bool, typer.Option("--background", hidden=True)] = False,
    agent_pid: Annotated[int, typer.Option("--agent-pid", hidden=True)] = 0,
) -> None:
    """Run the core until SIGTERM or Ctrl-C."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.rolehost import run_core

    work = run_core(data_directory(data), quiet=quiet, background=background, take_over=take_over, agent_pid=agent_pid)
    execute(work)


@app.command("stop")
def stop(data: Data = None, as_json: Json = False) -> None:
    """Stop the core that runs on the data directory. Running jobs are picked up when it starts again."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.rolehost import stop_core

    execute(stop_core(data_directory(data), as_json=as_json), as_json=as_json)
