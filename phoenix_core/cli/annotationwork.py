"""What the commands do that decide about a snapshot."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, time, timedelta

from phoenix_core.cli.attach import attached
from phoenix_core.cli.output import print_json, say
from phoenix_core.cli.snapshotwork import hold_text
from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import UsageError
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.requests import HoldRequest, TagChange
from phoenix_core.domain.views import SnapshotView
from phoenix_core.host.datadir import DataDirectory

Told = Callable[[SnapshotView], str]


async def tag(data: DataDirectory, snapshot: str, add: Sequence[str], remove: Sequence[str], *, as_json: bool) -> None:
    change = TagChange(add=tuple(add), remove=tuple(remove))
    await _decide(
        data,
        lambda client: client.tag_snapshot(snapshot, change),
        lambda view: f"tags: {' '.join(view.tags) or 'none'}.",
        as_json=as_json,
    )


async def note(data: DataDirectory, snapshot: str, text: str, *, as_json: bool) -> None:
    await _decide(
        data,
        lambda client: client.note_snapshot(snapshot, text),
        lambda view: "the note is kept." if view.note else "it has no note.",
        as_json=as_json,
    )


async def hold(data: DataDirectory, snapshot: str, reason: str, until: str, days: int, *, as_json: bool) -> None:
    wanted = HoldRequest(reason=reason, until=_end(until, days))
    await _decide(
        data,
        lambda client: client.hold_snapshot(snapshot, wanted),
        lambda view: f"held {hold_text(view)}.",
        as_json=as_json,
    )


async def release(data: DataDirectory, snapshot: str, *, as_json: bool) -> None:
    await _decide(
        data,
        lambda client: client.release_snapshot(snapshot),
        lambda view: "it is held no longer.",
        as_json=as_json,
    )


async def undelete(data: DataDirectory, snapshot: str, *, as_json: bool) -> None:
    await _decide(
        data,
        lambda client: client.undelete_snapshot(snapshot),
        lambda view: f"it is a restore point of {view.server_name} again.",
        as_json=as_json,
    )


async def _decide(
    data: DataDirectory, decide: Callable[[CoreClient], Awaitable[SnapshotView]], told: Told, *, as_json: bool
) -> None:
    async with attached(data) as client:
        view = await decide(client)
    if as_json:
        print_json(view)
    else:
        say(f"Snapshot {view.id[:SHORT_ID_DIGITS]}: {told(view)}")


def _end(until: str, days: int) -> datetime | None:
    """The end of that day here, or so many days from now. Raises UsageError."""
    if until and days:
        raise UsageError(detail="--until and --days can't both be given.")
    if days:
        return datetime.now(UTC) + timedelta(days=days)
    if not until:
        return None
    try:
        day = datetime.fromisoformat(until)
    except ValueError as error:
        raise UsageError(detail=f"{until} is no date such as 2027-12-31.") from error
    if len(until) == len("2027-12-31"):
        day = datetime.combine(day.date() + timedelta(days=1), time())
    return day.astimezone(UTC)
