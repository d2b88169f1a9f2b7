"""Security descriptors for tests, laid out as [MS-DTYP] 2.4.6 says."""

import struct


def sid(text: str) -> bytes:
    _, _, authority, *numbers = text.split("-")
    packed = struct.pack(f"<{len(numbers)}I", *map(int, numbers))
    return bytes((1, len(numbers))) + int(authority).to_bytes(6, "big") + packed


def descriptor(owner: str, *, inherited: bool = False) -> bytes:
    """Owner and group, and a DACL that lets the owner read; `inherited`: its entries come from the folder above."""
    owned = sid(owner)
    ace = struct.pack("<BBHI", 0, 0x10 if inherited else 0, 8 + len(owned), 0x120089) + owned
    dacl = struct.pack("<BBHHH", 2, 0, 8 + len(ace), 1, 0) + ace
    group = sid("S-1-5-32-545")
    control = 0x8004 | (0x400 if inherited else 0)
    head = struct.pack("<BBHIIII", 1, 0, control, 20, 20 + len(owned), 0, 20 + len(owned) + len(group))
    return head + owned + group + dacl
