"""The structures that calls of Windows fill, read from their bytes. Little-endian; layouts by Microsoft's
documentation of winbase.h and winioctl.h, named at each."""

import struct
from collections.abc import Iterator

from blake3 import blake3

from phoenix_core.agent.windows.seam import FileFacts, StreamFacts

_EPOCH_TICKS = 116_444_736_000_000_000
"""From 1601 to 1970, in FILETIME's steps of 100 ns."""
BASIC = struct.Struct("<4qI4x")
"""FILE_BASIC_INFO: creation, last access, last write, change; attributes."""
STANDARD = struct.Struct("<qqIBB2x")
"""FILE_STANDARD_INFO: allocation size, end of file, links, delete pending, directory."""
ATTRIBUTE_TAG = struct.Struct("<II")
"""FILE_ATTRIBUTE_TAG_INFO."""
FILE_ID = struct.Struct("<Q16s")
"""FILE_ID_INFO: the volume's serial number, the id."""
RANGE = struct.Struct("<qq")
"""FILE_ALLOCATED_RANGE_BUFFER: offset, length."""
_DIRECTORY_HEAD = struct.Struct("<II4qqqIIII")
"""What FILE_ID_EXTD_DIR_INFO begins with: next, index; four times; end of file, allocation; attributes, bytes of the
name, size of extended attributes, reparse tag. Then the id (16), then the name."""
_DIRECTORY_ID, _DIRECTORY_NAME = 72, 88
_BOTH_ID, _BOTH_NAME = 96, 104
"""FILE_ID_BOTH_DIR_INFO has the same head; where that says the tag it has a short name's length and a short name,
then an id of 8 bytes, then the name. Of a reparse point its size of extended attributes is the tag."""
_STREAM = struct.Struct("<IIqq")
"""FILE_STREAM_INFO: next, bytes of the name, size, allocation; then the name."""
_STREAM_END = ":$DATA"
_REPARSE_POINT = 0x400


def to_ns(ticks: int) -> int:
    """A FILETIME as nanoseconds since 1970; 0 stays 0: not kept."""
    return (ticks - _EPOCH_TICKS) * 100 if ticks > 0 else 0


def to_ticks(ns: int) -> int:
    """The reverse; what lies before 1601 becomes 1, the first moment."""
    return max(1, ns // 100 + _EPOCH_TICKS) if ns else 0


def id_number(id128: bytes) -> int:
    """A file's id in 64 bits: NTFS uses no more; of longer ones, as ReFS has them, a hash."""
    low, high = struct.unpack("<QQ", id128)
    if high in {0, 2**64 - 1}:
        return int(low) if low != 2**64 - 1 else 0
    return int.from_bytes(blake3(id128).digest(8), "little")


def directory_entries(buffer: bytes, *, extended: bool) -> Iterator[FileFacts]:
    """The entries in a buffer of FileIdExtdDirectoryInfo, else of FileIdBothDirectoryInfo; without `.` and `..`.

    Raises ValueError for what is no such chain."""
    id_at, name_at = (_DIRECTORY_ID, _DIRECTORY_NAME) if extended else (_BOTH_ID, _BOTH_NAME)
    at = 0
    while True:
        if at + name_at > len(buffer):
            raise ValueError("a directory entry is cut off")
        head = _DIRECTORY_HEAD.unpack_from(buffer, at)
        following, _, created, _, modified, changed, size, allocated, attributes, name_bytes, ea_bytes, tag = head
        end = at + name_at + name_bytes
        if end > len(buffer):
            raise ValueError("a directory entry's name is cut off")
        name = buffer[at + name_at : end].decode("utf-16-le", "surrogatepass")
        if name not in {".", ".."}:
            id128 = buffer[at + id_at : at + id_at + (16 if extended else 8)].ljust(16, b"\0")
            is_link = attributes & _REPARSE_POINT
            yield FileFacts(
                name,
                attributes,
                size,
                allocated,
                to_ns(created),
                to_ns(modified),
                to_ns(changed),
                id_number(id128),
                (tag if extended else ea_bytes) if is_link else 0,
            )
        if not following:
            return
        at += following


def named_streams(buffer: bytes) -> Iterator[StreamFacts]:
    """The named data streams in a buffer of FileStreamInfo: not `::$DATA`, the content. Raises ValueError."""
    at = 0
    while True:
        if at + _STREAM.size > len(buffer):
            raise ValueError("a stream's entry is cut off")
        following, name_bytes, size, allocated = _STREAM.unpack_from(buffer, at)
        start = at + _STREAM.size
        if start + name_bytes > len(buffer):
            raise ValueError("a stream's name is cut off")
        name = buffer[start : start + name_bytes].decode("utf-16-le", "surrogatepass")
        plain = name.removeprefix(":").removesuffix(_STREAM_END)
        if plain and name.endswith(_STREAM_END):
            yield StreamFacts(plain, size, allocated)
        if not following:
            return
        at += following


def process_ids(buffer: bytes, pointer_bytes: int) -> list[int]:
    """Those in a FILE_PROCESS_IDS_USING_FILE_INFORMATION: how many, then each as wide as a pointer."""
    count = int.from_bytes(buffer[:4], "little")
    ends = range(2 * pointer_bytes, len(buffer) + 1, pointer_bytes)
    return [int.from_bytes(buffer[end - pointer_bytes : end], "little") for end in ends[:count]]


def ranges(buffer: bytes) -> list[tuple[int, int]]:
    """What FSCTL_QUERY_ALLOCATED_RANGES gave."""
    return [(offset, length) for offset, length in RANGE.iter_unpack(buffer)]


def details_of(basic: bytes, standard: bytes, tag: int, id128: bytes) -> FileFacts:
    """The facts by an open handle, without a name."""
    created, _, modified, changed, attributes = BASIC.unpack(basic)
    allocated, size, _, _, _ = STANDARD.unpack(standard)
    return FileFacts(
        "", attributes, size, allocated, to_ns(created), to_ns(modified), to_ns(changed), id_number(id128), tag
    )
