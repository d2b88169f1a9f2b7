"""Security descriptors in self-relative form: what is read of them, and how they are given back.

Layout by Microsoft's [MS-DTYP] 2.4.6: revision 1, a zero byte, control bits (2, little-endian), then four offsets (4
each): owner, group, SACL, DACL; 0: absent. A SID ([MS-DTYP] 2.4.2.2) is a revision, a count, six bytes of authority,
big-endian, and so many numbers of four, little-endian.
"""

import struct

_HEADER = struct.Struct("<BBHIIII")
DACL_PRESENT, SELF_RELATIVE = 0x4, 0x8000
SACL_PRESENT = 0x10
_AUTO_INHERITED = ((0x400, 0x100), (0x800, 0x200))
"""For DACL and SACL: the bit that says so, and the one that has to be set with it for Windows to keep the former."""
SYSTEM_SID = bytes.fromhex("010100000000000512000000")
ADMINISTRATORS_SID = bytes.fromhex("01020000000000052000000020020000")
_FULL = 0x1F01FF


def is_descriptor(data: bytes) -> bool:
    """Whether Windows would take it for one, as far as its head and its parts' places tell."""
    if len(data) < _HEADER.size:
        return False
    revision, _, control, *offsets = _HEADER.unpack_from(data)
    return revision == 1 and bool(control & SELF_RELATIVE) and all(not at or 20 <= at < len(data) for at in offsets)


def owner_of(data: bytes) -> str:
    """`S-1-5-21-…`; empty where there is none."""
    return _sid_at(data, 1)


def group_of(data: bytes) -> str:
    return _sid_at(data, 2)


def has_sacl(data: bytes) -> bool:
    return is_descriptor(data) and bool(_HEADER.unpack_from(data)[2] & SACL_PRESENT)


def has_dacl(data: bytes) -> bool:
    return is_descriptor(data) and bool(_HEADER.unpack_from(data)[2] & DACL_PRESENT)


def to_be_set(data: bytes) -> bytes:
    """With the bits that make Windows keep what says that entries were inherited."""
    control = int.from_bytes(data[2:4], "little")
    for says, keeps in _AUTO_INHERITED:
        if control & says:
            control |= keeps
    return data[:2] + control.to_bytes(2, "little") + data[4:]


def private() -> bytes:
    """Full rights for the system and the administrators, nothing inherited: for what is half restored."""
    aces = b"".join(_allow(sid) for sid in (SYSTEM_SID, ADMINISTRATORS_SID))
    dacl = struct.pack("<BBHHH", 2, 0, 8 + len(aces), 2, 0) + aces
    owner_at = _HEADER.size
    dacl_at = owner_at + len(ADMINISTRATORS_SID)
    protected = 0x1000
    head = _HEADER.pack(1, 0, SELF_RELATIVE | DACL_PRESENT | protected, owner_at, 0, 0, dacl_at)
    return head + ADMINISTRATORS_SID + dacl


def sid_text(sid: bytes) -> str:
    """Empty for what is no SID."""
    if len(sid) < 8 or sid[0] != 1 or len(sid) < 8 + 4 * sid[1]:
        return ""
    authority = int.from_bytes(sid[2:8], "big")
    numbers = struct.unpack_from(f"<{sid[1]}I", sid, 8)
    return "-".join(map(str, ("S", 1, authority, *numbers)))


def _allow(sid: bytes) -> bytes:
    """An ACCESS_ALLOWED_ACE ([MS-DTYP] 2.4.4.2), inherited by all that is made below a folder."""
    return struct.pack("<BBHI", 0, 3, 8 + len(sid), _FULL) + sid


def _sid_at(data: bytes, number: int) -> str:
    if not is_descriptor(data):
        return ""
    offset = _HEADER.unpack_from(data)[2 + number]
    return sid_text(data[offset:]) if offset else ""
