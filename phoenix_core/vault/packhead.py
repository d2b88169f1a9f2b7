"""A pack's head: who wrote it, for which vault and domain, and the pack's key sealed to the vault.

    offset  bytes
         0      8  magic "PHNXPACK"
         8      2  format version, 1
        10      1  kind: 1 data, 2 metadata
        11      1  seal suite: 1 = HPKE MLKEM768-X25519, HKDF-SHA256, AES-256-GCM
        12      1  block suite: 1 = AES-256-GCM, zstd, keys by keyed BLAKE3
        13      1  id suite: 1 = keyed BLAKE3-256
        14      2  zero
        16      4  key epoch of the domain
        20      4  zero
        24     16  random pack id
        40     16  vault id
        56     32  domain, ASCII, zero-padded
        88     32  server id, ASCII, zero-padded
       120   1168  the pack key (32 bytes) sealed with HPKE; `info` is bytes 0 to 119

Integers are little-endian. All 1,288 bytes are associated data of every block and of the tail.
"""

import struct

import msgspec

from phoenix_core.vault.errors import InvalidName, PackDamaged, UnknownVersion
from phoenix_core.vault.kinds import KIND_OF_CODE, PackKind
from phoenix_core.vault.names import check_name, check_vault_id
from phoenix_core.vault.seal import SEAL_OVERHEAD, SUITE_ID, seal_to_vault

MAGIC = b"PHNXPACK"
VERSION = 1
BLOCK_SUITE_ID = 1
ID_SUITE_ID = 1
RANDOM_ID_BYTES = 16
PACK_KEY_BYTES = 32
SEALED_KEY_BYTES = PACK_KEY_BYTES + SEAL_OVERHEAD
_CLEAR = struct.Struct("<8sHBBBBHII16s16s32s32s")
CLEAR_SIZE = _CLEAR.size
HEAD_SIZE = CLEAR_SIZE + SEALED_KEY_BYTES


class PackIdentity(msgspec.Struct, frozen=True):
    """Whose packs a writer makes."""

    vault_id: str
    """32 hex digits."""
    server_id: str


class PackHead(msgspec.Struct, frozen=True):
    """A parsed head. `sealed_key` is empty only while the key is being sealed."""

    kind: PackKind
    vault_id: str
    server_id: str
    domain: str
    epoch: int
    random_id: bytes
    sealed_key: bytes = b""

    def clear_bytes(self) -> bytes:
        """The first 120 bytes: HPKE's `info`. Raises `InvalidName`."""
        return _CLEAR.pack(
            MAGIC,
            VERSION,
            self.kind.code,
            SUITE_ID,
            BLOCK_SUITE_ID,
            ID_SUITE_ID,
            0,
            self.epoch,
            0,
            self.random_id,
            check_vault_id(self.vault_id),
            check_name("Domain", self.domain),
            check_name("Server", self.server_id),
        )

    def encode(self) -> bytes:
        """All 1,288 bytes."""
        return self.clear_bytes() + self.sealed_key


def seal_head(head: PackHead, pack_key: bytes, public_key: bytes) -> PackHead:
    """The head with its pack key sealed to the vault."""
    return msgspec.structs.replace(head, sealed_key=seal_to_vault(public_key, pack_key, head.clear_bytes()))


def parse_head(data: bytes) -> PackHead:
    """The head at the start of `data`. Raises `PackDamaged`, or `UnknownVersion` for another version or suite."""
    if len(data) < HEAD_SIZE:
        raise PackDamaged(detail=f"its head has {len(data)} bytes instead of {HEAD_SIZE}")
    magic, version, kind, seal, block, ident, zero1, epoch, zero2, random_id, vault, domain, server = (
        _CLEAR.unpack_from(data)
    )
    if magic != MAGIC:
        raise PackDamaged(detail="it does not start as a pack does")
    if version != VERSION:
        raise UnknownVersion(what="pack", version=version)
    if (seal, block, ident) != (SUITE_ID, BLOCK_SUITE_ID, ID_SUITE_ID):
        raise UnknownVersion(what="pack", version=f"{version} with suites {seal}.{block}.{ident}")
    if kind not in KIND_OF_CODE or zero1 or zero2:
        raise PackDamaged(detail="its head is malformed")
    return PackHead(
        kind=KIND_OF_CODE[kind],
        vault_id=vault.hex(),
        server_id=_parse_name(server),
        domain=_parse_name(domain),
        epoch=epoch,
        random_id=random_id,
        sealed_key=bytes(data[CLEAR_SIZE:HEAD_SIZE]),
    )


def _parse_name(field: bytes) -> str:
    try:
        name = field.rstrip(b"\0").decode("ascii")
        check_name("Name", name)
    except (UnicodeDecodeError, InvalidName) as error:
        raise PackDamaged(detail="a name in its head is malformed") from error
    return name
