"""A folder of a snapshot as a zip stream, for people whose desktop knows nothing else.

Names are safe on any system (`domain.names.portable`). Symbolic links are kept as such, further names of a file are
copies of it, holes are zeros; pipes, sockets and devices are left out. The table of contents, which comes last, waits
in a temporary file, so that memory doesn't grow with the number of files.
"""

import pickle
import stat
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any

from phoenix_core.domain.names import portable
from phoenix_core.engine.reading.snapshotfiles import SnapshotFiles
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.filecontent import FileContent

LEVEL = 1
"""Of deflate: a download waits for it."""
IN_MEMORY_BYTES = 2**20
_LARGE = 2**31 - 2**20
_FIRST, _LAST = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)
_MODES = {EntryType.FILE: stat.S_IFREG, EntryType.DIRECTORY: stat.S_IFDIR, EntryType.SYMLINK: stat.S_IFLNK}
Bytes = bytes | memoryview


def zip_stream(files: SnapshotFiles, path: bytes) -> Iterator[Bytes]:
    """The entry at `path` and all below it, named from its own name on; of `/`, from the names in it on.

    Raises what `SnapshotFiles` raises: a stream that raised is no archive, since its table of contents is missing."""
    sink = _Sink()
    above = path.rstrip(b"/").rpartition(b"/")[0]
    with tempfile.TemporaryFile() as spool, zipfile.ZipFile(sink, "w", compresslevel=LEVEL) as out:
        out.filelist = _Spooled(spool)
        out.NameToInfo = _Forgetful()
        for at, entry in files.walk(path):
            name = at[len(above) + 1 :]
            if name and entry.type in _MODES:
                yield from _member(out, sink, files, at, _info(name, entry), entry)
        out.close()
        yield from sink.taken()


def _info(name: bytes, entry: Entry) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("/".join(map(portable, name.split(b"/"))) + ("/" if entry.is_directory else ""))
    info.date_time = _dos_time(entry.mtime_ns)
    info.external_attr = (_MODES[entry.type] | entry.mode) << 16 | (0x10 if entry.is_directory else 0)
    info.extra = _unix_time(entry.mtime_ns)
    info.create_system = 3
    info.compress_type = zipfile.ZIP_DEFLATED if entry.is_file else zipfile.ZIP_STORED
    info.CRC = 0
    return info


def _member(
    out: zipfile.ZipFile, sink: "_Sink", files: SnapshotFiles, path: bytes, info: zipfile.ZipInfo, entry: Entry
) -> Iterator[Bytes]:
    if entry.is_directory:
        out.mkdir(info)
    elif entry.is_file:
        with out.open(info, "w", force_zip64=entry.size >= _LARGE) as member:
            for piece in files.read(path, FileContent(entry), 0, entry.size):
                member.write(piece)
                yield from sink.taken()
    else:
        out.writestr(info, entry.target)
    yield from sink.taken()


def _dos_time(time_ns: int) -> tuple[int, int, int, int, int, int]:
    try:
        at = datetime.fromtimestamp(time_ns // 10**9, UTC)
    except (ValueError, OverflowError, OSError):
        return _FIRST if time_ns < 0 else _LAST
    return min(max((at.year, at.month, at.day, at.hour, at.minute, at.second), _FIRST), _LAST)


def _unix_time(time_ns: int) -> bytes:
    """The extra field that holds the time to the second, UTC; empty where it doesn't fit."""
    seconds = time_ns // 10**9
    return struct.pack("<HHBi", 0x5455, 5, 1, seconds) if -(2**31) <= seconds < 2**31 else b""


class _Sink:
    """Takes what `zipfile` writes, until it is sent on. It can't be sought in, so sizes come behind each file."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """What is written is there."""

    def close(self) -> None:
        """What is written stays to be taken."""

    def taken(self) -> Iterator[bytes]:
        written, self._written = self._written, []
        yield from written


class _Spooled(list[zipfile.ZipInfo]):
    """The members so far, in a file: `zipfile` appends each, goes over all of them at the end, and counts them."""

    def __init__(self, spool: IO[bytes]) -> None:
        super().__init__()
        self._spool = spool
        self._count = 0

    def append(self, info: zipfile.ZipInfo) -> None:
        self._spool.seek(0, 2)
        pickle.dump(info, self._spool, protocol=5)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[zipfile.ZipInfo]:
        self._spool.seek(0)
        for _ in range(self._count):
            yield pickle.load(self._spool)  # noqa: S301  # our own file, which has no name


class _Forgetful(dict[str, Any]):
    """Names aren't looked up while writing; those of a tree are different."""

    def __setitem__(self, name: str, info: Any) -> None:
        pass
