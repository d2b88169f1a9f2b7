"""`phoenix snapshot tag|untag|note|hold|release|undelete`: what an operator decides about a snapshot."""

from typing import Annotated

import typer

from phoenix_core.cli.options import Data, Json, SnapshotId

Tags = Annotated[list[str], typer.Argument(metavar="TAG", help="Words, such as month-end.")]


def tag(snapshot: SnapshotId, tags: Tags, data: Data = None, as_json: Json = False) -> None:
    """Give a snapshot tags. `phoenix snapshot list --tag TAG` finds it by them."""
    from phoenix_core.cli import annotationwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(annotationwork.tag(data_directory(data), snapshot, tags, [], as_json=as_json), as_json=as_json)


def untag(snapshot: SnapshotId, tags: Tags, data: Data = None, as_json: Json = False) -> None:
    """Take tags from a snapshot."""
    from phoenix_core.cli import annotationwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(annotationwork.tag(data_directory(data), snapshot, [], tags, as_json=as_json), as_json=as_json)


def note(
    snapshot: SnapshotId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="In place of the note that is there; '': none.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Write a note on a snapshot."""
    from phoenix_core.cli import annotationwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(annotationwork.note(data_directory(data), snapshot, text, as_json=as_json), as_json=as_json)


def hold(
    snapshot: SnapshotId,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for whoever meets the hold.")],
    until: Annotated[
        str, typer.Option("--until", metavar="DATE", help="Its last day, such as 2027-12-31. Default: for ever.")
    ] = "",
    days: Annotated[int, typer.Option("--days", min=0, help="Or: for so many days; 0: for ever.")] = 0,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Hold a snapshot: neither retention nor any command removes it."""
    from phoenix_core.cli import annotationwork
    from phoenix_core.cli.boundary import data_directory, execute

    work = annotationwork.hold(data_directory(data), snapshot, reason, until, days, as_json=as_json)
    execute(work, as_json=as_json)


def release(snapshot: SnapshotId, data: Data = None, as_json: Json = False) -> None:
    """End a snapshot's hold."""
    from phoenix_core.cli import annotationwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(annotationwork.release(data_directory(data), snapshot, as_json=as_json), as_json=as_json)


def undelete(snapshot: SnapshotId, data: Data = None, as_json: Json = False) -> None:
    """Bring a removed snapshot back. `phoenix snapshot list --removed` shows which can be."""
    from phoenix_core.cli import annotationwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(annotationwork.undelete(data_directory(data), snapshot, as_json=as_json), as_json=as_json)
