"""What the index knows of each pack."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import Id32


class PackState(StrEnum):
    """Whether a pack's chunks count as present. Only `USABLE` ones do, for a new backup."""

    USABLE = "usable"
    CONDEMNED = "condemned"
    DAMAGED = "damaged"
    LOST = "lost"


class PackInfo(msgspec.Struct, frozen=True, array_like=True):
    pack_id: Id32
    bytes: Annotated[int, Meta(ge=0)]
    server_id: str
    domain: str
    epoch: int
    kind: PackKind
    chunks: Annotated[int, Meta(ge=0)]
    state: PackState
    proved: bool
    """The core has decrypted and re-hashed every chunk of it."""
    stored_at_ns: int
    read_at_ns: int = 0
    """When the core last read it to its end and found it as it was written; 0: not since the index was made."""


class ReadTimes(msgspec.Struct, frozen=True, omit_defaults=True):
    """When the usable packs were last read and checked."""

    unread: int = 0
    """Packs that were not, since the index was made."""
    oldest_ns: int = 0
    """Of the others the earliest time; 0: there are none."""
    newest_ns: int = 0
    unread_since_ns: int = 0
    """When the earliest was stored of those that were not; 0: there are none, or a node of an earlier release tells."""
