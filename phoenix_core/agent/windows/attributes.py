"""FILE_ATTRIBUTE_* bits, and reparse tags: which of them stand for links, and which only say how a file is stored.

Source: Microsoft's "File Attribute Constants" and [MS-FSCC] 2.1.2.1, "Reparse Tags".
"""

import os
import stat

from phoenix_core.agent.windows.seam import FileFacts

READONLY, HIDDEN, SYSTEM, DIRECTORY, ARCHIVE, NORMAL = 0x1, 0x2, 0x4, 0x10, 0x20, 0x80
SPARSE, REPARSE_POINT, COMPRESSED, OFFLINE, NOT_INDEXED, ENCRYPTED = 0x200, 0x400, 0x800, 0x1000, 0x2000, 0x4000
RECALL_ON_OPEN, RECALL_ON_DATA = 0x40000, 0x400000
SETTABLE = READONLY | HIDDEN | SYSTEM | ARCHIVE | NOT_INDEXED
"""What SetFileInformationByHandle takes; the others say how a file is stored."""

MOUNT_POINT, SYMLINK = 0xA0000003, 0xA000000C
_WOF, _DEDUP, _HSM, _HSM2 = 0x80000017, 0x80000013, 0xC0000004, 0x80000006
_CLOUD, _CLOUD_MASK = 0x9000001A, 0xFFFF0FFF
"""Sixteen tags, which differ in one digit."""


def is_folder(facts: FileFacts) -> bool:
    return bool(facts.attributes & DIRECTORY)


def is_link(facts: FileFacts) -> bool:
    """A junction, a symbolic link, a mounted volume, or another reparse point that is no plain file or folder: what it
    leads to is not entered. Compressed system files, deduplicated files and files of a cloud are plain ones, which
    Windows reads as such."""
    if not facts.attributes & REPARSE_POINT:
        return False
    tag = facts.reparse_tag
    return tag not in {_WOF, _DEDUP, _HSM, _HSM2} and tag & _CLOUD_MASK != _CLOUD


def is_elsewhere(facts: FileFacts) -> bool:
    """Reading its content would fetch it from a cloud or a tape."""
    return bool(facts.attributes & (OFFLINE | RECALL_ON_OPEN | RECALL_ON_DATA))


def as_status(facts: FileFacts) -> os.stat_result:
    """Type, size and time of the last write, for what is the same on all systems."""
    kind = stat.S_IFLNK if is_link(facts) else stat.S_IFDIR if is_folder(facts) else stat.S_IFREG
    modified_s = facts.modified_ns / 1e9
    return os.stat_result(
        (kind, 0, 0, 0, 0, 0, facts.size, *(0, int(modified_s), 0), *(0.0, modified_s, 0.0), *(0, facts.modified_ns, 0))
    )
