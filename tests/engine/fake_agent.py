"""A peer for the engine's tests: a real link and real packs, but files from a dictionary and steps from a script."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agentlink import features
from phoenix_core.agentlink.backoff import Backoff
from phoenix_core.agentlink.connection import Order
from phoenix_core.agentlink.enrol import enrol
from phoenix_core.agentlink.growinggrant import GrantRequest
from phoenix_core.agentlink.link import Link
from phoenix_core.agentlink.messages import (
    BackupOrder,
    CancelOrder,
    JobKnown,
    KeysRequest,
    RestoreOrder,
    SnapshotRecorded,
    Welcome,
)
from phoenix_core.agentlink.peerstate import PeerState
from phoenix_core.agentlink.reports import BackupResult, JobCancelled, JobFailed, RestoreResult, StepReport
from phoenix_core.agentlink.ruletest import RuleTestOrder
from phoenix_core.agentlink.upgradeorder import UpgradeOrder
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId
from phoenix_core.domain.states import StepState
from phoenix_core.host.process import HostFacts
from phoenix_core.storage.connect import connect_job_node
from phoenix_core.storage.node_api import JobNode
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.chunkwriter import ChunkWriter
from phoenix_core.vault.domainkeys import DomainKeys
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import BlockRef
from phoenix_core.vault.packhead import PackIdentity
from phoenix_core.vault.snapshot import SnapshotBody, seal_snapshot
from phoenix_core.vault.tree import TreeWriter
from phoenix_core.vault.treewalk import walk

CHUNK_BYTES = 400_000
"""Files are cut into chunks of so much: more than what only the own server is told of."""
FACTS = HostFacts(hostname="web1.example", platform="Linux x86_64, Debian", machine_id="0" * 32)
WINDOWS = HostFacts(hostname="web1.example", platform="Windows AMD64, Windows Server 2022", machine_id="3" * 32)
EITHER_SYSTEM = pytest.mark.parametrize("facts", [FACTS, WINDOWS], ids=["linux", "windows"])
"""Of the server whose agent it is."""
Files = Mapping[str, bytes]
Script = Callable[["FakeAgent", BackupOrder | RestoreOrder], Awaitable[None]]


class QuickBackoff(Backoff):
    """Dials again almost at once."""

    def __init__(self) -> None:
        import random

        super().__init__(random.Random(1))

    def next_s(self, *, refused: bool = False) -> float:
        return 0.02


class FakeAgent:
    def __init__(self, state_dir: Path, facts: HostFacts = FACTS) -> None:
        self.state_dir = state_dir
        self.can: tuple[str, ...] = features.ALL
        """Counts from its next start on."""
        self.facts = facts
        self.files: Files = {"/srv/hello": b"hello, world" * 1000, "/srv/deep/er/file": b"x" * 5000}
        self.on_backup: Script = back_up
        self.on_restore: Script = restore
        self.awaits_grant = True
        """Before it does anything about a restore."""
        self.orders: list[BackupOrder | RestoreOrder] = []
        self.cancelled: dict[str, asyncio.Event] = {}
        self.recorded: list[SnapshotRecorded] = []
        self.known: list[JobKnown] = []
        self.upgrades: list[UpgradeOrder] = []
        self.rule_tests: list[RuleTestOrder] = []
        self.restored: dict[str, bytes] = {}
        self.working: set[str] = set()
        self.welcomes: list[Welcome] = []
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: asyncio.Task[None] | None = None
        self.link: Link = self._new_link()

    def _new_link(self) -> Link:
        return Link(self.state_dir, self, facts=self.facts, backoff=QuickBackoff(), can=self.can)

    async def enrol(self, token: str) -> None:
        await enrol(
            token,
            self.state_dir,
            "agent",
            hostname=self.facts.hostname,
            platform=self.facts.platform,
            machine_id=self.facts.machine_id,
        )

    @property
    def state(self) -> PeerState:
        return PeerState.load(self.state_dir)

    async def start(self) -> None:
        self._stop = asyncio.Event()
        self._running = asyncio.create_task(self.link.run(self._stop), name="fake agent")
        await asyncio.wait_for(self.link.wait_connected(), 10)

    async def stop(self) -> None:
        """End the process, as it were: what it works on is forgotten."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._stop.set()
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
        self.working.clear()
        self.link = self._new_link()

    async def disconnect(self) -> None:
        """Lose the connection while the work goes on."""
        self._stop.set()
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
        self.link = self._new_link()

    def dial(self, url: str) -> None:
        """Reach the core by another address from now on."""
        path = self.state_dir / "peer.json"
        peer = msgspec.json.decode(path.read_bytes())
        path.write_bytes(msgspec.json.encode(peer | {"urls": [url]}))

    # --- LinkHandler -------------------------------------------------------------------------------------------------

    def running_jobs(self) -> Iterable[str]:
        return sorted(self.working)

    async def on_connect(self, welcome: Welcome) -> None:
        self.welcomes.append(welcome)

    async def on_disconnect(self, reason: PhoenixError) -> None:
        pass

    async def on_order(self, order: Order) -> None:
        if isinstance(order, BackupOrder | RestoreOrder):
            self.orders.append(order)
            self.cancelled[order.job] = asyncio.Event()
            script = self.on_backup if isinstance(order, BackupOrder) else self.on_restore
            self.working.add(order.job)
            task = asyncio.create_task(self._work(script, order), name=f"work {order.job}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif isinstance(order, CancelOrder):
            if order.job in self.cancelled:
                self.cancelled[order.job].set()
        elif isinstance(order, JobKnown):
            self.known.append(order)
        elif isinstance(order, RuleTestOrder):
            self.rule_tests.append(order)
            self.test_rules(order)
        elif isinstance(order, UpgradeOrder):
            self.upgrades.append(order)
        else:
            self.recorded.append(order)

    def test_rules(self, order: RuleTestOrder) -> None:
        """What is done about a test of rules: nothing."""

    async def _work(self, script: Script, order: BackupOrder | RestoreOrder) -> None:
        try:
            if isinstance(order, RestoreOrder) and order.grant_grows and self.awaits_grant:
                try:
                    await self.whole_grant(order.job)
                except PhoenixError as error:
                    await self.report(order.job, JobFailed(error=error.view()))
                    return
            await script(self, order)
        finally:
            self.working.discard(order.job)

    # --- what scripts do ---------------------------------------------------------------------------------------------

    async def report(self, job: str, body: object) -> None:
        await asyncio.to_thread(self.link.report, job, body)  # type: ignore[arg-type]

    async def step(self, job: str, step: str, detail: str = "") -> None:
        await self.report(job, StepReport(step=step, state=StepState.DONE, detail=detail, at_ns=time.time_ns()))

    @property
    def on_windows(self) -> bool:
        return self.facts.platform.startswith("Windows")

    def step_of(self, number: int) -> str:
        """Of a file server's backup on its system."""
        return f"WF{4 if self.on_windows else 5}.{number}"

    async def upload(self, order: BackupOrder, files: Files | None = None) -> BackupResult:
        chosen = self.files if files is None else files
        return await asyncio.to_thread(lambda: upload(order, chosen, self.state))

    async def whole_grant(self, job: str) -> None:
        """Wait until all that the job may read is granted."""
        seen, is_whole = 0, False
        while not is_whole:
            answer = await self.link.request(GrantRequest(number=0, job=job, seen=seen), 10)
            seen, is_whole = answer.step, answer.is_whole

    async def keys(self, job: str, blocks: Sequence[BlockRef]) -> Sequence[bytes]:
        answer = await self.link.request(KeysRequest(number=0, job=job, blocks=tuple(blocks)), 10)
        return answer.keys


async def back_up(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
    """The usual script of a backup."""
    assert isinstance(order, BackupOrder)
    for number in (1, 3, 4, 5, 6, 7) if agent.on_windows else (1, 3, 4, 5, 6):
        kind = "incremental" if order.parent else "full"
        await agent.step(order.job, agent.step_of(number), kind if number == 3 else "")
    result = await agent.upload(order)
    await agent.step(order.job, "WF1.4")
    if agent.on_windows:
        await agent.step(order.job, agent.step_of(8))
    await agent.report(order.job, result)


async def until_cancelled(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
    """Works for ever, until it is cancelled."""
    await agent.step(order.job, agent.step_of(1))
    await agent.cancelled[order.job].wait()
    await agent.report(order.job, JobCancelled(who="operator"))


async def deaf(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
    """Works for ever and does not hear of a cancel."""
    await agent.step(order.job, agent.step_of(1))
    await asyncio.Event().wait()


async def failing(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
    await agent.report(order.job, JobFailed(error=PhoenixError(detail="the disk burns").view()))


async def restore(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
    """Reads what the order names, by its grant, into `agent.restored`."""
    assert isinstance(order, RestoreOrder)
    loop = asyncio.get_running_loop()

    def block_keys(blocks: Sequence[BlockRef]) -> Sequence[bytes]:
        return asyncio.run_coroutine_threadsafe(agent.keys(order.job, blocks), loop).result()

    try:
        files = await asyncio.to_thread(lambda: download(order, block_keys, agent.state))
    except PhoenixError as error:
        await agent.report(order.job, JobFailed(error=error.view()))
        return
    agent.restored.update(files)
    for step in ("WF6.3", "WF6.4", "WF6.5", "WF6.6"):
        await agent.step(order.job, step)
    result = RestoreResult(files=len(files), bytes=sum(map(len, files.values())), seconds=0.1)
    await agent.report(order.job, result)


def upload(order: BackupOrder, files: Files, state: PeerState) -> BackupResult:
    """Write files as chunks, trees and a snapshot into the order's storage."""
    node = connect_job_node(order.storage, state.tls.client_context)
    try:
        return _upload(order, node, files, state.signing_key())
    finally:
        node.close()


def _upload(order: BackupOrder, node: JobNode, files: Files, key: Ed25519PrivateKey) -> BackupResult:
    access = order.domain
    keys = DomainKeys(**{name: getattr(access, name) for name in DomainKeys.__struct_fields__})
    identity = PackIdentity(order.vault_id, order.server_id)
    packs: list[bytes] = []
    lock = threading.Lock()

    def writer(kind: PackKind) -> ChunkWriter:
        def sink(pack: object) -> None:
            node.put_pack(pack.pack_id, pack.fd, pack.length)  # type: ignore[attr-defined]
            with lock:
                packs.append(pack.pack_id)  # type: ignore[attr-defined]

        return ChunkWriter(kind, identity, keys, order.vault_public_key, node.present, sink)

    with writer(PackKind.DATA) as data, writer(PackKind.META) as meta:
        trees = TreeWriter(meta)

        def folder(below: Mapping[tuple[bytes, ...], bytes]) -> bytes:
            entries: list[Entry] = []
            for name in sorted({path[0] for path in below}):
                inside = {path[1:]: content for path, content in below.items() if path[0] == name}
                if () in inside:
                    content = inside[()]
                    refs = tuple(data.add(content[at : at + CHUNK_BYTES]) for at in range(0, len(content), CHUNK_BYTES))
                    entries.append(
                        Entry(
                            name,
                            EntryType.FILE,
                            0o644,
                            0,
                            0,
                            size=len(content),
                            chunks=refs,
                            mtime_ns=1_700_000_000_000_000_000,
                        )
                    )
                else:
                    entries.append(Entry(name, EntryType.DIRECTORY, 0o755, 0, 0, tree=folder(inside)))
            return trees.write(entries)

        root = folder({tuple(path.encode().strip(b"/").split(b"/")): content for path, content in files.items()})
    body = SnapshotBody(
        vault_id=order.vault_id,
        server_id=order.server_id,
        job_id=order.job,
        domain=keys.domain,
        epoch=keys.epoch,
        root=root,
        paths=order.paths,
        agent_public_key=key.public_key().public_bytes_raw(),
        hostname=FACTS.hostname,
        parent=order.parent.snapshot_id if order.parent else "",
        started_ns=time.time_ns(),
        finished_ns=time.time_ns(),
        files=len(files),
        bytes=sum(map(len, files.values())),
        packs=tuple(packs),
    )
    snapshot = node.stage_snapshot(seal_snapshot(body, key, order.vault_public_key))
    return BackupResult(snapshot_id=snapshot, files=len(files), bytes=body.bytes, packs=len(packs))


def download(
    order: RestoreOrder, block_keys: Callable[[Sequence[BlockRef]], Sequence[bytes]], state: PeerState
) -> dict[str, bytes]:
    """All files below the order's paths."""
    node = connect_job_node(order.storage, state.tls.client_context)
    try:
        keys = DomainKeys(**{name: getattr(order.domain, name) for name in DomainKeys.__struct_fields__})
        meta = ChunkReader(node.locate, node.open_pack, block_keys, keys, PackKind.META)
        data = ChunkReader(node.locate, node.open_pack, block_keys, keys, PackKind.DATA)
        found: dict[str, bytes] = {}
        for path, entry in walk(meta, order.root, order.paths):
            if entry.is_file:
                found[path.decode()] = b"".join(
                    content for _, content in data.read(ChunkId(ref.id) for ref in entry.chunks)
                )
        return found
    finally:
        node.close()
