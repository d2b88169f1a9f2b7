"""Waits for storage that is away for a while or wants a fresh token; what a job asks may be asked again safely."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from phoenix_core.agentlink.messages import StorageAccess
from phoenix_core.agentlink.tlsfiles import TlsFiles
from phoenix_core.domain.ids import ChunkId, PackId, SnapshotId
from phoenix_core.storage.client import RemoteJobNode
from phoenix_core.storage.connect import connect_job_node
from phoenix_core.storage.connection import Pace
from phoenix_core.storage.errors import StorageBusy, StorageUnreachable, TokenExpired
from phoenix_core.storage.node_api import JobNode, Location, OpenPack

PATIENCE_S = 120.0
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0
_SLICE_S = 0.1
T = TypeVar("T")


def connect_patiently(
    access: StorageAccess,
    tls: TlsFiles | None,
    *,
    patience_s: float = PATIENCE_S,
    tick: Callable[[], None] = lambda: None,
    pace: Pace | None = None,
) -> "PatientNode":
    """The job's way to its storage, waited for as its calls are. `pace`: how fast packs may be sent over a network.
    Raises `StorageUnreachable`."""
    patience = _Patience(patience_s, tick, time.sleep)
    node = patience.ask(lambda: connect_job_node(access, tls.client_context if tls else None, pace))
    return PatientNode(node, is_far=isinstance(node, RemoteJobNode), patience_s=patience_s, tick=tick)


class PatientNode:
    """A `JobNode` around another one. Gives up with the node's own error after `patience_s` without an answer."""

    def __init__(
        self,
        node: JobNode,
        *,
        is_far: bool = False,
        patience_s: float = PATIENCE_S,
        tick: Callable[[], None] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`is_far`: a network lies between. `tick` is called several times a second while waiting; what it raises ends
        the wait."""
        self.is_far = is_far
        self._node = node
        self._patience = _Patience(patience_s, tick, sleep)

    def present(self, ids: Sequence[ChunkId], writer: int = 0) -> list[bool]:
        return self._ask(lambda: self._node.present(ids, writer))

    def put_pack(self, pack_id: PackId, fd: int, length: int) -> None:
        self._ask(lambda: self._node.put_pack(pack_id, fd, length))

    def locate(self, ids: Sequence[ChunkId]) -> list[Location | None]:
        return self._ask(lambda: self._node.locate(ids))

    @contextmanager
    def open_pack(self, pack_id: PackId) -> Iterator[OpenPack]:
        with self._ask(lambda: self._node.open_pack(pack_id)) as opened:
            yield _PatientPack(opened, self._patience)

    def stage_snapshot(self, sealed: bytes) -> SnapshotId:
        return self._ask(lambda: self._node.stage_snapshot(sealed))

    def renew_lease(self) -> None:
        """Does not wait: whoever renews comes back later."""
        self._node.renew_lease()

    def use_token(self, token: str) -> None:
        self._node.use_token(token)

    def close(self) -> None:
        self._node.close()

    def _ask(self, call: Callable[[], T]) -> T:
        return self._patience.ask(call)


class _PatientPack:
    """An open pack: over HTTPS each read of it is a request."""

    def __init__(self, pack: OpenPack, patience: "_Patience") -> None:
        self._pack = pack
        self._patience = patience

    def pread(self, length: int, offset: int) -> bytes:
        return self._patience.ask(lambda: self._pack.pread(length, offset))


class _Patience:
    def __init__(self, patience_s: float, tick: Callable[[], None], sleep: Callable[[float], None]) -> None:
        self._patience_s = patience_s
        self._tick = tick
        self._sleep = sleep

    def ask(self, call: Callable[[], T]) -> T:
        began = time.monotonic()
        wait_s = FIRST_WAIT_S
        while True:
            try:
                return call()
            except (StorageUnreachable, StorageBusy, TokenExpired):
                if time.monotonic() - began + wait_s > self._patience_s:
                    raise
            self._wait(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._tick()
            self._sleep(min(left, _SLICE_S))
        self._tick()
