"""`phoenix storage enroll|run`: a storage node alone, as a process of its own."""

from typing import Annotated

import typer

from phoenix_core.cli.options import Data, Json

app = typer.Typer(help="A storage node that runs alone.", no_args_is_help=True)


@app.command("enroll")
def enroll(
    token: Annotated[
        str, typer.Argument(metavar="TOKEN", help="Activation token, or - to read it from standard input.")
    ],
    data: Data = None,
    url: Annotated[
        str,
        typer.Option("--url", help="Where the core and agents reach it; default: https://, this host's name and port."),
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="Replace an enrolment that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Enrol this machine as a storage node at a core, with the token from `phoenix server token --role storage`."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.enrolling import enroll_storage

    execute(enroll_storage(data_directory(data), token, url=url, again=again, as_json=as_json), as_json=as_json)


@app.command("run")
def run(
    data: Data = None,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Take the vault from a node that is known to be gone for good.")
    ] = False,
) -> None:
    """Run the storage node until SIGTERM or Ctrl-C."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.rolehost import run_storage_role

    execute(run_storage_role(data_directory(data), take_over=take_over))
