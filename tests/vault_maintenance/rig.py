"""A vault behind a real storage node, with backups of small trees written as an agent would."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.domain.clock import Clock, SystemClock
from phoenix_core.domain.ids import ChunkId, LeaseId, SnapshotId, new_lease_id
from phoenix_core.engine.record_chain import RecordChain
from phoenix_core.storage.jobs import InProcessJobNode
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.node import StorageNode
from phoenix_core.storage.tokens import StorageToken, expires_in, mint
from phoenix_core.vault.chunkwriter import ChunkWriter
from phoenix_core.vault.corereader import CoreReader
from phoenix_core.vault.descriptor import VaultDescriptor
from phoenix_core.vault.entry import ChunkRef, Entry, EntryType
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packhead import PackIdentity
from phoenix_core.vault.packwriter import FinishedPack
from phoenix_core.vault.record import FIRST_PREVIOUS, Record, RecordKind, record_hash, sign
from phoenix_core.vault.snapshot import SnapshotBody, seal_snapshot
from phoenix_core.vault.tree import TreeWriter, entry_chunks
from phoenix_core.vault.treewalk import resolve, walk
from phoenix_core.vault.vaultkey import VaultKey

VAULT_ID = "5e" * 16
Files = dict[str, bytes]


class RunningBackup:
    """A backup between its order and its commit."""

    def __init__(self, rig: "Rig", server: str, job: str, parent: SnapshotId | None) -> None:
        self._rig = rig
        self.server = server
        self.job = job
        self.parent = parent
        self.lease: LeaseId = new_lease_id()
        rig.node.open_lease(self.lease, job, server, parent)
        self.node = rig.job_node(server, job, self.lease, "backup")
        self.packs: list[bytes] = []

    def store(self, files: Files) -> SnapshotId:
        """Write data, trees and the snapshot; it is staged then."""
        with self._writer(PackKind.DATA) as writer:
            chunks: dict[str, tuple[ChunkRef, ...]] = {
                name: (writer.add(content),) if content else () for name, content in files.items()
            }
        with self._writer(PackKind.META) as writer:
            trees = TreeWriter(writer)
            entries = [
                Entry(name.encode(), EntryType.FILE, 0o644, 0, 0, size=len(files[name]), chunks=chunks[name])
                for name in sorted(files)
            ]
            folder = Entry(b"srv", EntryType.DIRECTORY, 0o755, 0, 0, tree=trees.write(entries))
            root = trees.write([folder])
        agent = self._rig.agent_key
        body = SnapshotBody(
            vault_id=VAULT_ID,
            server_id=self.server,
            job_id=self.job,
            domain="default",
            epoch=1,
            root=root,
            paths=(b"/srv",),
            agent_public_key=agent.public_key().public_bytes_raw(),
            parent=self.parent or "",
            packs=tuple(self.packs),
        )
        return self.node.stage_snapshot(seal_snapshot(body, agent, self._rig.key.public_key()))

    def commit(self, snapshot: SnapshotId) -> None:
        self._rig.append(RecordKind.COMMIT, snapshot, self.server, self.lease)
        self._rig.node.close_lease(self.lease)

    def _writer(self, kind: PackKind) -> ChunkWriter:
        def put(pack: FinishedPack) -> None:
            self.node.put_pack(pack.pack_id, pack.fd, pack.length)
            self.packs.append(pack.pack_id)

        identity = PackIdentity(VAULT_ID, self.server)
        keys = self._rig.key.domain_keys("default", 1)
        return ChunkWriter(kind, identity, keys, self._rig.key.public_key(), self.node.present, put)


class Rig:
    time_ns = 0
    """Of its records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = VaultKey.from_bytes(bytes(range(32)))
        self.agent_key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        self.descriptor = VaultDescriptor(
            vault_id=VAULT_ID,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            public_key=self.key.public_key(),
            record_public_key=self.key.record_public_key(),
            token_public_key=self.key.token_public_key(),
            wrapped_keys=(),
        )
        self.node = self.open_node()
        self._jobs = 0

    def open_node(self) -> StorageNode:
        index_key = self.key.domain_keys("default", 1).index_key
        store = LocalStore(self.folder / "vault")
        return StorageNode(store, self.folder / "index", self.descriptor, {("default", 1): index_key})

    def restart_node(self) -> None:
        self.node.close()
        self.node = self.open_node()

    def job_node(self, server: str, job: str, lease: LeaseId, rights: str) -> InProcessJobNode:
        token = StorageToken(job, server, lease, rights, "default", expires_in(datetime.now(UTC), 3600))
        return self.node.job_node(mint(self.key.token_signing_key(), VAULT_ID, token))

    def begin(self, server: str = "sweb", parent: SnapshotId | None = None) -> RunningBackup:
        self._jobs += 1
        return RunningBackup(self, server, f"j{self._jobs}", parent)

    def backup(self, files: Files, server: str = "sweb", parent: SnapshotId | None = None) -> SnapshotId:
        running = self.begin(server, parent)
        snapshot = running.store(files)
        running.commit(snapshot)
        return snapshot

    def append(self, kind: RecordKind, snapshot: SnapshotId, server: str, lease: LeaseId | None = None) -> None:
        records = self.node.records()
        record = Record(
            sequence=len(records) + 1,
            previous=record_hash(records[-1][1]) if records else FIRST_PREVIOUS,
            time_ns=self.time_ns,
            kind=kind,
            server_id=server,
            agent_public_key=self.agent_key.public_key().public_bytes_raw(),
            snapshot=bytes.fromhex(snapshot),
        )
        self.node.append_record(record.sequence, sign(record, self.key.record_signing_key()), lease)

    def remove(self, snapshot: SnapshotId, server: str = "sweb") -> None:
        self.append(RecordKind.REMOVE, snapshot, server)
        self.node.delete_snapshot(snapshot)

    def chain(self, clock: Clock | None = None) -> RecordChain:
        """The records as a core has them that starts now; what it decides is written as a core writes it."""
        chain = RecordChain(self.node, self.key, clock or SystemClock())
        chain.load()
        return chain

    def prove_all(self) -> None:
        for info in list(self.node.packs()):
            self.node.mark_proved(info.pack_id)  # type: ignore[arg-type]

    def restore(self, snapshot: SnapshotId) -> Files:
        """Every file's content as the vault gives it back. Raises where a chunk is missing or damaged."""
        core = CoreReader(self.node, self.key)
        body = core.snapshot(snapshot)
        trees = core.trees_of(body)
        data = core.reader("default", 1, PackKind.DATA)
        return {
            entry.name.decode(): b"".join(data.read_one(ChunkId(ref.id)) for ref in entry_chunks(trees, entry))
            for _, entry in walk(trees, body.root)
            if entry.is_file
        }

    def restore_file(self, snapshot: SnapshotId, name: str) -> bytes:
        """The content of one file below /srv, read as a restore does. Raises where something of it is damaged."""
        core = CoreReader(self.node, self.key)
        body = core.snapshot(snapshot)
        trees = core.trees_of(body)
        entry = resolve(trees, body.root, b"/srv/" + name.encode())
        data = core.reader("default", 1, PackKind.DATA)
        return b"".join(piece for _, piece in data.read(ChunkId(ref.id) for ref in entry_chunks(trees, entry)))

    def merge(self) -> None:
        """Write an index object of what waits for one."""
        with self.node._state.using() as parts:
            parts.merged.write_due(at_least=1)

    @contextmanager
    def target(self, server: str) -> Iterator[InProcessJobNode]:
        """Where a prune's rewrite puts its packs."""
        lease = new_lease_id()
        self._jobs += 1
        self.node.open_lease(lease, f"p{self._jobs}", server, None)
        try:
            yield self.job_node(server, f"p{self._jobs}", lease, "backup")
        finally:
            self.node.close_lease(lease)

    def pack_files(self, kind: str) -> list[Path]:
        return sorted(path for path in (self.folder / "vault" / "packs" / kind).rglob("*") if path.is_file())

    def close(self) -> None:
        self.node.close()


def content(seed: int, length: int = 50_000) -> bytes:
    """Bytes that don't compress away and differ by seed."""
    import random

    return random.Random(seed).randbytes(length)


def flip(path: Path, at: int) -> None:
    """Change one byte of a file that is read-only."""
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 0x40]))
        file.flush()
        os.fsync(file.fileno())
