"""`JobNode` and `CoreNode` over HTTPS: for agents and cores on other hosts than the storage node."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from phoenix_core.domain.ids import ChunkId, LeaseId, PackId, SnapshotId
from phoenix_core.storage import wire
from phoenix_core.storage.answers import (
    LARGE_ANSWER_BYTES,
    NumberedRecords,
    PacksPage,
    SnapshotNames,
    StoredPage,
    decoded,
    following,
    one_each,
    paged,
)
from phoenix_core.storage.connection import ANSWER_BYTES, Body, FdBody, NodeConnection, Pace
from phoenix_core.storage.node_api import LeaseInfo, NodeStatus, RebuildResult, SweepResult
from phoenix_core.storage.wire import CONTENT_TYPE, ROOT
from phoenix_core.vault.location import Location
from phoenix_core.vault.packcontents import PackContents, Upkeep
from phoenix_core.vault.packinfo import PackInfo, PackState

FIRST_AHEAD_BYTES = 1 << 20
NEXT_PACK_AHEAD_BYTES = 4 << 20
"""The same, where the pack before was read in order for so long that this one most likely will be."""
LONG_RUN_BYTES = 16 << 20
MOST_AHEAD_BYTES = 8 << 20
"""Held at most twice: what is worked on, and what is on its way."""
PACKS_AHEAD = 2
"""Packs of a connection that keep what they read ahead."""


class _Caller:
    """Calls with a token over one connection."""

    def __init__(self, connection: NodeConnection, token: Callable[[], str], path: str) -> None:
        self._connection = connection
        self._token = token
        self._path = f"{ROOT}/{path}"
        self._ahead: deque[RemotePack] = deque()
        self.last_run_bytes = 0
        """How much of the pack that was read ahead in last came in order."""
        self._thread: ThreadPoolExecutor | None = None

    def ask(self, call: wire.Call, answer_type: Any, most_bytes: int = ANSWER_BYTES) -> Any:
        """`most_bytes`: a longer answer is refused."""
        body = wire.encode(call)
        headers = self._headers() | {"Content-Type": CONTENT_TYPE}
        _, answer = self._connection.request("POST", self._path, headers, lambda: body, most_bytes=most_bytes)
        return decoded(self.place, answer, answer_type)

    @property
    def place(self) -> str:
        """Where the node is, for errors."""
        return self._connection.url

    def put(self, pack_id: PackId, length: int, body: Body) -> None:
        headers = self._headers() | {"Content-Length": str(length)}
        self._connection.request("PUT", f"{ROOT}/packs/{pack_id.hex()}", headers, body)

    def get(self, pack_id: PackId, offset: int, length: int) -> bytes:
        headers = self._headers() | {"Range": f"bytes={offset}-{offset + length - 1}"}
        path = f"{ROOT}/packs/{pack_id.hex()}"
        status, answer = self._connection.request("GET", path, headers, most_bytes=length)
        return b"" if status >= 300 else answer

    def begin_get(self, pack_id: PackId, offset: int, length: int) -> Future[bytes]:
        """`get` in a thread, which may raise the same."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        return self._thread.submit(self.get, pack_id, offset, length)

    def close(self) -> None:
        """Waits for what is on its way."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None

    def reads_ahead(self, pack: "RemotePack") -> None:
        """Told before a pack reads ahead: one that didn't so lately forgets what it holds."""
        if pack in self._ahead:
            return
        self._ahead.append(pack)
        if len(self._ahead) > PACKS_AHEAD:
            self._ahead.popleft().forget()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token()}"}


@dataclass(frozen=True)
class _Coming:
    """A range that is being read."""

    start: int
    length: int
    data: Future[bytes]


class RemotePack:
    """A pack read by ranges. Where it is read in order, ahead of what is asked: the further the longer that goes on, as
    a line may have a round trip of many milliseconds, and the next range while this one is worked on. Context manager,
    `OpenPack`."""

    def __init__(self, caller: _Caller, pack_id: PackId) -> None:
        self._caller = caller
        self._pack_id = pack_id
        self._start = 0
        self._held = b""
        self._ahead_bytes = 0
        self._run_from = -1
        """Where the reading in order began; -1: nothing was read yet."""
        self._coming: _Coming | None = None

    def pread(self, length: int, offset: int) -> bytes:
        end = self._start + len(self._held)
        if self._start <= offset and offset + length <= end:
            return self._held[offset - self._start : offset - self._start + length]
        if length <= 0:
            return b""
        in_order = bool(self._held) and self._start <= offset <= end
        kept = self._held[offset - self._start :] if in_order else b""
        further = self._further(in_order, offset)
        self._held = kept + self._read(offset + len(kept), length - len(kept), further)
        self._start = offset
        return self._held[:length]

    def forget(self) -> None:
        self._held = b""
        self._ahead_bytes = 0
        self._coming = None

    def _read(self, at: int, length: int, further: int) -> bytes:
        """So many bytes, and some further ones."""
        data, is_all = self._take_coming(at)
        if len(data) < length and not is_all:
            wanted = length + further - len(data)
            more = self._caller.get(self._pack_id, at + len(data), wanted)
            data, is_all = data + more, len(more) < wanted
        if further and not is_all:
            begin = at + len(data)
            self._coming = _Coming(begin, further, self._caller.begin_get(self._pack_id, begin, further))
        return data

    def _take_coming(self, at: int) -> tuple[bytes, bool]:
        """What is being read, if it begins there, and whether the pack ends with it."""
        coming, self._coming = self._coming, None
        if coming is None or coming.start != at:
            return b"", False
        data = coming.data.result()
        return data, len(data) < coming.length

    def _further(self, in_order: bool, offset: int) -> int:
        """How many bytes to read ahead now."""
        is_next = self._run_from < 0 and self._caller.last_run_bytes >= LONG_RUN_BYTES
        if not in_order:
            self._run_from = offset
            self._ahead_bytes = 0
            if not is_next:
                return 0
        self._caller.reads_ahead(self)
        least = NEXT_PACK_AHEAD_BYTES if is_next else FIRST_AHEAD_BYTES
        self._ahead_bytes = min(max(2 * self._ahead_bytes, least), MOST_AHEAD_BYTES)
        self._caller.last_run_bytes = offset - self._run_from
        return self._ahead_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.forget()


class RemoteJobNode:
    """`JobNode` of a storage node elsewhere."""

    def __init__(self, connection: NodeConnection, token: str, pace: Pace | None = None) -> None:
        """`pace`: how fast packs may be sent; None: as the line carries."""
        self._connection = connection
        self._token = token
        self._pace = pace
        self._caller = _Caller(connection, lambda: self._token, "job")

    def present(self, ids: Sequence[ChunkId], writer: int = 0) -> list[bool]:
        answers: list[bool] = self._caller.ask(wire.Present(list(ids), writer), one_each(bool, ids))
        return answers

    def put_pack(self, pack_id: PackId, fd: int, length: int) -> None:
        self._caller.put(pack_id, length, lambda: FdBody(fd, length, self._pace))

    def locate(self, ids: Sequence[ChunkId]) -> list[Location | None]:
        places: list[Location | None] = self._caller.ask(wire.Locate(list(ids)), one_each(Location | None, ids))
        return places

    def open_pack(self, pack_id: PackId) -> RemotePack:
        return RemotePack(self._caller, pack_id)

    def stage_snapshot(self, sealed: bytes) -> SnapshotId:
        return SnapshotId(self._caller.ask(wire.StageSnapshot(sealed), str))

    def renew_lease(self) -> None:
        self._caller.ask(wire.RenewLease(), None)

    def use_token(self, token: str) -> None:
        self._token = token

    def close(self) -> None:
        self._caller.close()
        self._connection.close()


class RemoteCoreNode:
    """`CoreNode` of a storage node elsewhere. `token` gives a token with the right `core`, fresh when it must be."""

    def __init__(self, connection: NodeConnection, token: Callable[[], str]) -> None:
        self._connection = connection
        self._caller = _Caller(connection, token, "core")

    def status(self) -> NodeStatus:
        status: NodeStatus = self._caller.ask(wire.Status(), NodeStatus)
        return status

    def open_lease(self, lease: LeaseId, job: str, server_id: str, parent: SnapshotId | None) -> None:
        self._caller.ask(wire.OpenLease(lease, job, server_id, parent or ""), None)

    def close_lease(self, lease: LeaseId) -> None:
        self._caller.ask(wire.CloseLease(lease), None)

    def leases(self) -> list[LeaseInfo]:
        leases: list[LeaseInfo] = self._caller.ask(wire.ListLeases(), list[LeaseInfo])
        return leases

    def grant(self, job: str, pack_ids: Sequence[PackId]) -> None:
        self._caller.ask(wire.Grant(job, list(pack_ids)), None)

    def locate(self, ids: Sequence[ChunkId]) -> list[Location | None]:
        places: list[Location | None] = self._caller.ask(wire.CoreLocate(list(ids)), one_each(Location | None, ids))
        return places

    def locate_all(self, ids: Sequence[ChunkId], *, lost: bool = False) -> list[list[Location]]:
        call = wire.LocateAll(list(ids), lost)
        places: list[list[Location]] = self._caller.ask(call, one_each(list[Location], ids))
        return places

    def open_pack(self, pack_id: PackId) -> RemotePack:
        return RemotePack(self._caller, pack_id)

    def pack_heads(self, pack_ids: Sequence[PackId]) -> list[bytes]:
        heads: list[bytes] = self._caller.ask(wire.PackHeads(list(pack_ids)), one_each(bytes, pack_ids))
        return heads

    def pack_info(self, pack_id: PackId) -> PackInfo | None:
        info: PackInfo | None = self._caller.ask(wire.GetPackInfo(pack_id), PackInfo | None)
        return info

    def packs(self) -> Iterable[PackInfo]:
        ask = partial(self._page, wire.PacksPage, PacksPage)
        return (info for _, info in paged(self._caller.place, ask))

    def stored_packs(self) -> Iterable[tuple[PackId, int]]:
        ask = partial(self._page, wire.StoredPacks, StoredPage)
        return ((PackId(pack), length) for pack, length in paged(self._caller.place, ask))

    def _page(self, call: type[wire.PacksPage | wire.StoredPacks], kind: Any, after: bytes) -> Any:
        return self._caller.ask(call(after), kind)

    def mark_proved(self, pack_id: PackId) -> None:
        self._caller.ask(wire.MarkProved(pack_id), None)

    def mark_damaged(self, pack_id: PackId, state: PackState) -> None:
        self._caller.ask(wire.MarkDamaged(pack_id, state), None)

    def snapshots(self) -> list[SnapshotId]:
        names = self._caller.ask(wire.ListSnapshots(), SnapshotNames, LARGE_ANSWER_BYTES)
        return [SnapshotId(name) for name in names]

    def read_snapshot(self, snapshot_id: SnapshotId) -> bytes:
        return bytes(self._caller.ask(wire.ReadSnapshot(snapshot_id), bytes, LARGE_ANSWER_BYTES))

    def delete_snapshot(self, snapshot_id: SnapshotId) -> None:
        self._caller.ask(wire.DeleteSnapshot(snapshot_id), None)

    def append_record(self, sequence: int, record: bytes, lease: LeaseId | None = None) -> None:
        self._caller.ask(wire.AppendRecord(sequence, record, lease or ""), None)

    def records(self, after: int = 0) -> list[tuple[int, bytes]]:
        records = self._caller.ask(wire.Records(after), NumberedRecords, LARGE_ANSWER_BYTES)
        return following(self._caller.place, records, after)

    def condemn(self, pack_ids: Sequence[PackId], seen_record: int | None = None) -> int:
        seen = -1 if seen_record is None else seen_record
        return int(self._caller.ask(wire.Condemn(list(pack_ids), seen), int))

    def sweep(self, sweep: int) -> SweepResult:
        result: SweepResult = self._caller.ask(wire.Sweep(sweep), SweepResult)
        return result

    def void_sweeps(self) -> None:
        self._caller.ask(wire.VoidSweeps(), None)

    def rebuild_index(self) -> RebuildResult:
        result: RebuildResult = self._caller.ask(wire.RebuildIndex(), RebuildResult, LARGE_ANSWER_BYTES)
        return result

    def contents_of(self, pack_ids: Sequence[PackId]) -> list[PackContents | None]:
        kind, call = one_each(PackContents | None, pack_ids), wire.ContentsOf(list(pack_ids))
        found: list[PackContents | None] = self._caller.ask(call, kind, LARGE_ANSWER_BYTES)
        return found

    def look_after(self, *, mend: bool = False) -> Upkeep:
        upkeep: Upkeep = self._caller.ask(wire.LookAfter(mend), Upkeep, LARGE_ANSWER_BYTES)
        return upkeep

    def add_index_key(self, domain: str, epoch: int, key: bytes) -> None:
        self._caller.ask(wire.AddIndexKey(domain, epoch, key), None)

    def close(self) -> None:
        self._caller.close()
        self._connection.close()
