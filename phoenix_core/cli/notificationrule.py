"""`phoenix notification rule list|show|set|remove`."""

from typing import Annotated

import typer

from phoenix_core.cli import completion
from phoenix_core.cli.options import Data, Json, Yes

app = typer.Typer(help="Which alerts are told, by which channels, and when.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="RULE", autocompletion=completion.notification_rules)]


@app.command("list")
def list_rules(data: Data = None, as_json: Json = False) -> None:
    """List the rules."""
    from phoenix_core.cli import notificationrulework
    from phoenix_core.cli.boundary import data_directory, execute

    execute(notificationrulework.list_all(data_directory(data), as_json=as_json), as_json=as_json)


@app.command("show")
def show(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Show one rule."""
    from phoenix_core.cli import notificationrulework
    from phoenix_core.cli.boundary import data_directory, execute

    execute(notificationrulework.show_one(data_directory(data), name, as_json=as_json), as_json=as_json)


@app.command("set")
def set_rule(
    name: Name,
    channel: Annotated[
        list[str] | None,
        typer.Option(
            "--channel",
            metavar="NAME",
            help="Tell by this channel. Repeatable; together they replace what was there.",
            autocompletion=completion.channels,
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="Alerts of this kind, such as backup_failed; all: of all. Repeatable, as above.",
            autocompletion=completion.alert_kinds,
        ),
    ] = None,
    severity: Annotated[
        str | None,
        typer.Option(
            "--severity", help="warning, error or critical: at least so bad.", autocompletion=completion.severities
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            metavar="GROUP",
            help="Alerts of this group's servers only; all: all alerts. Repeatable, as above.",
            autocompletion=completion.groups,
        ),
    ] = None,
    when: Annotated[
        str | None,
        typer.Option("--when", metavar="WHEN", help="`at once`, or when a digest is sent, such as `daily at 07:00`."),
    ] = None,
    time_zone: Annotated[str | None, typer.Option("--time-zone", metavar="ZONE", help="Such as Europe/Berlin.")] = None,
    resolved: Annotated[
        bool | None,
        typer.Option("--resolved/--no-resolved", help="At once: tell too when it is over.", show_default=False),
    ] = None,
    when_quiet: Annotated[
        bool | None,
        typer.Option(
            "--when-quiet/--not-when-quiet",
            help="Send a digest also where there is nothing to tell.",
            show_default=False,
        ),
    ] = None,
    rename: Annotated[str | None, typer.Option("--rename", metavar="NAME", help="Give it another name.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a rule, or change what is named of one."""
    from phoenix_core.cli import notificationrulework as work
    from phoenix_core.cli.boundary import data_directory, execute

    changes = work.RuleChanges(
        channels=channel,
        kinds=kind,
        severity=severity,
        groups=group,
        when=when,
        time_zone=time_zone,
        resolved=resolved,
        when_quiet=when_quiet,
        name=rename,
    )
    execute(work.set_one(data_directory(data), name, changes, as_json=as_json), as_json=as_json)


@app.command("remove")
def remove(name: Name, yes: Yes = False, data: Data = None, as_json: Json = False) -> None:
    """Remove a rule."""
    from phoenix_core.cli import notificationrulework
    from phoenix_core.cli.boundary import data_directory, execute

    execute(notificationrulework.remove_one(data_directory(data), name, yes=yes, as_json=as_json), as_json=as_json)
