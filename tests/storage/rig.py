"""A vault with a real node, real keys and real packs, in a folder."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from phoenix_core.domain.ids import ChunkId, JobId, LeaseId, PackId, ServerId, SnapshotId, new_job_id, new_lease_id
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.node import StorageNode
from phoenix_core.storage.node_api import JobNode
from phoenix_core.storage.objectstore import ObjectStore
from phoenix_core.storage.tokens import StorageToken, mint
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.chunkwriter import ChunkWriter
from phoenix_core.vault.domainkeys import DomainKeys
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packhead import PackIdentity
from phoenix_core.vault.packwriter import FinishedPack
from phoenix_core.vault.vaultkey import VaultKey

DOMAIN = "default"
OURS = ServerId("s1")
THEIRS = ServerId("s2")


class HandClock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.seconds = 1000.0

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return self.seconds

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.seconds += seconds


class Facts(msgspec.Struct, frozen=True):
    vault_id: str
    token_public_key: bytes


class Job(msgspec.Struct, frozen=True):
    job: JobId
    lease: LeaseId
    token: str


class Rig:
    """One vault under `folder`, and the node that serves it."""

    def __init__(
        self,
        folder: Path,
        *,
        store: ObjectStore | None = None,
        key: VaultKey | None = None,
        vault_id: str = "",
        **node_options: Any,
    ) -> None:
        self.folder = folder
        self.clock = HandClock()
        self.key = key or VaultKey.generate()
        self.vault_id = vault_id or os.urandom(16).hex()
        self.keys: DomainKeys = self.key.domain_keys(DOMAIN, 1)
        signing = self.key.token_signing_key()
        self.facts = Facts(self.vault_id, signing.public_key().public_bytes_raw())
        self.store = store
        self.options = node_options
        self.node = self.start()

    def start(self, **options: Any) -> StorageNode:
        """A node on the same vault and index, as after a restart."""
        store = self.store or LocalStore(self.folder / "vault", clock=self.clock)
        index_keys = {(DOMAIN, 1): self.keys.index_key}
        self.node = StorageNode(
            store, self.folder / "index", self.facts, index_keys, self.clock, **(self.options | options)
        )
        return self.node

    def restart(self, **options: Any) -> StorageNode:
        self.node.close()
        return self.start(**options)

    def token(
        self, *, rights: str = "backup", server: str = OURS, lease: str = "", job: str = "j1", **more: Any
    ) -> str:
        vault_id = more.pop("vault_id", self.vault_id)
        key = more.pop("key", self.key.token_signing_key())
        expires = int(self.clock.now().timestamp()) + more.pop("seconds", 3600)
        return mint(key, vault_id, StorageToken(job, server, lease, rights, more.pop("domain", DOMAIN), expires))

    def job(self, *, rights: str = "backup", server: str = OURS, parent: SnapshotId | None = None) -> Job:
        """Open a lease, and the token that names it."""
        job, lease = new_job_id(), new_lease_id()
        self.node.open_lease(lease, job, server, parent)
        return Job(job, lease, self.token(rights=rights, server=server, lease=lease, job=job))

    def packs(
        self, chunks: Sequence[bytes], *, server: str = OURS, kind: PackKind = PackKind.DATA, pack_bytes: int = 1 << 25
    ) -> list[FinishedPack]:
        """Packs with these chunks; the caller closes them."""
        made: list[FinishedPack] = []

        def keep(pack: FinishedPack) -> None:
            fd = os.dup(pack.fd)
            kept = FinishedPack(pack.pack_id, fd, pack.length, pack_key=pack.pack_key, head=pack.head, tail=pack.tail)
            made.append(kept)

        with ChunkWriter(
            kind,
            PackIdentity(self.vault_id, server),
            self.keys,
            self.key.public_key(),
            lambda ids: [False] * len(ids),
            keep,
            pack_bytes=pack_bytes,
        ) as writer:
            for chunk in chunks:
                writer.add(chunk)
            writer.flush()
        return made

    @contextmanager
    def pack(self, chunks: Sequence[bytes], **options: Any) -> Iterator[FinishedPack]:
        (pack,) = self.packs(chunks, **options)
        with pack:
            yield pack

    def put(self, jobs: JobNode, chunks: Sequence[bytes], **options: Any) -> FinishedPack:
        """Store one pack with these chunks; its bytes are gone from here afterwards."""
        with self.pack(chunks, **options) as pack:
            jobs.put_pack(pack.pack_id, pack.fd, pack.length)
            return pack

    def reader(self, jobs: Any, packs: Sequence[FinishedPack], kind: PackKind = PackKind.DATA) -> ChunkReader:
        """Reads chunks back with the keys of these packs."""
        from phoenix_core.vault.blockkeys import block_key

        keys = {pack.pack_id: pack.pack_key for pack in packs}
        return ChunkReader(
            jobs.locate,
            jobs.open_pack,
            lambda refs: [block_key(keys[PackId(ref.pack_id)], ref.ordinal) for ref in refs],
            self.keys,
            kind,
        )


def ids_of(pack: FinishedPack) -> list[ChunkId]:
    return [chunk for block in pack.tail.blocks for chunk, _, _ in block.chunks()]


def some_chunks(count: int, size: int = 20_000, seed: int = 0) -> list[bytes]:
    return [(f"{seed}/{number}".encode() * size)[:size] for number in range(count)]
