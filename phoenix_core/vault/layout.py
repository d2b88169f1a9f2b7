"""Names of the objects in a vault's store. All parts are lower-case; a slash is a folder in a local store.

vault.json                          the descriptor
owner                               which storage node owns the vault
packs/<data|meta>/<2 hex>/<64 hex>  packs, in 256 folders by the first two digits of their name
snapshots/<64 hex>                  sealed snapshots
records/<16 digits>                 records, by sequence number
index/…                             merged heads and tails
"""

import re

from phoenix_core.domain.ids import PackId, SnapshotId
from phoenix_core.vault.kinds import PackKind

DESCRIPTOR = "vault.json"
OWNER = "owner"
PACKS = "packs/"
SNAPSHOTS = "snapshots/"
RECORDS = "records/"
INDEX = "index/"
_PACK = re.compile(r"packs/(data|meta)/([0-9a-f]{2})/(\2[0-9a-f]{62})")
_SNAPSHOT = re.compile(r"snapshots/([0-9a-f]{64})")
_RECORD = re.compile(r"records/([0-9]{16})")


def pack_name(kind: PackKind, pack_id: PackId) -> str:
    digits = pack_id.hex()
    return f"{PACKS}{kind.value}/{digits[:2]}/{digits}"


def parse_pack_name(name: str) -> tuple[PackKind, PackId] | None:
    """None for an object that is no pack."""
    match = _PACK.fullmatch(name)
    return (PackKind(match[1]), PackId(bytes.fromhex(match[3]))) if match else None


def snapshot_name(snapshot_id: SnapshotId) -> str:
    return SNAPSHOTS + snapshot_id


def parse_snapshot_name(name: str) -> SnapshotId | None:
    """None for an object that is no snapshot."""
    match = _SNAPSHOT.fullmatch(name)
    return SnapshotId(match[1]) if match else None


def record_name(sequence: int) -> str:
    return f"{RECORDS}{sequence:016d}"


def parse_record_name(name: str) -> int | None:
    """None for an object that is no record."""
    match = _RECORD.fullmatch(name)
    return int(match[1]) if match else None


def index_name(name: str) -> str:
    return INDEX + name
