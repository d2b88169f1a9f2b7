"""`phoenix core run|stop|install|uninstall|bundle`: a core without a user interface, and as a service."""

from pathlib import Path
from typing import Annotated

import typer

from phoenix_core.cli.options import Data, DryRun, ImageRoot, Json, NoStart, ProgramPath, RemoveData

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


@app.command("install")
def install(
    data: Data = None,
    root: ImageRoot = None,
    program: ProgramPath = None,
    dry_run: DryRun = False,
    no_start: NoStart = False,
    as_json: Json = False,
) -> None:
    """Install the core as a systemd service, with its data in /var/lib/phoenix. Run again, it changes nothing."""
    from phoenix_core.cli.boundary import execute
    from phoenix_core.cli.servicework import install_core

    execute(
        install_core(data, root=root, program=program, dry_run=dry_run, start=not no_start, as_json=as_json),
        as_json=as_json,
    )


@app.command("uninstall")
def uninstall(
    data: Data = None,
    root: ImageRoot = None,
    remove_data: RemoveData = "",
    as_json: Json = False,
) -> None:
    """Stop and remove the core's service. The data directory, vault included, stays."""
    from phoenix_core.cli.boundary import execute
    from phoenix_core.cli.servicework import uninstall_core

    execute(uninstall_core(data, root=root, remove_data=remove_data, as_json=as_json), as_json=as_json)


@app.command("bundle")
def bundle(
    own: Annotated[
        bool,
        typer.Option("--own", help="Of what is installed here, without a package index: for servers like this host."),
    ] = False,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="Take the wheels from this folder, not from an index.")
    ] = None,
    save_to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Only gather the wheels in this folder, for --from elsewhere."),
    ] = None,
    python: Annotated[
        list[str] | None,
        typer.Option("--python", metavar="3.N", help="For this Python; may be repeated. Default: all."),
    ] = None,
    machine: Annotated[
        list[str] | None, typer.Option("--machine", metavar="NAME", help="x86_64 or aarch64. Default: both.")
    ] = None,
    libc: Annotated[
        list[str] | None, typer.Option("--libc", metavar="NAME", help="glibc or musl. Default: both.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make the wheels that other servers are installed from: Phoenix's own and those of what it needs."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.bundlework import Wanted, make

    wanted = Wanted(
        own=own,
        source=source,
        save_to=save_to,
        pythons=tuple(python or ()),
        machines=tuple(machine or ()),
        libcs=tuple(libc or ()),
    )
    execute(make(data_directory(data), wanted, as_json=as_json), as_json=as_json)
