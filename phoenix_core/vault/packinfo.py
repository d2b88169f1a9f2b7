"""What the index knows of each pack."""

from enum import StrEnum

import msgspec


class PackState(StrEnum):
    """Whether a pack's chunks count as present. Only `USABLE` ones do, for a new backup."""

    USABLE = "usable"
    CONDEMNED = "condemned"
    DAMAGED = "damaged"
    LOST = "lost"


class PackInfo(msgspec.Struct, frozen=True, array_like=True):
    pack_id: bytes
    bytes: int
    server_id: str
    domain: str
    epoch: int
    kind: str
    """`data` or `meta`."""
    chunks: int
    state: PackState
    proved: bool
    """The core has decrypted and re-hashed every chunk of it."""
    stored_at_ns: int
