"""How fast the vault's pipeline is on this machine: cut, hash, join, compress, seal; then read back.

    python bench/vault_pipeline.py [MiB] [zstd level]

Prints MB/s of plain bytes for each stage alone and for all of them, on data half compressible, half not.
"""

import io
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import zstandard
from blake3 import blake3

from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.vault.block import encode_block, seal_block
from phoenix_core.vault.blockkeys import block_key
from phoenix_core.vault.chunker import Chunker
from phoenix_core.vault.chunkid import chunk_id
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.chunkwriter import ChunkWriter
from phoenix_core.vault.holes import data_extents
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import BlockRef, Location, OpenPack
from phoenix_core.vault.malloc import keep_large_buffers
from phoenix_core.vault.packhead import PackIdentity
from phoenix_core.vault.packwriter import FinishedPack
from phoenix_core.vault.vaultkey import VaultKey

MIB = 2**20
KEY = VaultKey.generate()
KEYS = KEY.domain_keys("default", 1)
IDENTITY = PackIdentity("0" * 32, "bench")
SMALL_FILE_BYTES = 12_000


class Store:
    """Keeps packs in memory."""

    def __init__(self) -> None:
        self.packs: dict[PackId, bytes] = {}
        self.keys: dict[PackId, bytes] = {}
        self.places: dict[ChunkId, Location] = {}

    def put(self, pack: FinishedPack) -> None:
        self.packs[pack.pack_id] = os.pread(pack.fd, pack.length, 0)
        self.keys[pack.pack_id] = pack.pack_key
        for ordinal, block in enumerate(pack.tail.blocks):
            for chunk, offset, length in block.chunks():
                place = Location(pack.pack_id, ordinal, block.offset, block.sealed_bytes, offset, length)
                self.places[chunk] = place

    @contextmanager
    def open(self, pack_id: PackId) -> Iterator[OpenPack]:
        yield _Open(self.packs[pack_id])

    def reader(self) -> ChunkReader:
        def locate(ids: Sequence[ChunkId]) -> list[Location | None]:
            return [self.places.get(chunk) for chunk in ids]

        def block_keys(refs: Sequence[BlockRef]) -> list[bytes]:
            return [block_key(self.keys[PackId(ref.pack_id)], ref.ordinal) for ref in refs]

        return ChunkReader(locate, self.open, block_keys, KEYS, PackKind.DATA)


class _Open:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def pread(self, length: int, offset: int) -> bytes:
        return self._data[offset : offset + length]


def sample(length: int) -> bytes:
    """Megabytes by turns of noise and of text of few words."""
    dice = random.Random(1)
    words = [dice.randbytes(dice.randrange(2, 9)).hex().encode() for _ in range(2000)]
    pieces = []
    for number in range(length // MIB):
        text = b" ".join(dice.choices(words, k=MIB // 8))
        pieces.append(dice.randbytes(MIB) if number % 2 else text[:MIB].ljust(MIB, b"."))
    return b"".join(pieces)


def measure(title: str, plain_bytes: int, work: Callable[[], object]) -> None:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    print(f"{title:<44}{plain_bytes / min(times) / 1e6:8.0f} MB/s")


def writer(store: Store, level: int) -> ChunkWriter:
    return ChunkWriter(
        PackKind.DATA, IDENTITY, KEYS, KEY.public_key(), lambda ids: [False] * len(ids), store.put, level
    )


def main() -> None:
    size = int(sys.argv[1]) * MIB if len(sys.argv) > 1 else 256 * MIB
    level = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    keep_large_buffers()
    data = sample(size)
    view = memoryview(data)
    chunks = [bytes(chunk) for chunk in Chunker(KEYS.chunker_seed).cut(io.BytesIO(data).readinto)]
    ids = [chunk_id(KEYS, PackKind.DATA, chunk) for chunk in chunks]
    compressor = zstandard.ZstdCompressor(level=level)
    slots = [memoryview(bytearray(b"\0" + chunk)) for chunk in chunks]

    def cut() -> None:
        for _ in Chunker(KEYS.chunker_seed).cut(io.BytesIO(data).readinto):
            pass

    def back_up() -> Store:
        store = Store()
        with writer(store, level) as out:
            for chunk in Chunker(KEYS.chunker_seed).cut(io.BytesIO(data).readinto):
                out.add(chunk)
        return store

    def back_up_small() -> None:
        with writer(Store(), level) as out:
            for at in range(0, size, SMALL_FILE_BYTES):
                out.add(view[at : at + SMALL_FILE_BYTES])

    def restore() -> None:
        for _ in store.reader().read(ids):
            pass

    print(f"{size // MIB} MiB in {len(chunks)} chunks, zstd level {level}")
    measure("find holes", size, lambda: [data_extents(view[at : at + MIB]) for at in range(0, size, MIB)])
    measure("cut", size, cut)
    measure("chunk ids", size, lambda: [chunk_id(KEYS, PackKind.DATA, chunk) for chunk in chunks])
    measure("compress", size, lambda: [encode_block(compressor, slot) for slot in slots])
    measure("seal", size, lambda: [seal_block(bytes(32), b"", 0, slot) for slot in slots])
    measure("hash a pack", size, lambda: blake3(data).digest())
    measure("all, one stream", size, back_up)
    measure(f"all, files of {SMALL_FILE_BYTES} bytes", size, back_up_small)
    store = back_up()
    measure("read back", size, restore)
    print(f"stored: {sum(map(len, store.packs.values())) / size:.1%}")


if __name__ == "__main__":
    main()
