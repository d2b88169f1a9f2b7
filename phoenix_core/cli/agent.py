"""`phoenix agent enroll|run|install|uninstall|upgrade|stream|snapshots|restore`: this machine as a protected server."""

from pathlib import Path
from typing import Annotated

import typer

from phoenix_core.cli.options import (
    Conflict,
    Data,
    Detach,
    DryRun,
    ImageRoot,
    Json,
    NoStart,
    ProgramPath,
    RemoveData,
    RestoreTo,
)

app = typer.Typer(help="This machine's agent.", no_args_is_help=True)


@app.command("enroll")
def enroll(
    token: Annotated[
        str, typer.Argument(metavar="TOKEN", help="Activation token, or - to read it from standard input.")
    ],
    data: Data = None,
    again: Annotated[bool, typer.Option("--again", help="Replace an enrolment that is there.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave an enrolment at the same core that is still good as it is.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Enrol this machine at a core, with the token from `phoenix server token` there."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.enrolling import enroll_agent

    execute(enroll_agent(data_directory(data), token, again=again, keep=keep, as_json=as_json), as_json=as_json)


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
    allow_upgrade: Annotated[
        bool, typer.Option("--allow-upgrade", help="Let the core's operators upgrade this agent.")
    ] = False,
) -> None:
    """Run the agent until SIGTERM or Ctrl-C."""
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.rolehost import run_agent_role

    execute(run_agent_role(data_directory(data), state, scripts, quiet=quiet, allow_upgrade=allow_upgrade))


@app.command("install")
def install(
    token: Annotated[
        str, typer.Argument(metavar="[TOKEN]", help="Enrol it first; - reads the token from standard input.")
    ] = "",
    data: Data = None,
    allow_upgrade: Annotated[
        bool | None,
        typer.Option(
            "--allow-upgrade/--no-allow-upgrade",
            help="Whether the core's operators may upgrade this agent. Default: as before, at first not.",
            show_default=False,
        ),
    ] = None,
    root: ImageRoot = None,
    program: ProgramPath = None,
    dry_run: DryRun = False,
    no_start: NoStart = False,
    as_json: Json = False,
) -> None:
    """Install the agent as a systemd service, with its data in /var/lib/phoenix-agent. Again, it changes nothing.

    On Windows: as the service PhoenixAgent, with its data in C:\\ProgramData\\Phoenix."""
    from phoenix_core.cli.boundary import execute
    from phoenix_core.host.process import IS_WINDOWS

    if IS_WINDOWS:
        from phoenix_core.cli import windowsservice

        started = windowsservice.install_agent(data, token=token, dry_run=dry_run, start=not no_start, as_json=as_json)
        execute(started, as_json=as_json)
    from phoenix_core.cli.servicework import install_agent

    work = install_agent(
        data,
        token=token,
        root=root,
        program=program,
        dry_run=dry_run,
        start=not no_start,
        allow_upgrade=allow_upgrade,
        as_json=as_json,
    )
    execute(work, as_json=as_json)


@app.command("uninstall")
def uninstall(
    data: Data = None,
    root: ImageRoot = None,
    remove_data: RemoveData = "",
    as_json: Json = False,
) -> None:
    """Stop and remove the agent's service, and the program where it came from the core. Its data directory stays."""
    from phoenix_core.cli.boundary import execute
    from phoenix_core.host.process import IS_WINDOWS

    if IS_WINDOWS:
        from phoenix_core.cli import windowsservice

        execute(windowsservice.uninstall_agent(data, as_json=as_json), as_json=as_json)
    from phoenix_core.cli.servicework import uninstall_agent

    execute(uninstall_agent(data, root=root, remove_data=remove_data, as_json=as_json), as_json=as_json)


@app.command("upgrade")
def upgrade(
    data: Data = None,
    detach: Annotated[bool, typer.Option("--detach", help="Don't wait until the agent has restarted.")] = False,
    as_json: Json = False,
) -> None:
    """Take the core's version of Phoenix; the agent restarts once no job runs, and goes back if it doesn't come up."""
    from phoenix_core.cli.boundary import execute
    from phoenix_core.cli.upgradework import upgrade_agent

    execute(upgrade_agent(data, wait=not detach, as_json=as_json), as_json=as_json)


@app.command("stream")
def stream(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the stream is called, such as orders.")],
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND]", help="What prints the data; none: standard input.", show_default=False),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="Of the snapshot that it makes. Repeatable.")
    ] = None,
    timeout: Annotated[
        int | None,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=1,
            help="How long the data may be waited for once its backup has begun, all in all. Default: 86400, a day.",
            show_default=False,
        ),
    ] = None,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Standard input without a byte counts, too.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Back up what standard input brings, or a command prints, and wait for it. A command has to end with 0."""
    from phoenix_core.cli.boundary import execute
    from phoenix_core.host.process import IS_WINDOWS

    if IS_WINDOWS:
        from phoenix_core.cli import windowsservice

        execute(windowsservice.refuse_streams(), as_json=as_json)
    from phoenix_core.agent.streamframes import TIMEOUT_S, StreamHello
    from phoenix_core.cli.streamwork import hand_over

    hello = StreamHello(name, tuple(tag or ()), timeout or TIMEOUT_S)
    execute(hand_over(data, hello, command or (), allow_empty=allow_empty, as_json=as_json), as_json=as_json)


@app.command("snapshots")
def snapshots(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The newest so many.")] = 100,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List this server's own snapshots, as its agent is told of them by the core."""
    from phoenix_core.cli.boundary import execute
    from phoenix_core.host.process import IS_WINDOWS

    if IS_WINDOWS:
        from phoenix_core.cli import windowsservice

        execute(windowsservice.refuse_own_restores(), as_json=as_json)
    from phoenix_core.cli.ownrestorework import list_here

    execute(list_here(data, limit, as_json=as_json), as_json=as_json)


@app.command("restore")
def restore(
    snapshot: Annotated[
        str,
        typer.Argument(metavar="SNAPSHOT", help="Id, or its start, as `phoenix agent snapshots` shows it; or latest."),
    ],
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Files and folders in the snapshot; none: everything.", show_default=False),
    ] = None,
    to: RestoreTo = "",
    conflict: Conflict = None,
    detach: Detach = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Restore files of this server's own snapshot on this server, through its agent, and wait for it."""
    from phoenix_core.cli.boundary import execute
    from phoenix_core.host.process import IS_WINDOWS

    if IS_WINDOWS:
        from phoenix_core.cli import windowsservice

        execute(windowsservice.refuse_own_restores(), as_json=as_json)
    from phoenix_core.cli.jobwork import conflict_rule
    from phoenix_core.cli.ownrestorework import OwnRestore, restore_here

    async def work() -> int:
        wanted = OwnRestore(snapshot, tuple(paths or ()), to, conflict_rule(conflict))
        return await restore_here(data, wanted, detach=detach, as_json=as_json)

    execute(work(), as_json=as_json)
