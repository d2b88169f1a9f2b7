"""`phoenix snapshot list|show|browse|find|diff|compare|download|remove`; what is decided is `annotation`'s."""

from pathlib import Path
from typing import Annotated

import typer

from phoenix_core.cli import annotation, completion
from phoenix_core.cli.options import AtOnce, ConfirmId, Data, Json, SnapshotId, WaitAgent

OfServer = Annotated[
    str,
    typer.Option("--server", metavar="SERVER", help="Whose `latest` is meant.", autocompletion=completion.servers),
]
EntryPath = Annotated[str, typer.Argument(metavar="PATH", help="Absolute, as in the snapshot.")]
app = typer.Typer(help="Snapshots: restorable states.", no_args_is_help=True)


@app.command("list")
def list_snapshots(
    server: Annotated[
        str, typer.Option("--server", metavar="SERVER", help="Of this server only.", autocompletion=completion.servers)
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=0, help="How many, newest first; 0: all.")] = 0,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="TAG", help="Those with this tag. Repeatable: with all of them."),
    ] = None,
    held: Annotated[bool, typer.Option("--held", help="Those that a hold keeps.")] = False,
    removed: Annotated[bool, typer.Option("--removed", help="Those whose removal can still be undone.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List snapshots, newest first."""
    from phoenix_core.cli import snapshotwork
    from phoenix_core.cli.boundary import data_directory, execute

    chosen = snapshotwork.Chosen(server=server, limit=limit, tags=tuple(tag or ()), held=held, removed=removed)
    execute(snapshotwork.list_all(data_directory(data), chosen, as_json=as_json), as_json=as_json)


@app.command("show")
def show(snapshot: SnapshotId, data: Data = None, as_json: Json = False) -> None:
    """Show one snapshot, with its tags, note and hold."""
    from phoenix_core.cli import snapshotwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(snapshotwork.show(data_directory(data), snapshot, as_json=as_json), as_json=as_json)


@app.command("browse")
def browse(
    snapshot: SnapshotId,
    path: Annotated[str, typer.Argument(help="A folder in it.")] = "/",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List a folder of a snapshot."""
    from phoenix_core.cli import snapshotwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(snapshotwork.browse(data_directory(data), snapshot, path, as_json=as_json), as_json=as_json)


@app.command("find")
def find(
    snapshot: SnapshotId,
    pattern: Annotated[str, typer.Argument(help="Such as '*.conf'.")],
    path: Annotated[str, typer.Option("--path", help="Below this folder only.")] = "/",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Find entries of a snapshot by name."""
    from phoenix_core.cli import snapshotwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(snapshotwork.find(data_directory(data), snapshot, pattern, path, as_json=as_json), as_json=as_json)


@app.command("diff")
def diff(
    snapshot: SnapshotId,
    other: Annotated[
        str, typer.Argument(metavar="OTHER", help="The later snapshot.", autocompletion=completion.snapshots)
    ],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show what changed between two snapshots."""
    from phoenix_core.cli import snapshotwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(snapshotwork.diff(data_directory(data), snapshot, other, as_json=as_json), as_json=as_json)


@app.command("compare")
def compare(
    snapshot: SnapshotId,
    path: Annotated[
        list[str] | None,
        typer.Option("--path", metavar="PATH", help="File or folder in the snapshot; none: everything. Repeatable."),
    ] = None,
    folder: Annotated[
        str,
        typer.Option(
            "--with", metavar="DIR", help="Compare with what is below this folder. Default: the original place."
        ),
    ] = "",
    content: Annotated[
        bool, typer.Option("--content", help="Read all files. Default: the same size and time count as equal.")
    ] = False,
    server: OfServer = "",
    wait_agent: WaitAgent = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Compare a snapshot with what is on its server now."""
    from phoenix_core.cli import comparework
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.domain.comparing import CompareRequest

    request = CompareRequest(server=server, paths=tuple(path or ()), folder=folder, content=content)
    work = comparework.compare(data_directory(data), snapshot, request, wait_agent_s=wait_agent, as_json=as_json)
    execute(work, as_json=as_json)


@app.command("download")
def download(
    snapshot: SnapshotId,
    path: EntryPath,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE|DIR|-", help="Where to; - is standard output. Default: its name, here."),
    ] = None,
    kind: Annotated[
        str,
        typer.Option("--format", metavar="tar|zip", help="As an archive. Default: a file as it is, a folder as tar."),
    ] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    server: OfServer = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Bring a file or folder of a snapshot to this machine, through the core."""
    from phoenix_core.cli import downloadwork
    from phoenix_core.cli.boundary import data_directory, execute

    work = downloadwork.download(
        data_directory(data),
        snapshot,
        path,
        to=to,
        kind=kind,
        server=server,
        overwrite=overwrite,
        as_json=as_json,
    )
    execute(work, as_json=as_json)


@app.command("remove")
def remove(
    snapshot: SnapshotId,
    at_once: AtOnce = False,
    confirm: ConfirmId = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Remove a snapshot. For snapshots.undo_days (a setting), `phoenix snapshot undelete` brings it back."""
    from phoenix_core.cli import snapshotwork
    from phoenix_core.cli.boundary import data_directory, execute

    work = snapshotwork.remove(data_directory(data), snapshot, at_once=at_once, typed=confirm, as_json=as_json)
    execute(work, as_json=as_json)


app.command("undelete")(annotation.undelete)
app.command("tag")(annotation.tag)
app.command("untag")(annotation.untag)
app.command("note")(annotation.note)
app.command("hold")(annotation.hold)
app.command("release")(annotation.release)
