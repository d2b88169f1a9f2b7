"""`phoenix policy list|show|set|remove|runs|retention`."""

from typing import Annotated

import typer

from phoenix_core.cli import completion
from phoenix_core.cli.options import Data, Detach, Json, Yes

app = typer.Typer(help="Backup policies: when servers are backed up, and what stays.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="POLICY", autocompletion=completion.policies)]


@app.command("list")
def list_policies(data: Data = None, as_json: Json = False) -> None:
    """List the backup policies."""
    from phoenix_core.cli import policywork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(policywork.list_all(data_directory(data), as_json=as_json), as_json=as_json)


@app.command("show")
def show(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Show one policy, and when it runs next."""
    from phoenix_core.cli import policywork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(policywork.show_one(data_directory(data), name, as_json=as_json), as_json=as_json)


@app.command("set")
def set_policy(
    name: Name,
    schedule: Annotated[
        list[str] | None,
        typer.Option(
            "--schedule",
            metavar="WHEN",
            help="Such as `daily at 02:00`, `weekly on mon, thu at 21:30`, `hourly at :15`, or a cron expression; "
            "none: by hand only. Repeatable; together they replace what was there.",
        ),
    ] = None,
    time_zone: Annotated[str | None, typer.Option("--time-zone", metavar="ZONE", help="Such as Europe/Berlin.")] = None,
    window: Annotated[
        list[str] | None,
        typer.Option(
            "--window",
            metavar="HOURS",
            help="Such as `mon-fri 20:00-06:00` or `sat,sun 00:00-24:00`: scheduled backups begin and run in these "
            "only; none: always. Repeatable; together they replace what was there.",
        ),
    ] = None,
    bandwidth: Annotated[
        list[str] | None,
        typer.Option(
            "--bandwidth",
            metavar="LIMIT",
            help="Such as `mon-fri 08:00-18:00 10M` or `50M`, bytes a second over a network; none: no limit. "
            "Repeatable, the first that holds counts; together they replace what was there.",
        ),
    ] = None,
    pre_script: Annotated[
        str | None,
        typer.Option(
            "--pre-script",
            metavar="NAME",
            help="A script in the agent's folder of scripts, run before each backup; none: no script.",
        ),
    ] = None,
    post_script: Annotated[
        str | None, typer.Option("--post-script", metavar="NAME", help="The same, after it.")
    ] = None,
    script_timeout: Annotated[
        int | None, typer.Option("--script-timeout", metavar="SECONDS", help="How long a script may take.")
    ] = None,
    pre_script_needed: Annotated[
        bool | None,
        typer.Option(
            "--pre-script-needed/--pre-script-optional",
            help="Whether the backup is skipped where the pre-script is missing or fails.",
            show_default=False,
        ),
    ] = None,
    source_snapshot: Annotated[
        str | None,
        typer.Option(
            "--source-snapshot",
            metavar="WHEN",
            help="off, if_available or required: whether backups of Linux servers read snapshots of their file systems "
            "(Btrfs, ZFS, LVM), made for the backup.",
            autocompletion=completion.source_snapshots,
        ),
    ] = None,
    missed: Annotated[
        str | None,
        typer.Option(
            "--missed",
            help="run or skip: what becomes of a run whose time passed while the core was not running.",
            autocompletion=completion.missed_runs,
        ),
    ] = None,
    retries: Annotated[int | None, typer.Option("--retries", help="How often a failed run is tried again.")] = None,
    retry_delay: Annotated[int | None, typer.Option("--retry-delay", metavar="SECONDS", help="How long after.")] = None,
    reread_every: Annotated[
        int | None,
        typer.Option(
            "--reread-every",
            metavar="N",
            help="Each N-th backup of a server reads all files again, not only those whose metadata changed; 0: none.",
        ),
    ] = None,
    keep_last: Annotated[
        int | None,
        typer.Option(
            "--keep-last",
            metavar="N",
            help="The newest N stay; of dumps that an agent handed over by itself, all of the last N days.",
        ),
    ] = None,
    keep_daily: Annotated[
        int | None, typer.Option("--keep-daily", metavar="N", help="The newest of each of the last N days stays.")
    ] = None,
    keep_weekly: Annotated[int | None, typer.Option("--keep-weekly", metavar="N", help="The same of weeks.")] = None,
    keep_monthly: Annotated[int | None, typer.Option("--keep-monthly", metavar="N", help="Of months.")] = None,
    keep_yearly: Annotated[int | None, typer.Option("--keep-yearly", metavar="N", help="Of years.")] = None,
    drill: Annotated[
        list[str] | None,
        typer.Option(
            "--drill",
            metavar="WHEN",
            help="When a restore of each server is tried out, as --schedule; none: by hand only. Repeatable.",
        ),
    ] = None,
    drill_sample: Annotated[
        str | None,
        typer.Option("--drill-sample", metavar="HOW MUCH", help="Such as 100 (files), 2G, or all."),
    ] = None,
    drill_max_bytes: Annotated[
        str | None,
        typer.Option("--drill-max-bytes", metavar="SIZE", help="Of a sample at most, such as 1G; 0: no limit."),
    ] = None,
    drill_on: Annotated[
        str | None,
        typer.Option(
            "--drill-on",
            metavar="SERVER",
            help="The server whose agent restores; none: each its own.",
            autocompletion=completion.servers,
        ),
    ] = None,
    rename: Annotated[str | None, typer.Option("--rename", metavar="NAME", help="Give it another name.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a policy, or change what is named of one. Without any --keep option all restore points stay."""
    from phoenix_core.cli import policywork
    from phoenix_core.cli.boundary import data_directory, execute

    changes = policywork.PolicyChanges(
        schedule=schedule,
        time_zone=time_zone,
        window=window,
        bandwidth=bandwidth,
        pre_script=pre_script,
        post_script=post_script,
        script_timeout_s=script_timeout,
        pre_script_needed=pre_script_needed,
        source_snapshot=source_snapshot,
        missed=missed,
        retries=retries,
        retry_delay_s=retry_delay,
        reread_every=reread_every,
        keep={
            "last": keep_last,
            "daily": keep_daily,
            "weekly": keep_weekly,
            "monthly": keep_monthly,
            "yearly": keep_yearly,
        },
        name=rename,
        drill=drill,
        drill_sample=drill_sample,
        drill_max_bytes=drill_max_bytes,
        drill_on=drill_on,
    )
    execute(policywork.set_one(data_directory(data), name, changes, as_json=as_json), as_json=as_json)


@app.command("remove")
def remove(name: Name, yes: Yes = False, data: Data = None, as_json: Json = False) -> None:
    """Remove a policy that no group has."""
    from phoenix_core.cli import policywork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(policywork.remove_one(data_directory(data), name, yes=yes, as_json=as_json), as_json=as_json)


@app.command("runs")
def runs(
    name: Name,
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, max=1000)] = 10,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show when a policy runs next: when its schedule says, in its window."""
    from phoenix_core.cli import policywork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(policywork.show_runs(data_directory(data), name, count, as_json=as_json), as_json=as_json)


@app.command("retention")
def retention(
    name: Annotated[
        str, typer.Argument(metavar="[POLICY]", help="Default: all.", autocompletion=completion.policies)
    ] = "",
    do_execute: Annotated[
        bool, typer.Option("--execute", help="Remove, for all policies, what none of them keeps.")
    ] = False,
    yes: Yes = False,
    detach: Detach = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show which restore points stay and why, and which the next run of retention removes."""
    from phoenix_core.cli import policywork
    from phoenix_core.cli.boundary import data_directory, execute

    if do_execute:
        work = policywork.apply_retention(data_directory(data), name, yes=yes, detach=detach, as_json=as_json)
        execute(work, as_json=as_json)
    else:
        execute(policywork.show_retention(data_directory(data), name, as_json=as_json), as_json=as_json)
