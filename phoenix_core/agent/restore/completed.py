"""What the journal keeps of an entry that is in place, as workers tell it: its path hashed, inode and ctime."""

import struct

from blake3 import blake3

from phoenix_core.agent.restore.records import Known

KEY_BYTES = 16
_STATUS = struct.Struct("<Qq")
ENTRY_BYTES = KEY_BYTES + _STATUS.size


def completed(path: bytes, inode: int, ctime_ns: int) -> bytes:
    """`path`: in the snapshot. Any number of these may be joined."""
    return key_of(path) + _STATUS.pack(inode, ctime_ns)


def key_of(path: bytes) -> bytes:
    """Stands for a path."""
    return blake3(path).digest(KEY_BYTES)


def status_in(packed: bytes) -> Known:
    """What follows the key."""
    return Known(*_STATUS.unpack(packed))
