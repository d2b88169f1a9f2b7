"""`phoenix job list|show|log|watch|cancel|retry`."""

from typing import Annotated

import typer

from phoenix_core.cli import completion
from phoenix_core.cli.options import Data, Detach, JobId, Json, WaitAgent

app = typer.Typer(help="Jobs: each run of a backup, restore or vault operation.", no_args_is_help=True)


@app.command("list")
def list_jobs(
    state: Annotated[
        str, typer.Option("--state", help="active, finished, or one state.", autocompletion=completion.job_states)
    ] = "",
    server: Annotated[
        str, typer.Option("--server", metavar="SERVER", help="Of this server only.", autocompletion=completion.servers)
    ] = "",
    kind: Annotated[
        str,
        typer.Option("--kind", help="Such as file_backup, file_restore, verify.", autocompletion=completion.job_kinds),
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 50,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    from phoenix_core.cli import jobcommands
    from phoenix_core.cli.boundary import data_directory, execute

    execute(jobcommands.list_all(data_directory(data), state, server, kind, limit, as_json=as_json), as_json=as_json)


@app.command("show")
def show(job: JobId, data: Data = None, as_json: Json = False) -> None:
    """Show a job: its steps, numbers, missing files and damage found."""
    from phoenix_core.cli import jobcommands
    from phoenix_core.cli.boundary import data_directory, execute

    execute(jobcommands.show_one(data_directory(data), job, as_json=as_json), as_json=as_json)


@app.command("log")
def log(job: JobId, data: Data = None, as_json: Json = False) -> None:
    """Print a job's log."""
    from phoenix_core.cli import jobcommands
    from phoenix_core.cli.boundary import data_directory, execute

    execute(jobcommands.print_log(data_directory(data), job, as_json=as_json), as_json=as_json)


@app.command("watch")
def watch(job: JobId, data: Data = None, as_json: Json = False) -> None:
    """Follow a job until it ends. Ctrl-C stops watching; the job goes on."""
    from phoenix_core.cli import jobcommands
    from phoenix_core.cli.boundary import data_directory, execute

    execute(jobcommands.watch(data_directory(data), job, as_json=as_json), as_json=as_json)


@app.command("cancel")
def cancel(job: JobId, data: Data = None, as_json: Json = False) -> None:
    """Cancel a job that waits or runs."""
    from phoenix_core.cli import jobcommands
    from phoenix_core.cli.boundary import data_directory, execute

    execute(jobcommands.cancel(data_directory(data), job, as_json=as_json), as_json=as_json)


@app.command("retry")
def retry(
    job: JobId, detach: Detach = False, wait_agent: WaitAgent = None, data: Data = None, as_json: Json = False
) -> None:
    """Run a finished job again, as a new job."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.jobwork import run_job

    execute(
        run_job(
            data_directory(data),
            lambda client: client.retry(job),
            detach=detach,
            wait_agent_s=wait_agent,
            as_json=as_json,
            agent=True,
        ),
        as_json=as_json,
    )
