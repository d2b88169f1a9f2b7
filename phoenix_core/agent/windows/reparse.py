"""Reparse points: what a REPARSE_DATA_BUFFER says of a link's target.

Layout by Microsoft's [MS-FSCC] 2.1.2: the tag (4, little-endian), the length of what follows the header (2), zero (2).
For junctions and symbolic links (2.1.2.4, 2.1.2.5) follow offset and length of the substitute name and of the print
name, 2 bytes each, for links flags (4), then the names in UTF-16 at those offsets, which count from there.
"""

import struct

from phoenix_core.agent.windows.attributes import MOUNT_POINT, SYMLINK

_HEADER = struct.Struct("<IHH")
_NAMES = struct.Struct("<HHHH")
MAX_BYTES = 16384
_NT_PREFIX = "\\??\\"


def tag_of(data: bytes) -> int:
    """0 for what is no reparse data."""
    if len(data) < _HEADER.size or len(data) > MAX_BYTES:
        return 0
    tag, length, _ = _HEADER.unpack_from(data)
    return tag if len(data) >= _HEADER.size + length else 0


def target_of(data: bytes) -> str:
    """Where it leads, as a person would write it; of another kind of reparse point its tag. Never empty."""
    tag = tag_of(data)
    try:
        target = _target(tag, data)
    except (struct.error, UnicodeDecodeError):
        target = ""
    return target.replace("\0", "") or f"reparse point {tag:08x}"


def _target(tag: int, data: bytes) -> str:
    if tag not in {MOUNT_POINT, SYMLINK}:
        return ""
    substitute_at, substitute_bytes, print_at, print_bytes = _NAMES.unpack_from(data, _HEADER.size)
    names_at = _HEADER.size + _NAMES.size + (4 if tag == SYMLINK else 0)
    printed = _text(data, names_at + print_at, print_bytes)
    if printed:
        return printed
    return _text(data, names_at + substitute_at, substitute_bytes).removeprefix(_NT_PREFIX)


def _text(data: bytes, at: int, length: int) -> str:
    if at + length > len(data):
        return ""
    return data[at : at + length].decode("utf-16-le", "surrogatepass")


def junction_data(target: str) -> bytes:
    """Of a junction to a folder of this host, such as `C:\\Data`."""
    substitute = (_NT_PREFIX + target).encode("utf-16-le", "surrogatepass")
    printed = target.encode("utf-16-le", "surrogatepass")
    names = substitute + b"\0\0" + printed + b"\0\0"
    body = _NAMES.pack(0, len(substitute), len(substitute) + 2, len(printed)) + names
    return _HEADER.pack(MOUNT_POINT, len(body), 0) + body
