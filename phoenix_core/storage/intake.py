"""What a pack must pass before it is let into the vault: its name, its head, its tail."""

from collections.abc import Mapping

import msgspec

from phoenix_core.domain.ids import PackId
from phoenix_core.storage.errors import PackRefused
from phoenix_core.storage.objectstore import OpenObject, StagedObject
from phoenix_core.storage.tokens import StorageToken
from phoenix_core.vault.errors import PackDamaged, UnknownVersion
from phoenix_core.vault.packhead import PackHead, parse_head
from phoenix_core.vault.packreader import parse_tail, read_head_bytes, read_sealed_tail
from phoenix_core.vault.packtail import PackTail

MAX_PACK_BYTES = 1 << 30
"""Offsets in the index have 32 bits; agents close packs at about 32 MiB."""

IndexKeys = Mapping[tuple[str, int], bytes]
"""Index key of each domain and epoch."""


class CheckedPack(msgspec.Struct, frozen=True):
    pack_id: PackId
    length: int
    head: PackHead
    head_bytes: bytes
    tail: PackTail
    sealed_tail: bytes


def read_pack(pack_id: PackId, pack: StagedObject | OpenObject, vault_id: str, index_keys: IndexKeys) -> CheckedPack:
    """Head and tail of a pack of this vault. Raises PackRefused."""
    try:
        head_bytes = read_head_bytes(pack)
        sealed_tail = read_sealed_tail(pack, pack.length)
    except (PackDamaged, UnknownVersion) as error:
        raise PackRefused(pack=pack_id.hex(), reason=error.message) from error
    return open_pack_parts(pack_id, pack.length, head_bytes, sealed_tail, vault_id, index_keys)


def open_pack_parts(
    pack_id: PackId, length: int, head_bytes: bytes, sealed_tail: bytes, vault_id: str, index_keys: IndexKeys
) -> CheckedPack:
    """As `read_pack`, from head and sealed tail alone, as merged index objects hold them. Raises PackRefused."""
    name = pack_id.hex()
    try:
        head = parse_head(head_bytes)
        if head.vault_id != vault_id:
            raise PackRefused(pack=name, reason=f"it was written for vault {head.vault_id}")
        key = index_keys.get((head.domain, head.epoch))
        if key is None:
            raise PackRefused(pack=name, reason=f"domain {head.domain}, epoch {head.epoch}, isn't known here")
        tail = parse_tail(head_bytes, sealed_tail, key, length)
    except (PackDamaged, UnknownVersion) as error:
        raise PackRefused(pack=name, reason=error.message) from error
    return CheckedPack(pack_id, length, head, head_bytes, tail, sealed_tail)


def check_incoming(
    pack_id: PackId, staged: StagedObject, token: StorageToken, vault_id: str, index_keys: IndexKeys
) -> CheckedPack:
    """Whether our own copy of a pack is what its name says and what this token may add. Raises PackRefused."""
    name = pack_id.hex()
    found = staged.digest()
    if found != pack_id:
        raise PackRefused(pack=name, reason=f"its {staged.length} bytes hash to {found.hex()}")
    checked = read_pack(pack_id, staged, vault_id, index_keys)
    if token.rights != "core":
        if checked.head.server_id != token.server_id:
            raise PackRefused(pack=name, reason=f"it is in the name of server {checked.head.server_id}")
        if checked.head.domain != token.domain:
            raise PackRefused(pack=name, reason=f"it is of domain {checked.head.domain}")
    return checked
