"""What the commands on snapshots do. Long listings are fetched and printed page by page."""

import stat
from collections.abc import AsyncIterator, Awaitable, Callable

from phoenix_core.cli.attach import attached
from phoenix_core.cli.confirm import confirm
from phoenix_core.cli.errors import SnapshotsUnknown
from phoenix_core.cli.instead import naming
from phoenix_core.cli.jobresult import print_result
from phoenix_core.cli.output import print_json, print_table, say, size, when
from phoenix_core.cli.progress import job_display
from phoenix_core.cli.waiting import exit_code, wait_for_job
from phoenix_core.domain.views import ChangeView, EntryPage, EntryView, SnapshotView, VaultView
from phoenix_core.host.datadir import DataDirectory

SIGNS = {"added": "+", "removed": "-", "content": "M", "metadata": "m", "type": "T"}


async def list_all(data: DataDirectory, server: str, limit: int, *, as_json: bool) -> None:
    async with attached(data) as client:
        snapshots = await client.snapshots(server=server, limit=limit)
        if not snapshots:
            _check_readable(await client.vault())
    if as_json:
        print_json(snapshots)
        return
    print_table(
        ("SNAPSHOT", "SERVER", "TIME", "STATE", "FILES", "SIZE", "STORED", "MISSING", "PROVED", "PATHS"),
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
                ", ".join(snapshot.paths),
            )
            for snapshot in snapshots
        ],
        "There are no snapshots. Make one with `phoenix backup SERVER PATH`.",
    )


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
                    say(f"{SIGNS.get(change.change, '?')} {change.path}")
            after = page.next_after
            if not after:
                break
    if as_json:
        print_json(changes)
    elif not differs:
        say("No difference.")


async def remove(data: DataDirectory, name: str, *, yes: bool, as_json: bool) -> int:
    async with attached(data) as client:
        snapshot = await client.snapshot(name)
        confirm(f"remove snapshot {snapshot.id[:12]} of {snapshot.server_name}, {when(snapshot.created_at)}", yes=yes)
        job = await client.remove_snapshot(snapshot.id)
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
