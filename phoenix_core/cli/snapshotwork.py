"""What the commands on snapshots do. Long listings are fetched and printed page by page."""

import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import msgspec

from phoenix_core.cli.attach import attached
from phoenix_core.cli.confirm import confirm_by_name
from phoenix_core.cli.errors import SnapshotsUnknown
from phoenix_core.cli.instead import naming
from phoenix_core.cli.jobresult import print_result
from phoenix_core.cli.output import print_facts, print_json, print_table, say, size, when
from phoenix_core.cli.progress import job_display
from phoenix_core.cli.waiting import exit_code, wait_for_job
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.changes import mark_of
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.views import ChangeView, EntryPage, EntryView, SnapshotView, VaultView
from phoenix_core.host.datadir import DataDirectory


class Chosen(msgspec.Struct, frozen=True):
    """Which snapshots are to be listed."""

    server: str = ""
    limit: int = 0
    tags: tuple[str, ...] = ()
    held: bool = False
    removed: bool = False


async def list_all(data: DataDirectory, chosen: Chosen, *, as_json: bool) -> None:
    async with attached(data) as client:
        snapshots = await client.snapshots(
            server=chosen.server,
            limit=chosen.limit,
            tags=chosen.tags,
            held=chosen.held,
            removed=chosen.removed,
        )
        if not snapshots:
            _check_readable(await client.vault())
    if as_json:
        print_json(snapshots)
    elif chosen.removed:
        _print_removed(snapshots)
    else:
        chose = chosen.tags or chosen.held
        none = "No snapshot fits." if chose else "There are no snapshots. Make one with `phoenix backup SERVER PATH`."
        _print_snapshots(snapshots, none)


def _print_removed(snapshots: Sequence[SnapshotView]) -> None:
    print_table(
        ("SNAPSHOT", "SERVER", "TIME", "SIZE", "REMOVED", "BY", "GOES ABOUT", "PATHS"),
        [
            (
                snapshot.id[:12],
                snapshot.server_name,
                when(snapshot.created_at),
                size(snapshot.bytes),
                when(snapshot.removed_at),
                snapshot.removed_by,
                when(snapshot.undo_until),
                ", ".join(snapshot.paths),
            )
            for snapshot in snapshots
        ],
        "No removal waits to be undone.",
    )


def _print_snapshots(snapshots: Sequence[SnapshotView], none: str) -> None:
    columns = "SNAPSHOT SERVER TIME STATE FILES SIZE STORED MISSING PROVED HELD TAGS PATHS"
    print_table(
        columns.split(),
        [
            (
                snapshot.id[:12],
                snapshot.server_name,
                when(snapshot.created_at),
                snapshot.tier,
                str(snapshot.files),
                size(snapshot.bytes),
                size(snapshot.stored_bytes),
                str(snapshot.missing_count),
                _proof(snapshot),
                "yes" if snapshot.hold else "-",
                " ".join(snapshot.tags) or "-",
                f"stream {snapshot.stream}" if snapshot.stream else ", ".join(snapshot.paths),
            )
            for snapshot in snapshots
        ],
        none,
    )


async def show(data: DataDirectory, name: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        snapshot = await client.snapshot(name, removed=True)
    print_one(snapshot, as_json=as_json)


def print_one(snapshot: SnapshotView, *, as_json: bool) -> None:
    """All about one snapshot."""
    if as_json:
        print_json(snapshot)
        return
    facts = [
        ("Snapshot", snapshot.id),
        ("Server", snapshot.server_name),
        ("Taken", when(snapshot.created_at)),
        ("Recorded", when(snapshot.recorded_at)),
        ("State", snapshot.tier),
        ("Paths", ", ".join(snapshot.paths)),
        ("Holds", f"{amount(snapshot.files, 'file')}, {size(snapshot.bytes)}, {size(snapshot.stored_bytes)} stored"),
        ("Missing", str(snapshot.missing_count)),
        ("Proved", _proof(snapshot)),
        ("Job", snapshot.job_id),
        ("Tags", " ".join(snapshot.tags) or "-"),
        ("Note", snapshot.note.replace("\n", "\n      ") or "-"),
        ("Held", hold_text(snapshot)),
    ]
    if snapshot.removed_at is not None:
        gone = f"{when(snapshot.removed_at)} by {snapshot.removed_by}; goes for good about {when(snapshot.undo_until)}"
        facts.append(("Removed", gone))
    print_facts(facts)


def hold_text(snapshot: SnapshotView) -> str:
    """Such as `for ever, by anna: audit 2026`."""
    hold = snapshot.hold
    if hold is None:
        return "no"
    until = f"until {when(hold.until)}" if hold.until else "for ever"
    return f"{until}, by {hold.who}: {hold.reason}"


def _check_readable(vault: VaultView) -> None:
    """That none is listed means that there is none. Raises SnapshotsUnknown."""
    if not vault.key_available:
        advice = "With the recovery passphrase, `phoenix vault key move file --recover` takes the key from the vault."
        raise SnapshotsUnknown(path=vault.location, problem=vault.problem, advice=advice)
    if vault.problem:
        raise SnapshotsUnknown(path=vault.location, problem=vault.problem, advice="`phoenix doctor` says what to do.")


def _proof(snapshot: SnapshotView) -> str:
    if snapshot.is_lost:
        return "no"
    return "yes" if snapshot.proved else "not yet"


async def browse(data: DataDirectory, snapshot: str, path: str, *, as_json: bool) -> None:
    def same_of(other: str) -> list[str]:
        return ["snapshot", "browse", other, path, *(["--json"] if as_json else [])]

    with naming(same_of):
        async with attached(data) as client:
            await _print_entries(
                lambda after: client.entries(snapshot, path, after=after), "It is empty.", as_json=as_json
            )


async def find(data: DataDirectory, snapshot: str, pattern: str, path: str, *, as_json: bool) -> None:
    def same_of(other: str) -> list[str]:
        below = ["--path", path] if path != "/" else []
        return ["snapshot", "find", other, pattern, *below, *(["--json"] if as_json else [])]

    with naming(same_of):
        async with attached(data) as client:
            await _print_entries(
                lambda after: client.find(snapshot, pattern, path=path, after=after), "Nothing fits.", as_json=as_json
            )


async def diff(data: DataDirectory, snapshot: str, other: str, *, as_json: bool) -> None:
    changes: list[ChangeView] = []
    differs = False
    async with attached(data) as client:
        after = ""
        while True:
            page = await client.diff(snapshot, other, after=after)
            differs = differs or bool(page.changes)
            if as_json:
                changes += page.changes
            else:
                for change in page.changes:
                    say(f"{mark_of(change.change)} {change.path}")
            after = page.next_after
            if not after:
                break
    if as_json:
        print_json(changes)
    elif not differs:
        say("No difference.")


async def remove(data: DataDirectory, name: str, *, at_once: bool, typed: str, as_json: bool) -> int:
    async with attached(data) as client:
        snapshot = await client.snapshot(name, removed=at_once)
        short = snapshot.id[:SHORT_ID_DIGITS]
        action = f"remove snapshot {short} of {snapshot.server_name}, {when(snapshot.created_at)}"
        action += ", for good" if at_once else ""
        confirm_by_name(action, short, typed=typed)
        job = await client.remove_snapshot(snapshot.id, typed=short, at_once=at_once)
        job = await wait_for_job(client, job, job_display(as_json=as_json))
    print_result(job, as_json=as_json)
    return exit_code(job)


async def _print_entries(page_after: Callable[[str], Awaitable[EntryPage]], empty: str, *, as_json: bool) -> None:
    count = 0
    entries: list[EntryView] = []
    async for entry in _all(page_after):
        count += 1
        if as_json:
            entries.append(entry)
        else:
            say(_line(entry))
    if as_json:
        print_json(entries)
    elif not count:
        say(empty)


async def _all(page_after: Callable[[str], Awaitable[EntryPage]]) -> AsyncIterator[EntryView]:
    after = ""
    while True:
        page = await page_after(after)
        for entry in page.entries:
            yield entry
        after = page.next_after
        if not after:
            return


def _line(entry: EntryView) -> str:
    mode = stat.filemode(entry.mode)[1:]
    sign = {"directory": "d", "symlink": "l", "file": "-"}.get(entry.type, entry.type[:1])
    link = f" -> {entry.target}" if entry.target else ""
    owners = f"{entry.owner:<10} {entry.group:<10}"
    return f"{sign}{mode}  {owners} {size(entry.size):>11}  {when(entry.mtime)}  {entry.path}{link}"
