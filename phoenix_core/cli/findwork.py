"""What `phoenix find` does: prints versions as they are found, and how to restore one."""

import re
import shlex
import sys
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from phoenix_core.cli.attach import attached
from phoenix_core.cli.output import print_json, say, size, warn, when
from phoenix_core.cli.program import as_typed
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.errors import EXIT_DONE, EXIT_MISSING_FILES, UsageError
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.reading import FileVersion, SearchLine, SearchProgress
from phoenix_core.host.datadir import DataDirectory

_AGO = re.compile(r"(\d{1,5})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


class Wanted(NamedTuple):
    pattern: str
    server: str
    path: str
    since: str
    until: str
    limit: int


async def find(data: DataDirectory, wanted: Wanted, *, as_json: bool) -> int:
    since, until = moment(wanted.since, "--since"), moment(wanted.until, "--until")
    found: list[FileVersion] = []
    last = SearchLine()
    shown = Shown()
    async with attached(data) as client:
        lines = client.find_versions(
            wanted.pattern, server=wanted.server, path=wanted.path, since=since, until=until, limit=wanted.limit
        )
        async with aclosing(lines):
            async for line in lines:
                last = line
                if line.version is None:
                    shown.progress(line.progress)
                elif as_json:
                    found.append(line.version)
                else:
                    shown.version(line.version)
    shown.progress(None)
    done = last.end or SearchProgress(0, 0)
    if as_json:
        print_json({"versions": found, "truncated": last.truncated, "unreadable": done.unreadable, "lost": done.lost})
    else:
        shown.end(last, done)
    return EXIT_MISSING_FILES if done.unreadable or done.lost else EXIT_DONE


class Shown:
    """The lines for people; how far the search is only on a terminal."""

    def __init__(self) -> None:
        self._path = ""
        self._first: FileVersion | None = None
        self._is_terminal = sys.stderr.isatty()
        self._told = False

    def version(self, found: FileVersion) -> None:
        self.progress(None)
        here = f"{found.server_name}:{found.path}"
        if here != self._path:
            self._path = here
            say(f"{here}{f' -> {found.target}' if found.target else ''}")
        if self._first is None and found.type != "directory":
            self._first = found
        kind = size(found.size) if found.type == "file" else found.type
        say(f"  {kind:>11}  {when(found.mtime)}  {found.newest[:SHORT_ID_DIGITS]}  {_in_snapshots(found)}")

    def progress(self, progress: SearchProgress | None) -> None:
        if self._told and self._is_terminal:
            sys.stderr.write("\r\x1b[K")
        self._told = progress is not None
        if progress is not None and self._is_terminal:
            sys.stderr.write(f"{progress.entries:,} entries, {progress.current[-60:]}")
            sys.stderr.flush()

    def end(self, last: SearchLine, done: SearchProgress) -> None:
        if last.truncated:
            warn("There is more: name more of it, or raise --limit.")
        if done.unreadable:
            what = amount(done.unreadable, "folder")
            warn(f"{what} can't be read, since the vault is damaged there: `phoenix vault verify` tells more.")
        if done.lost:
            what = amount(done.lost, "snapshot")
            warn(f"{what} can't be searched, since the vault lost what it needs: `phoenix snapshot list` shows which.")
        if self._first is None:
            say("Nothing fits." if not self._path else "")
            return
        words = ("restore", self._first.server_name, "--snapshot", self._first.newest[:SHORT_ID_DIGITS])
        command = shlex.join(("phoenix", *words, "--path", self._first.path))
        say(as_typed(f"\nRestore one with its snapshot and path, such as `{command}`."))


def _in_snapshots(found: FileVersion) -> str:
    count = amount(found.snapshots, "snapshot")
    gone = ", not in the newest" if found.gone else ""
    if found.snapshots == 1:
        return f"in 1 snapshot, {when(found.newest_at)}{gone}"
    return f"in {count} from {when(found.oldest_at)} to {when(found.newest_at)}{gone}"


def moment(text: str, option: str) -> str:
    """A time in RFC 3339: of a date or time in the local zone, or so long ago. Raises UsageError."""
    if not text:
        return ""
    ago = _AGO.fullmatch(text)
    if ago:
        return (datetime.now(UTC) - int(ago[1]) * _UNITS[ago[2]]).isoformat(timespec="seconds")
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError) as error:
        raise UsageError(
            detail=f"{option} {text} is no time: give 2026-11-24, 2026-11-24T18:30, or 12h, 7d, 4w for so long ago."
        ) from error
