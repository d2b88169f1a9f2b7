"""A folder of a snapshot as a tar stream: pax headers, names and attributes in any bytes, holes left out.

Hard links are links to the first name that the archive has of a file. Files with holes are in GNU's sparse format 1.0,
which GNU tar, bsdtar and Python read. Sockets are left out. Memory grows only with the number of hard links.
"""

import tarfile
from collections.abc import Iterator

from phoenix_core.engine.reading.snapshotfiles import SnapshotFiles
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.filecontent import FileContent

BLOCK = tarfile.BLOCKSIZE
_TYPES = {
    EntryType.FILE: tarfile.REGTYPE,
    EntryType.DIRECTORY: tarfile.DIRTYPE,
    EntryType.SYMLINK: tarfile.SYMTYPE,
    EntryType.FIFO: tarfile.FIFOTYPE,
    EntryType.CHAR_DEVICE: tarfile.CHRTYPE,
    EntryType.BLOCK_DEVICE: tarfile.BLKTYPE,
}
Bytes = bytes | memoryview


def tar_stream(files: SnapshotFiles, path: bytes) -> Iterator[Bytes]:
    """The entry at `path` and all below it, named from its own name on; of `/`, from the names in it on.

    Raises what `SnapshotFiles` raises: a stream that raised is no archive, since its end is missing."""
    linked: dict[tuple[int, int], bytes] = {}
    sent = 0
    above = path.rstrip(b"/").rpartition(b"/")[0]
    for at, entry in files.walk(path):
        name = at[len(above) + 1 :]
        if not name or entry.type not in _TYPES:
            continue
        for block in _member(files, at, name, entry, linked):
            sent += len(block)
            yield block
    end = 2 * BLOCK
    yield bytes(end + -(sent + end) % tarfile.RECORDSIZE)


def _member(
    files: SnapshotFiles, path: bytes, name: bytes, entry: Entry, linked: dict[tuple[int, int], bytes]
) -> Iterator[Bytes]:
    info = _header(name, entry)
    key = (entry.device, entry.inode)
    if entry.links > 1 and not entry.is_directory:
        first = linked.setdefault(key, name)
        if first != name:
            info.type, info.linkname = tarfile.LNKTYPE, _text(first)
            yield _encoded(info)
            return
    if not entry.is_file:
        yield _encoded(info)
        return
    content = FileContent(entry)
    if entry.extents is None:
        info.size = entry.size
        yield _encoded(info)
        yield from files.read(path, content, 0, entry.size)
    else:
        layout = _sparse_map(content)
        info.size = len(layout) + entry.data_bytes
        folder, _, base = name.rpartition(b"/")
        info.name = _text((folder + b"/" if folder else b"") + b"GNUSparseFile.0/" + base)
        info.pax_headers = dict(info.pax_headers) | {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": _text(name),
            "GNU.sparse.realsize": str(entry.size),
        }
        yield _encoded(info)
        yield layout
        for extent in content.extents:
            yield from files.read(path, content, extent.offset, extent.offset + extent.length)
    if padding := -info.size % BLOCK:
        yield bytes(padding)


def _header(name: bytes, entry: Entry) -> tarfile.TarInfo:
    info = tarfile.TarInfo(_text(name))
    info.type = _TYPES[entry.type]
    info.mode, info.uid, info.gid = entry.mode, entry.uid, entry.gid
    info.uname, info.gname = entry.owner, entry.group
    info.linkname = _text(entry.target)
    info.devmajor, info.devminor = entry.rdev_major, entry.rdev_minor
    seconds, rest = divmod(entry.mtime_ns, 10**9)
    info.mtime = max(seconds, 0)
    pax = {
        f"SCHILY.xattr.{key.decode()}": _text(value) for key, value in entry.xattrs if b"=" not in key and _is_utf8(key)
    }
    if rest or seconds < 0:
        pax["mtime"] = _pax_time(entry.mtime_ns)
    info.pax_headers = pax
    return info


def _pax_time(time_ns: int) -> str:
    sign = "-" if time_ns < 0 else ""
    seconds, rest = divmod(abs(time_ns), 10**9)
    return f"{sign}{seconds}.{rest:09d}".rstrip("0").rstrip(".")


def _sparse_map(content: FileContent) -> bytes:
    """Where the data lies, in decimal lines, filled up to a block; an empty run at the end where the file ends in a
    hole."""
    runs = [(extent.offset, extent.length) for extent in content.extents]
    if not runs or sum(runs[-1]) < content.size:
        runs.append((content.size, 0))
    lines = [len(runs), *(number for run in runs for number in run)]
    text = "".join(f"{number}\n" for number in lines).encode()
    return text + bytes(-len(text) % BLOCK)


def _encoded(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
