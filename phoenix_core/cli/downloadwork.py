"""What `snapshot download` does: what comes counts only once all of it has come."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from phoenix_core.cli.attach import attached
from phoenix_core.cli.errors import FileExists, FileUnwritable
from phoenix_core.cli.instead import naming
from phoenix_core.cli.output import print_json, say, size
from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import UsageError
from phoenix_core.domain.names import parse_shown, portable
from phoenix_core.domain.reading import ArchiveFormat
from phoenix_core.host.datadir import DataDirectory

STDOUT = Path("-")
NAME_BYTES = 255
"""Of the longest name on any common file system."""


async def download(
    data: DataDirectory,
    snapshot: str,
    path: str,
    *,
    to: Path | None,
    kind: str,
    server: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    archive = _archive_format(kind)
    if to == STDOUT and as_json:
        raise UsageError(detail="With --to - the output is the download itself: leave --json out.")

    def same_of(other: str) -> list[str]:
        words = ["snapshot", "download", other, path, *(["--server", server] if server else [])]
        words += ["--to", str(to)] if to is not None else []
        words += ["--format", kind] if kind else []
        return words + (["--overwrite"] if overwrite else []) + (["--json"] if as_json else [])

    with naming(same_of):
        async with attached(data) as client:
            if archive is None:
                archive = await _archive_needed(client, snapshot, path, server)
            if archive is None:
                blocks = client.download_file(snapshot, path, server=server)
            else:
                blocks = client.download_archive(snapshot, path, archive, server=server)
            async with aclosing(blocks):
                if to == STDOUT:
                    await _print(blocks)
                    return
                target = _target(to, path, archive)
                written = await _save(blocks, target, overwrite=overwrite)
    if as_json:
        print_json({"file": str(target), "bytes": written})
    else:
        say(f"{target}: {size(written)}.")


def _archive_format(kind: str) -> ArchiveFormat | None:
    if not kind:
        return None
    try:
        return ArchiveFormat(kind)
    except ValueError as error:
        raise UsageError(detail=f"{kind} is no format; there are {', '.join(ArchiveFormat)}.") from error


async def _archive_needed(client: CoreClient, snapshot: str, path: str, server: str) -> ArchiveFormat | None:
    """A file comes as it is; all else can only come in an archive."""
    found = await client.snapshot(snapshot, server=server)
    entry = await client.entry(found.id, path)
    return None if entry.type == "file" else ArchiveFormat.TAR


def _target(to: Path | None, path: str, archive: ArchiveFormat | None) -> Path:
    name = portable(parse_shown(path).rstrip(b"/").rpartition(b"/")[2]) or "snapshot"
    name = _fitting(name, f".{archive}" if archive is not None else "")
    if to is None:
        return Path(name)
    return to / name if os.path.isdir(to) else to


def _fitting(stem: str, ending: str) -> str:
    """A name that file systems take: of one that is too long the end of its stem is left out."""
    return stem.encode()[: NAME_BYTES - len(ending)].decode("utf-8", "ignore") + ending


async def _save(blocks: AsyncGenerator[bytes, None], target: Path, *, overwrite: bool) -> int:
    """Beside its place until it is whole. Raises FileExists, FileUnwritable, and why it doesn't come whole."""
    part = target.with_name(f".phoenix-{secrets.token_hex(8)}.part")
    written = 0
    try:
        if await asyncio.to_thread(_is_there, target) and not overwrite:
            raise FileExists(file=target)
        with await asyncio.to_thread(part.open, "xb") as out:
            async for block in blocks:
                await asyncio.to_thread(out.write, block)
                written += len(block)
            await asyncio.to_thread(_sync, out.fileno())
        await asyncio.to_thread(_place, part, target, overwrite=overwrite)
    except FileExistsError as error:
        raise FileExists(file=target) from error
    except OSError as error:
        raise FileUnwritable(file=target, detail=error.strerror or str(error)) from error
    finally:
        part.unlink(missing_ok=True)
    return written


def _is_there(target: Path) -> bool:
    """Raises OSError for a name that no file can have there, before all of it has come for nothing."""
    try:
        target.lstat()
    except FileNotFoundError:
        return False
    return True


def _sync(fd: int) -> None:
    os.fsync(fd)


def _place(part: Path, target: Path, *, overwrite: bool) -> None:
    """Give it its name; without `overwrite` only if that is still free. Raises OSError."""
    if overwrite:
        part.replace(target)
        return
    try:
        target.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
        try:
            part.replace(target)  # what is there is the empty file of the line above
        except OSError:
            target.unlink()
            raise


async def _print(blocks: AsyncGenerator[bytes, None]) -> None:
    sys.stdout.flush()
    out = sys.stdout.buffer
    async for block in blocks:
        await asyncio.to_thread(out.write, block)
    await asyncio.to_thread(out.flush)
