"""What a worker process does: it owns the whole pipeline from open to stored pack, over connections of its own to the
storage node. How files are read is given to it.

Dies with the job's process, when the pipe ends.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from phoenix_core.agent.backup import workermessages as wire
from phoenix_core.agent.backup.cutting import AddChunk
from phoenix_core.agent.backup.diskimages import Images
from phoenix_core.agent.backup.fileresult import FileResult
from phoenix_core.agent.backup.pace import open_pace
from phoenix_core.agent.backup.packsender import PackSender
from phoenix_core.agent.backup.patientnode import PatientNode, connect_patiently
from phoenix_core.agent.backup.records import ReadItem
from phoenix_core.agent.domainaccess import domain_keys
from phoenix_core.agent.workerprocess import run_worker
from phoenix_core.agentlink.tlsfiles import TlsFiles
from phoenix_core.host.courtesy import yield_process
from phoenix_core.vault.chunkwriter import ChunkWriter
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packhead import PackIdentity

WORKING_S = 0.4
STREAM_BYTES = 64 * 2**20
FIRST_FAR_PACK_BYTES = 8 * 2**20
"""Over a network the first pack is small, so that the line has something to carry soon."""

NAME = "phoenix-backup"


class Reader(Protocol):
    def read(self, item: ReadItem) -> FileResult: ...


class ReaderParts(Protocol):
    """What a worker gives its reader."""

    @property
    def add(self) -> AddChunk:
        """Stores a chunk."""

    @property
    def chunker_seed(self) -> int: ...

    @property
    def images(self) -> tuple[Images, ...]:
        """Files that are cut at fixed offsets."""

    @property
    def source(self) -> bytes:
        """`FileSource.worker_part` of the job."""

    def tick(self, count: int) -> None:
        """Takes the bytes that were read."""

    def opened(self, item: ReadItem) -> None:
        """To be called when a file was opened, before its content is read."""


MakeReader = Callable[[ReaderParts], Reader]


def work_with(connection: Connection, make_reader: MakeReader) -> None:
    """A process's whole life."""
    run_worker(NAME, connection, lambda each: _work(each, make_reader), lambda error: wire.encode(wire.Failed(error)))


def _work(connection: Connection, make_reader: MakeReader) -> None:
    setup = wire.to_worker.decode(connection.recv_bytes())
    if isinstance(setup, wire.Setup):
        yield_process(setup.nice)
        _Worker(connection, setup, make_reader).run()


class _Worker:
    """Gives its reader its parts itself, see `ReaderParts`."""

    def __init__(self, connection: Connection, setup: wire.Setup, make_reader: MakeReader) -> None:
        self._connection = connection
        self._inbox: SimpleQueue[wire.ToWorker] = SimpleQueue()
        self._path = b""
        self._bytes_done = 0
        self._told = time.monotonic()
        tls = setup.tls and TlsFiles(Path(setup.tls.cert), Path(setup.tls.key), Path(setup.tls.ca))
        pace = open_pace(setup.bandwidth)
        self._token = ""
        self._connected: list[PatientNode] = []
        threading.Thread(target=self._receive, name="worker-inbox", daemon=True).start()
        with ThreadPoolExecutor(2) as both:  # at once: each takes some round trips
            connecting = [
                both.submit(connect_patiently, setup.storage, tls or None, patience_s=setup.patience_s, pace=pace)
                for _ in range(2)
            ]
        node, sending = (each.result() for each in connecting)
        self._connected = [node, sending]
        if self._token:
            self._use_token(self._token)
        self._sender = PackSender(sending.put_pack)
        keys = domain_keys(setup.domain)
        self._writer = ChunkWriter(
            PackKind.DATA,
            PackIdentity(setup.vault_id, setup.server_id),
            keys,
            setup.public_key,
            lambda ids: node.present(ids, setup.number),
            self._sender.send,
            setup.level,
            first_pack_bytes=FIRST_FAR_PACK_BYTES if node.is_far else 0,
            ask_ahead=node.is_far,
        )
        self.add = self._writer.add
        self.chunker_seed = keys.chunker_seed
        self.images = setup.images
        self.source = setup.source
        self._reader = make_reader(self)

    def run(self) -> None:
        while True:
            message = self._inbox.get()
            if isinstance(message, wire.Batch):
                self._bytes_done = 0
                results = tuple(self._results(message.items))
                self._send(wire.Done(message.number, results, self._stats()))
            elif isinstance(message, wire.Flush):
                self._writer.flush()
                self._sender.finish()
                self._send(wire.Flushed(self._stats(), tuple(self._sender.stored)))
                return

    def _results(self, items: Iterable[ReadItem]) -> Iterable[FileResult]:
        for item in items:
            self._path = item.path
            yield self._reader.read(item)

    def _receive(self) -> None:
        """Always takes what comes, so that the job never blocks while sending."""
        try:
            while True:
                message = wire.to_worker.decode(self._connection.recv_bytes())
                if isinstance(message, wire.Token):
                    self._use_token(message.token)
                else:
                    self._inbox.put(message)
        except (EOFError, OSError):
            os._exit(1)

    def opened(self, item: ReadItem) -> None:
        self._writer.one_stream(is_all=item.data_bytes >= STREAM_BYTES)

    def tick(self, count: int) -> None:
        self._bytes_done += count
        now = time.monotonic()
        if now - self._told >= WORKING_S:
            self._told = now
            self._send(wire.Working(self._path, self._bytes_done, self._stats()))

    def _use_token(self, token: str) -> None:
        """At once, since a call may be waiting for it; or when there is a connection."""
        self._token = token
        for node in self._connected:
            node.use_token(token)

    def _stats(self) -> wire.WorkerStats:
        stats = self._writer.stats
        return wire.WorkerStats(stats.new_chunks, stats.new_raw_bytes, self._sender.stored_bytes)

    def _send(self, message: wire.FromWorker) -> None:
        self._connection.send_bytes(wire.encode(message))
