"""One backup of a stream, from order to staged snapshot: one file, its size not known before its end.

The snapshot is staged only after the stream ended well (a script with exit code 0, a sender that said so); what was
uploaded for one that failed is unused, and goes with a prune, or serves the next run.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from phoenix_core.agent.backup.fileresult import pack_ref, unpack_refs
from phoenix_core.agent.backup.metawriter import MetaVault
from phoenix_core.agent.backup.pace import Pace, bandwidth_of, open_pace
from phoenix_core.agent.backup.packsender import PackSender
from phoenix_core.agent.backup.patientnode import PATIENCE_S, PatientNode, connect_patiently
from phoenix_core.agent.backup.snapshotbody import snapshot_body
from phoenix_core.agent.backup.streamwindows import StreamWindows
from phoenix_core.agent.backup.tokens import TokenKeeper
from phoenix_core.agent.backup.watch import Watch
from phoenix_core.agent.domainaccess import domain_keys
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.steps import Steps
from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.agentlink.streamorder import StreamOrder
from phoenix_core.domain.amounts import size
from phoenix_core.vault.chunker import Chunker
from phoenix_core.vault.chunkwriter import ChunkWriter
from phoenix_core.vault.entry import ChunkRef, Entry, EntryType
from phoenix_core.vault.filelists import CHUNKS_INLINE_MAX, write_chunk_list
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packhead import PackIdentity
from phoenix_core.vault.snapshot import seal_snapshot
from phoenix_core.vault.tree import TreeWriter

PHASE = "stream"


class StreamSource(Protocol):
    """Where the data come from."""

    def read_into(self, view: memoryview) -> int:
        """Some bytes; 0 at the end. Raises where it ends badly."""

    def finish(self) -> None:
        """Raises unless it ended well."""


OpenSource = Callable[[Callable[[], None]], AbstractContextManager[StreamSource]]
"""Begins the stream; it is to call what it gets several times a second while it waits."""


class StreamBackup:
    """`run` it once, in a thread of its own."""

    def __init__(
        self, order: BackupOrder, ports: JobPorts, source: OpenSource, told: str, *, patience_s: float = PATIENCE_S
    ) -> None:
        """`order.stream` is set. `told`: what its source is; `patience_s`: how long storage that is away is waited
        for."""
        assert order.stream is not None
        self._order = order
        self._stream: StreamOrder = order.stream
        self._ports = ports
        self._source = source
        self._told = told
        self._patience_s = patience_s
        self._steps = Steps(ports)
        self._began = time.monotonic()
        self._started_ns = time.time_ns()
        self._nodes: list[PatientNode] = []
        self._keeper = TokenKeeper(order.storage.token, ports.fresh_token, self._renew_lease)
        self._watch = Watch(order.job, ports, self._use_fresh_token, began=self._began)

    def run(self) -> BackupResult:
        """Raises `Cancelled`, `StorageError`, what the source raises (`ScriptUnusable`, `ScriptFailed`, `StreamCut`,
        `StreamNotWaiting`); `RemoteError` with what the core answered."""
        pace: Pace | None = None
        try:
            with self._keeper:
                pace = open_pace(bandwidth_of(self._order, self._ports.state_dir), anew=True)
                self._nodes = [self._connect(pace) for _ in range(2)]
                return self._run(*self._nodes)
        finally:
            for node in self._nodes:
                node.close()
            if pace is not None:
                pace.close()

    def after(self) -> None:
        """Nothing is left to do once its result is kept."""

    def _run(self, node: PatientNode, sending: PatientNode) -> BackupResult:
        order, stream = self._order, self._stream
        self._steps.done("WF5.1", f"stream {stream.name}")
        self._steps.done("WF5.3", "full: all of a stream is read; what the vault has is not stored again")
        self._steps.done("WF5.4", self._told)
        self._steps.done("WF5.5", "not known before its end")
        self._steps.done("WF5.6", "1 stream")
        meta = MetaVault(order, node, self._ports)
        keys = domain_keys(order.domain)
        sender = PackSender(sending.put_pack)
        writer = ChunkWriter(
            PackKind.DATA,
            PackIdentity(order.vault_id, order.server_id),
            keys,
            order.vault_public_key,
            node.present,
            sender.send,
            order.compression_level,
            ask_ahead=node.is_far,
        )
        writer.one_stream(is_all=True)
        self._watch.enter(PHASE)
        with self._steps.step("WF1.4") as step:
            try:
                windows, packed = self._carry_over(writer, sender, keys.chunker_seed)
            except BaseException:
                writer.abandon()
                sender.give_up()
                raise
            root = self._tree(meta, windows, packed)
            meta.close()
            result = self._result(writer, sender, meta, windows)
            step.detail = f"{size(windows.length)} read, {size(result.stored_bytes)} stored"
        return self._stage(node, result, root, (*sender.stored, *meta.packs))

    def _carry_over(self, writer: ChunkWriter, sender: PackSender, seed: int) -> tuple[StreamWindows, bytes]:
        """All of the stream; its chunks, packed by `pack_ref`. Returns once they are durable."""
        packed = bytearray()
        with self._source(self._watch.tick) as source:
            windows = StreamWindows(source.read_into, self._read)
            for data in Chunker(seed).cut(windows.read_into):
                packed += pack_ref(writer.add(data))
                self._watch.sent_bytes = sender.stored_bytes
            source.finish()
        writer.close()
        sender.finish()
        return windows, bytes(packed)

    def _read(self, count: int) -> None:
        self._watch.bytes_done += count
        self._watch.tick()

    def _tree(self, meta: MetaVault, windows: StreamWindows, packed: bytes) -> bytes:
        path = self._order.paths[0].strip(b"/").split(b"/")
        now_ns, refs = time.time_ns(), unpack_refs(packed)
        entry = Entry(
            name=path[-1],
            type=EntryType.FILE,
            mode=0o600,
            uid=os.geteuid(),
            gid=os.getegid(),
            mtime_ns=now_ns,
            ctime_ns=now_ns,
            size=windows.length,
            extents=windows.extents,
        )
        count = len(packed) // len(pack_ref(ChunkRef(bytes(32), 1)))
        if count > CHUNKS_INLINE_MAX:
            entry = msgspec.structs.replace(entry, chunk_list=write_chunk_list(meta.writer, refs))
        else:
            entry = msgspec.structs.replace(entry, chunks=tuple(refs))
        for name in reversed(path[:-1]):
            tree = TreeWriter(meta.writer).write(_one(entry))
            entry = Entry(name, EntryType.DIRECTORY, 0o755, 0, 0, tree=tree, partial=True)
        return TreeWriter(meta.writer).write(_one(entry))

    def _result(self, writer: ChunkWriter, sender: PackSender, meta: MetaVault, windows: StreamWindows) -> BackupResult:
        stats, written = writer.stats, meta.writer.stats
        return BackupResult(
            snapshot_id="",
            files=1,
            bytes=windows.length,
            changed_files=1,
            read_bytes=windows.read_bytes,
            new_chunks=stats.new_chunks + written.new_chunks,
            new_raw_bytes=stats.new_raw_bytes + written.new_raw_bytes,
            stored_bytes=sender.stored_bytes + written.stored_bytes,
            packs=len(sender.stored) + len(meta.packs),
            transfer_s=time.monotonic() - self._began,
        )

    def _stage(self, node: PatientNode, result: BackupResult, root: bytes, packs: tuple[bytes, ...]) -> BackupResult:
        order, watch = self._order, self._watch
        watch.enter("commit")
        began = time.monotonic()
        signing_key = self._ports.signing_key
        public_key = signing_key.public_key().public_bytes_raw()
        body = snapshot_body(
            order, order.paths, result, root, packs, public_key=public_key, started_ns=self._started_ns
        )
        sealed = seal_snapshot(body, signing_key, order.vault_public_key)
        watch.check()
        snapshot_id = node.stage_snapshot(sealed)
        return msgspec.structs.replace(result, snapshot_id=snapshot_id, commit_s=time.monotonic() - began)

    def _connect(self, pace: Pace | None) -> PatientNode:
        return connect_patiently(
            self._order.storage, self._ports.tls, patience_s=self._patience_s, tick=self._watch.check, pace=pace
        )

    def _use_fresh_token(self) -> None:
        token = self._keeper.take()
        if token:
            for node in self._nodes:
                node.use_token(token)

    def _renew_lease(self) -> None:
        if self._nodes:
            self._nodes[0].renew_lease()


def _one(entry: Entry) -> Iterator[Entry]:
    yield entry
