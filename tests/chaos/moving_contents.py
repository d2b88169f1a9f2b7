"""Contents that say of themselves which file and version they are, page by page, so that a mixture can't hide.

A page is one record over and over: file (u32), version (u32), number of the page (u64), check (16 bytes)."""

import hashlib
import struct

PAGE = 4096
_RECORD = struct.Struct("<IIQ")
_NAMES = struct.Struct("<II")


def page(file: int, version: int, number: int) -> bytes:
    record = _RECORD.pack(file, version, number)
    record += hashlib.blake2s(record, digest_size=16).digest()
    return record * (PAGE // len(record))


def stream(file: int, version: int, begin: int, end: int) -> bytes:
    """Bytes `begin` to `end` of a version that never ends."""
    first = begin // PAGE
    pages = b"".join(page(file, version, number) for number in range(first, -(-end // PAGE)))
    return pages[begin - first * PAGE : end - first * PAGE]


class Mixed(Exception):
    """Some page isn't one of any version."""


def versions(content: bytes) -> list[tuple[int, int]]:
    """The files and versions that a content is of, in the order of its pages, each as long as it goes on. Raises
    `Mixed`. A content of fewer than 8 bytes tells nothing."""
    found: list[tuple[int, int]] = []
    for number in range(-(-len(content) // PAGE)):
        part = content[number * PAGE : (number + 1) * PAGE]
        if len(part) >= _NAMES.size:
            file, version = _NAMES.unpack_from(part)
            candidates = [(file, version)]
        else:  # a short tail: of the version before it, or of one that a rewrite hasn't reached
            file, version = found[-1] if found else (0, 0)
            candidates = [(file, version - back) for back in range(3) if version >= back]
        same = next((name for name in candidates if page(name[0], name[1], number).startswith(part)), None)
        if same is None:
            raise Mixed(f"page {number} is of no version")
        if not found or found[-1] != same:
            found.append(same)
    return found
