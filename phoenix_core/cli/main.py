"""The `phoenix` command. Only typer is imported here; each command loads what it needs when it runs."""

import os
import sys
from typing import Annotated

import typer

from phoenix_core import __version__
from phoenix_core.cli import (
    agent,
    alert,
    audit,
    backup,
    config,
    core,
    doctor,
    drill,
    find,
    group,
    job,
    mount,
    notification,
    policy,
    quickstart,
    restore,
    rule,
    server,
    setting,
    snapshot,
    storage,
    vault,
)
from phoenix_core.cli.options import Data

app = typer.Typer(
    name="phoenix",
    help="Back up servers, restore them, and see what is going on. Without a command: the console.",
    invoke_without_command=True,
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("quickstart")(quickstart.quickstart)
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.command("find")(find.find)
app.command("mount")(mount.mount)
app.command("doctor")(doctor.doctor)
app.add_typer(server.app, name="server")
app.add_typer(group.app, name="group")
app.add_typer(policy.app, name="policy")
app.add_typer(rule.app, name="rule")
app.add_typer(config.app, name="config")
app.add_typer(alert.app, name="alert")
app.add_typer(notification.app, name="notification")
app.add_typer(audit.app, name="audit")
app.add_typer(job.app, name="job")
app.add_typer(drill.app, name="drill")
app.add_typer(snapshot.app, name="snapshot")
app.add_typer(vault.app, name="vault")
app.add_typer(setting.app, name="setting")
app.add_typer(core.app, name="core")
app.add_typer(agent.app, name="agent")
app.add_typer(storage.app, name="storage")


@app.callback()
def console(
    context: typer.Context,
    data: Data = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Open the console, unless a command is named."""
    if data is not None:
        os.environ["PHOENIX_DATA"] = str(data)  # for the command that follows, and its completion
    if version:
        sys.stdout.write(f"phoenix {__version__}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        from phoenix_core.cli.console import open_console

        open_console(data)


def run() -> None:
    """Entry point of the `phoenix` script."""
    app(prog_name="phoenix")


__all__ = ["app", "run"]
