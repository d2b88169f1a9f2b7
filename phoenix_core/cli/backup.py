"""`phoenix backup`."""

from pathlib import Path
from typing import Annotated

import typer

from phoenix_core.cli import completion
from phoenix_core.cli.options import Data, Detach, Json, ServerName, WaitAgent


def backup(
    server: ServerName,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Absolute paths; none: by the group's rules, else as the last backup."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="PATTERN", help="Leave out, as in .gitignore. Repeatable.")
    ] = None,
    exclude_file: Annotated[
        list[Path] | None, typer.Option("--exclude-file", metavar="FILE", help="Patterns, one a line. Repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Scan and estimate; store nothing.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Read every file, changed or not.")] = False,
    cross_mounts: Annotated[bool, typer.Option("--cross-mounts", help="Go into other file systems.")] = False,
    stream: Annotated[
        str, typer.Option("--stream", metavar="NAME", help="Not files, but what a script prints, under this name.")
    ] = "",
    script: Annotated[
        str, typer.Option("--from", metavar="SCRIPT", help="With --stream: a script in the agent's folder of scripts.")
    ] = "",
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="Of the snapshot that it makes. Repeatable.")
    ] = None,
    source_snapshot: Annotated[
        str | None,
        typer.Option(
            "--source-snapshot",
            metavar="WHEN",
            help="off, if_available or required: read snapshots of its file systems; none: as its policy says.",
            autocompletion=completion.source_snapshots,
        ),
    ] = None,
    detach: Detach = False,
    wait_agent: WaitAgent = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Back up folders of a server now, or what a script on it prints, and wait for it."""
    from phoenix_core.cli.backupwork import back_up, source_snapshot_of
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.jobwork import read_patterns
    from phoenix_core.domain.requests import BackupRequest

    async def work() -> int:
        request = BackupRequest(
            server=server,
            paths=tuple(paths or ()),
            excludes=(*(exclude or ()), *read_patterns(exclude_file or [])),
            cross_mounts=cross_mounts,
            dry_run=dry_run,
            full=full,
            tags=tuple(tag or ()),
            source_snapshot=source_snapshot_of(source_snapshot),
            stream=stream,
            script=script,
        )
        return await back_up(data_directory(data), request, detach=detach, wait_agent_s=wait_agent, as_json=as_json)

    execute(work(), as_json=as_json)
