"""A vault with a real storage node behind its hand-over socket, and the ports of a job, for the agent's tests."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agent.keycache import KeyCache
from phoenix_core.agentlink.messages import BackupOrder, DomainAccess, ParentSnapshot, StorageAccess
from phoenix_core.agentlink.reports import BackupResult, EstimateReport, LogReport, Progress, ReportBody, StepReport
from phoenix_core.agentlink.tlsfiles import TlsFiles
from phoenix_core.domain.clock import SystemClock
from phoenix_core.domain.ids import LeaseId, SnapshotId, new_job_id, new_lease_id
from phoenix_core.storage.handover import HandoverServer
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.node import StorageNode
from phoenix_core.storage.tokens import StorageToken, expires_in, mint
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.corereader import CoreReader
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import BlockRef
from phoenix_core.vault.snapshot import SnapshotBody, open_snapshot
from phoenix_core.vault.tree import entry_chunks
from phoenix_core.vault.treewalk import walk
from phoenix_core.vault.vaultkey import VaultKey

DOMAIN = "default"
SERVER = "s1"


class Facts(msgspec.Struct, frozen=True):
    vault_id: str
    token_public_key: bytes


@dataclass
class RigPorts:
    """The ports of one job; keeps what was reported."""

    rig: "VaultRig"
    lease: str = ""
    job: str = ""
    rights: str = "backup"
    cancelled: threading.Event = field(default_factory=threading.Event)
    cancelled_by: str = "a test"
    tls: TlsFiles | None = None
    reports: list[ReportBody] = field(default_factory=list)
    told: list[Progress] = field(default_factory=list)
    asked_blocks: list[BlockRef] = field(default_factory=list)
    tokens: int = 0
    use_cache: bool = True
    grow: Callable[[int], tuple[int, bool]] = lambda seen: (seen, True)
    """How a grant that grows does so."""

    @property
    def state_dir(self) -> Path:
        return self.rig.state_dir

    @property
    def signing_key(self) -> Ed25519PrivateKey:
        return self.rig.signing_key

    def report(self, body: ReportBody) -> None:
        self.reports.append(body)

    def progress(self, progress: Progress) -> None:
        self.told.append(progress)

    def block_keys(self, refs: Sequence[BlockRef]) -> list[bytes]:
        self.asked_blocks += refs
        return self.rig.block_keys(refs)

    def grown(self, seen: int) -> tuple[int, bool]:
        return self.grow(seen)

    def fresh_token(self) -> str:
        self.tokens += 1
        return self.rig.token(self.lease, self.job, self.rights)

    def remember_pack_keys(self, keys: Mapping[bytes, bytes]) -> None:
        self.rig.cache.remember(keys)

    def recall_pack_keys(self, pack_ids: Sequence[bytes]) -> dict[bytes, bytes]:
        return self.rig.cache.recall(pack_ids) if self.use_cache else {}

    def steps(self) -> list[tuple[str, str]]:
        """Step ids and states in the order of the reports."""
        return [(body.step, str(body.state)) for body in self.reports if isinstance(body, StepReport)]

    def details(self, step: str) -> list[str]:
        """What was said beside a step."""
        return [body.detail for body in self.reports if isinstance(body, StepReport) and body.step == step]

    def logged(self) -> list[str]:
        return [body.text for body in self.reports if isinstance(body, LogReport)]

    def estimate(self) -> EstimateReport:
        (found,) = [body for body in self.reports if isinstance(body, EstimateReport)]
        return found


class VaultRig:
    """One vault below `folder`. The core's part (leases, tokens, opening snapshots) is done by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SystemClock()
        self.key = VaultKey.generate()
        self.vault_id = os.urandom(16).hex()
        self.keys = self.key.domain_keys(DOMAIN, 1)
        self.signing_key = Ed25519PrivateKey.generate()
        self.state_dir = folder / "agent"
        self.state_dir.mkdir(mode=0o700, parents=True)
        self.cache = KeyCache(self.state_dir)
        self.socket = folder / "storage.sock"
        self.node = self._node()
        self.server = HandoverServer(self.node.desk, self.socket)
        self.server.start()

    def close(self) -> None:
        self.server.stop()
        self.node.close()
        self.cache.close()

    def restart_node(self) -> None:
        self.stop_node()
        self.start_node()

    def stop_node(self) -> None:
        self.server.stop()
        self.node.close()

    def start_node(self) -> None:
        self.node = self._node()
        self.server = HandoverServer(self.node.desk, self.socket)
        self.server.start()

    def token(self, lease: str, job: str, rights: str = "backup", *, seconds: int = 3600) -> str:
        expires = expires_in(self.clock.now(), seconds)
        return mint(
            self.key.token_signing_key(), self.vault_id, StorageToken(job, SERVER, lease, rights, DOMAIN, expires)
        )

    def backup_order(
        self, *paths: Path | bytes, parent: BackupResult | None = None, **more: Any
    ) -> tuple[BackupOrder, RigPorts]:
        """An order for these paths with a lease of its own, and the ports for the job."""
        job, lease = new_job_id(), new_lease_id()
        self.node.open_lease(lease, job, SERVER, SnapshotId(parent.snapshot_id) if parent else None)
        seconds = more.pop("token_seconds", 3600)
        unusable = tuple(more.pop("unusable_chunks", ()))
        order = BackupOrder(
            job=job,
            server_id=SERVER,
            vault_id=self.vault_id,
            vault_public_key=self.key.public_key(),
            domain=self.domain_access(),
            storage=StorageAccess(
                token=self.token(lease, job, seconds=seconds), url="", socket_path=str(self.socket), lease=lease
            ),
            paths=tuple(os.fsencode(path) for path in paths),
            parent=self.parent_of(parent, unusable) if parent else None,
            **more,
        )
        return order, RigPorts(self, lease, job)

    def parent_of(self, result: BackupResult, unusable: tuple[bytes, ...] = ()) -> ParentSnapshot:
        return ParentSnapshot(result.snapshot_id, self.body(result.snapshot_id).root, unusable)

    def domain_access(self) -> DomainAccess:
        keys = self.keys
        return DomainAccess(
            keys.domain, keys.epoch, keys.data_id_key, keys.meta_id_key, keys.index_key, keys.chunker_seed
        )

    def body(self, snapshot_id: str) -> SnapshotBody:
        """The snapshot, its signature checked."""
        body, agent = open_snapshot(self.key.private_key(), self.node.read_snapshot(SnapshotId(snapshot_id)))
        assert agent == self.signing_key.public_key().public_bytes_raw()
        return body

    def block_keys(self, refs: Sequence[BlockRef]) -> list[bytes]:
        return list(CoreReader(self.node, self.key).pack_keys.block_keys(refs))

    def reader(self, kind: PackKind) -> ChunkReader:
        return CoreReader(self.node, self.key).reader(DOMAIN, 1, kind)

    def entries(self, snapshot_id: str) -> dict[bytes, Entry]:
        """All entries of a snapshot by absolute path."""
        return dict(walk(self.reader(PackKind.META), self.body(snapshot_id).root))

    def below(self, result: BackupResult, folder: Path) -> dict[bytes, Entry]:
        """Entries of a folder: those of the folders above it may change with whatever else is done in them."""
        inside = os.fsencode(folder)
        return {path: each for path, each in self.entries(result.snapshot_id).items() if path.startswith(inside)}

    def pieces(self, entry: Entry) -> Iterator[tuple[int, bytes]]:
        """A file's data as (offset, bytes), holes left out, read back from the vault."""
        refs = list(entry_chunks(self.reader(PackKind.META), entry))
        data = b"".join(part for _, part in self.reader(PackKind.DATA).read([ref.id for ref in refs]))  # type: ignore[misc]
        if entry.extents is None:
            yield 0, data
            return
        at = 0
        for extent in entry.extents:
            yield extent.offset, data[at : at + extent.length]
            at += extent.length

    def content(self, entry: Entry) -> bytes:
        """A file's bytes, for files that fit into memory."""
        whole = bytearray(entry.size)
        for offset, data in self.pieces(entry):
            whole[offset : offset + len(data)] = data
        return bytes(whole)

    def end(self, ports: RigPorts) -> None:
        """Close a job's lease."""
        self.node.close_lease(LeaseId(ports.lease))

    def _node(self) -> StorageNode:
        facts = Facts(self.vault_id, self.key.token_signing_key().public_key().public_bytes_raw())
        store = LocalStore(self.folder / "vault", clock=self.clock)
        return StorageNode(store, self.folder / "index", facts, {(DOMAIN, 1): self.keys.index_key}, self.clock)


@contextmanager
def one_pack_only(rig: VaultRig, act: Callable[[], object] = lambda: None) -> Iterator[threading.Event]:
    """The node takes one pack, then something is done; it takes the others once the event is set, or at the end.

    For what must happen while a transfer is under way, which might be over too soon without it."""
    going_on = threading.Event()
    put, number = rig.node.desk.put_pack, itertools.count()

    def put_one(*arguments: Any) -> None:
        if next(number):
            going_on.wait(60)
            put(*arguments)
        else:
            put(*arguments)
            act()

    rig.node.desk.put_pack = put_one  # type: ignore[method-assign,assignment]
    try:
        yield going_on
    finally:
        going_on.set()
