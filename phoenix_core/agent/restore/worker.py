"""A worker process of a restore: a workbench with a connection of its own to the storage node.

Dies with the job's process, when the pipe ends.
"""

import os
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

from phoenix_core.agent.backup.patientnode import PatientNode, connect_patiently
from phoenix_core.agent.restore import workermessages as wire
from phoenix_core.agent.restore.workbench import Workbench
from phoenix_core.agent.workerprocess import run_worker
from phoenix_core.agentlink.tlsfiles import TlsFiles
from phoenix_core.host.courtesy import yield_process

WORKING_S = 0.4

NAME = "phoenix-restore"


def worker_main(connection: Connection) -> None:
    """The process's main function."""
    run_worker(NAME, connection, _work, lambda error: wire.encode(wire.Failed(error)))


def _work(connection: Connection) -> None:
    setup = wire.to_worker.decode(connection.recv_bytes())
    if isinstance(setup, wire.Setup):
        yield_process(setup.nice)
        _Worker(connection, setup).run()


class _Worker:
    def __init__(self, connection: Connection, setup: wire.Setup) -> None:
        self._connection = connection
        self._inbox: SimpleQueue[wire.Task] = SimpleQueue()
        self._token = ""
        self._told = time.monotonic()
        threading.Thread(target=self._receive, name="worker-inbox", daemon=True).start()
        tls = setup.tls and TlsFiles(Path(setup.tls.cert), Path(setup.tls.key), Path(setup.tls.ca))
        self._connected: PatientNode | None = None
        self._connected = connect_patiently(setup.storage, tls or None, tick=self._use_token)
        os.umask(0)  # all that this process makes names its mode
        self._bench = Workbench(setup, self._connected, self._tick, without_mask=True)

    def run(self) -> None:
        while True:
            done = self._bench.do(self._inbox.get())
            self._use_token()
            self._send(done)

    def _receive(self) -> None:
        """Always takes what comes, so that the job never blocks while sending."""
        try:
            while True:
                message = wire.to_worker.decode(self._connection.recv_bytes())
                if isinstance(message, wire.Token):
                    self._token = message.token
                elif not isinstance(message, wire.Setup):
                    self._inbox.put(message)
        except (EOFError, OSError):
            os._exit(1)

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self._told >= WORKING_S:
            self._told = now
            self._use_token()
            self._send(wire.Working(self._bench.path, self._bench.bytes_done, self._bench.fetched_bytes))

    def _use_token(self) -> None:
        if self._connected is None:
            return
        token, self._token = self._token, ""
        if token:
            self._connected.use_token(token)

    def _send(self, message: wire.FromWorker) -> None:
        self._connection.send_bytes(wire.encode(message))
