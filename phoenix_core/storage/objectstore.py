"""The one seam to where bytes lie: named, immutable objects with atomic put, ranged get and tiers.

Implementations: `local.LocalStore`. One conformance suite (tests/storage/test_objectstore_conformance.py) runs against
all. Names are lower-case paths such as `packs/data/ab/abcd…`. Every method may raise StorageFull and StorageFailed,
and where its file system takes no changes StorageReadOnly, which is a StorageFailed.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Protocol, Self

import msgspec

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")


def checked_name(name: str) -> str:
    """The name, if it is one. Raises ValueError: only a fault of the program asks for another."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not an object name: {name!r}")
    return name


class Tier(StrEnum):
    """Where an object is on its way between warm storage and the archive."""

    WARM = "warm"
    ARCHIVING = "archiving"
    COLD = "cold"
    THAWING = "thawing"
    THAWED = "thawed"


class ThawState(msgspec.Struct, frozen=True):
    tier: Tier
    changes_at: datetime | None = None
    """THAWING: when it will be readable, as far as known. THAWED: when it goes cold again."""

    @property
    def readable(self) -> bool:
        return self.tier in {Tier.WARM, Tier.ARCHIVING, Tier.THAWED}


class ObjectInfo(msgspec.Struct, frozen=True):
    name: str
    bytes: int
    version: str
    """Changes whenever the object is written anew; for conditional writes."""


class Space(msgspec.Struct, frozen=True):
    free_bytes: int
    total_bytes: int


class OpenObject(Protocol):
    """An object open for reading."""

    @property
    def length(self) -> int: ...

    def pread(self, length: int, offset: int) -> bytes: ...

    def fileno(self) -> int:
        """A read-only descriptor of the object's bytes, or -1 where there is none."""

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class StagedObject(Protocol):
    """An object on its way in: private to the node, and visible to nobody before `commit`."""

    @property
    def length(self) -> int: ...

    def write(self, data: bytes | memoryview) -> None: ...

    def copy_from(self, fd: int, length: int) -> None:
        """Take `length` bytes from offset 0 of `fd`, by reflink or in the kernel where that can be."""

    def digest(self) -> bytes:
        """BLAKE3 of the staged copy, 32 bytes: of what will be stored, not of what the sender still holds."""

    def pread(self, length: int, offset: int) -> bytes: ...

    def commit(self, name: str, *, replace: bool = False) -> bool:
        """Make it durable under `name`. False, and nothing changed, where the name is taken and not to be replaced."""

    def discard(self) -> None:
        """Forget it; does nothing after `commit`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class ObjectStore(Protocol):
    @property
    def place(self) -> str:
        """Where it is, for messages: a folder or a URL without secrets."""

    def put(self, name: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> bool:
        """Store durably and atomically. False, and nothing changed, where a condition isn't met."""

    def stage(self) -> StagedObject: ...

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of an object; fewer than `length` at its end. Raises ObjectMissing, ObjectCold."""

    def open_read(self, name: str) -> OpenObject:
        """Raises ObjectMissing, ObjectCold."""

    def head(self, name: str) -> ObjectInfo | None: ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose names start with `prefix`, by name; archived ones too."""

    def delete(self, name: str) -> None:
        """Durably; an object that isn't there is no error."""

    def archive(self, name: str) -> None:
        """Move to the archive. Reading it then needs a thaw."""

    def request_thaw(self, name: str, keep_s: int) -> None:
        """Have an archived object made readable for `keep_s` seconds; asking again prolongs."""

    def thaw_state(self, name: str) -> ThawState: ...

    def space(self) -> Space: ...

    def sweep_leftovers(self) -> int:
        """Remove what crashed writers left; only for the store's one owner, at its start. Returns how many."""

    def settle(self) -> None:
        """Make durable whatever is there: a writer that died may have given an object its name, and not synced that."""

    def sole_user(self) -> bool | None:
        """Try to be the only node on this store. True: it is certain that no other runs; False: another does; None:
        this kind of store can't tell."""

    def close(self) -> None: ...
