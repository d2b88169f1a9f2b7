"""A vault in memory: the real writers and readers with a dictionary for a store."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.vault.blockkeys import block_key
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.chunkwriter import PACK_CLOSE_BYTES, ChunkWriter
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import BlockRef, Location, OpenPack
from phoenix_core.vault.packhead import PackIdentity
from phoenix_core.vault.packreader import read_head
from phoenix_core.vault.packwriter import FinishedPack
from phoenix_core.vault.unseal import unseal_pack_key
from phoenix_core.vault.vaultkey import VaultKey

VAULT_ID = "00112233445566778899aabbccddeeff"
KEY = VaultKey.from_bytes(bytes(range(32)))
KEYS = KEY.domain_keys("default", 1)
PUBLIC_KEY = KEY.public_key()
PRIVATE_KEY = KEY.private_key()
IDENTITY = PackIdentity(VAULT_ID, "s0123456789")


class BytesPack:
    """A pack in memory, open for reading."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def pread(self, length: int, offset: int) -> bytes:
        return self.data[offset : offset + length]


class MemoryVault:
    def __init__(self) -> None:
        self.packs: dict[PackId, bytes] = {}
        self.places: dict[ChunkId, Location] = {}
        self.pack_keys: dict[PackId, bytes] = {}
        self.asked: list[int] = []
        """Sizes of the batches that `present` was asked."""
        self.opened = 0

    def present(self, ids: Sequence[ChunkId]) -> list[bool]:
        self.asked.append(len(ids))
        return [chunk in self.places for chunk in ids]

    def store(self, pack: FinishedPack) -> None:
        data = os.pread(pack.fd, pack.length, 0)
        assert len(data) == pack.length
        self.packs[pack.pack_id] = data
        self.pack_keys[pack.pack_id] = pack.pack_key
        for ordinal, block in enumerate(pack.tail.blocks):
            for chunk, offset, length in block.chunks():
                place = Location(pack.pack_id, ordinal, block.offset, block.sealed_bytes, offset, length)
                self.places.setdefault(chunk, place)

    def writer(
        self,
        kind: PackKind = PackKind.DATA,
        *,
        pack_bytes: int = PACK_CLOSE_BYTES,
        first_pack_bytes: int = 0,
        ask_ahead: bool = False,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> ChunkWriter:
        return ChunkWriter(
            kind,
            IDENTITY,
            KEYS,
            PUBLIC_KEY,
            self.present,
            self.store,
            3,
            pack_bytes,
            first_pack_bytes=first_pack_bytes,
            ask_ahead=ask_ahead,
            random_bytes=random_bytes,
        )

    def reader(self, kind: PackKind = PackKind.DATA, *, cache_bytes: int = 2**25) -> ChunkReader:
        return ChunkReader(self.locate, self.open_pack, self.block_keys, KEYS, kind, cache_bytes=cache_bytes)

    def locate(self, ids: Sequence[ChunkId]) -> list[Location | None]:
        return [self.places.get(chunk) for chunk in ids]

    @contextmanager
    def open_pack(self, pack_id: PackId) -> Iterator[OpenPack]:
        self.opened += 1
        yield BytesPack(self.packs[pack_id])

    def block_keys(self, blocks: Sequence[BlockRef]) -> list[bytes]:
        """As the core does it: from the heads, with the vault's private key."""
        return [block_key(self._pack_key(PackId(block.pack_id)), block.ordinal) for block in blocks]

    def _pack_key(self, pack_id: PackId) -> bytes:
        return unseal_pack_key(PRIVATE_KEY, read_head(BytesPack(self.packs[pack_id])))


def make_pack(chunks: Sequence[bytes], kind: PackKind = PackKind.DATA) -> tuple[PackId, bytes, bytes]:
    """A pack of these chunks: id, bytes, pack key."""
    vault = MemoryVault()
    with vault.writer(kind) as writer:
        for chunk in chunks:
            writer.add(chunk)
    ((pack_id, data),) = vault.packs.items()
    return pack_id, data, vault.pack_keys[pack_id]
