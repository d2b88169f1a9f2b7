"""Which errors mean that a part of the vault can't be read, so that only the files that need it are missing."""

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.storage.errors import ObjectCold, ObjectMissing, StorageFailed
from phoenix_core.vault.errors import (
    BlockDamaged,
    ChunkDamaged,
    ChunkMissing,
    HostileTree,
    PackDamaged,
    UnknownVersion,
    UnsealFailed,
)

DAMAGED = "damaged"
_REASONS = {
    ChunkMissing.code: DAMAGED,
    ChunkDamaged.code: DAMAGED,
    PackDamaged.code: DAMAGED,
    BlockDamaged.code: DAMAGED,
    UnsealFailed.code: DAMAGED,
    ObjectMissing.code: DAMAGED,
    HostileTree.code: HostileTree.code,
    UnknownVersion.code: UnknownVersion.code,
    ObjectCold.code: ObjectCold.code,
    StorageFailed.code: StorageFailed.code,
}


def damage_reason(error: PhoenixError) -> str:
    """Why a file is missing that met this error, here or at the core; empty: the error is not about one file."""
    return _REASONS.get(error.view().code, "")
