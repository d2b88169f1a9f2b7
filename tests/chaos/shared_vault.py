"""A vault that many jobs use at once, on clocks moved by hand; knows what must be in it, and which leases live."""

import functools
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from phoenix_core.domain.ids import ChunkId, LeaseId, PackId, SnapshotId
from phoenix_core.engine.vault import OpenVault
from phoenix_core.storage.errors import LeaseLapsed, StorageBusy, TokenExpired
from phoenix_core.storage.jobs import InProcessJobNode
from phoenix_core.storage.leases import LEASE_TTL_S
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.node import StorageNode
from phoenix_core.storage.tokens import StorageToken, expires_in, mint
from phoenix_core.vault.record import RecordKind
from phoenix_core.vault.snapshot import SnapshotBody
from tests.chaos.turns import Turns
from tests.storage.rig import HandClock
from tests.vault_maintenance.rig import VAULT_ID, Files, Rig

TOKEN_TRIES = 20
"""The wall clock may be moved between making and using one."""
LISTS = ("packs", "stored_packs")


def fast_folder() -> Path:
    """A new folder in memory, if the machine has such a place: what is tested isn't the disk."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="phx-", dir=memory if memory.is_dir() else None))


class LeaseStory:
    """What the campaign knows of one lease."""

    def __init__(self, heard_s: float) -> None:
        self.heard_s = heard_s
        self.was_silent = False
        """At some moment nothing had been heard of it for longer than it lives."""
        self.closed = False
        self.chunks: set[ChunkId] = set()
        """That its job was told of as present."""


class SharedVault(Rig):
    def __init__(self, counts: Counter[str]) -> None:
        self.clock = HandClock()
        self.clock.at = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.counts = counts
        self.committed: dict[SnapshotId, tuple[str, Files, SnapshotBody]] = {}
        self.leases: dict[str, LeaseStory] = {}
        self.dead: list[LeaseId] = []
        """Leases of jobs that died."""
        self.records = threading.Lock()
        self.restarted = threading.Condition()
        super().__init__(fast_folder())

    def open_node(self) -> StorageNode:
        index_key = self.key.domain_keys("default", 1).index_key
        store = LocalStore(self.folder / "vault", clock=self.clock)
        return StorageNode(store, self.folder / "index", self.descriptor, {("default", 1): index_key}, self.clock)

    def restart_node(self) -> None:
        self.node.close()
        with self.restarted:
            self.node = self.open_node()
            self.restarted.notify_all()
        for story in self.leases.values():
            story.heard_s = self.clock.seconds

    def wait_restarted(self, stopped: StorageNode) -> None:
        with self.restarted:
            assert self.restarted.wait_for(lambda: self.node is not stopped, 60)

    def pass_monotonic_s(self, seconds: float) -> None:
        self.clock.seconds += seconds
        for story in self.leases.values():
            story.was_silent = story.was_silent or self.is_silent(story)

    def move_wall_clock(self, days: float) -> None:
        self.clock.at += timedelta(days=days)

    def is_silent(self, story: LeaseStory) -> bool:
        return self.clock.seconds - story.heard_s > LEASE_TTL_S

    def heard(self, lease: str) -> None:
        self.leases[lease].heard_s = self.clock.seconds

    def check_what_leases_were_told(self) -> None:
        """Chunks that a live lease was told of are there; only where nothing else runs at this moment."""
        for lease, story in self.leases.items():
            if story.closed or story.was_silent:
                continue
            chunks = sorted(story.chunks)
            for chunk, place in zip(chunks, self.node.locate(chunks), strict=True):
                assert place is not None, f"lease {lease} was told of chunk {chunk.hex()[:12]}, which is gone"
                self.node.open_pack(PackId(place.pack_id)).close()
            self.counts["chunks of live leases checked"] += len(chunks)

    def check_all(self) -> None:
        for snapshot, (_, files, _) in self.committed.items():
            assert self.restore(snapshot) == files, f"snapshot {snapshot[:12]} comes back changed"
            self.counts["restores compared"] += 1

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.folder)


class Hand(Rig):
    """The vault as one of its users has it: goes on over restarts of the node, gives its turn away before each call."""

    def __init__(self, vault: SharedVault, turns: Turns, job_prefix: str) -> None:
        self.vault = vault
        self.turns = turns
        self.folder, self.key, self.agent_key = vault.folder, vault.key, vault.agent_key
        self.descriptor = vault.descriptor
        self.node: Any = SteadyNode(self)
        self._prefix = job_prefix
        self._jobs = 0

    @property
    def as_core(self) -> OpenVault:
        return OpenVault(self.descriptor, self.key, self.node, self.vault.clock)

    def new_job(self) -> str:
        self._jobs += 1
        return f"{self._prefix}.{self._jobs}"

    def job_node(self, server: str, job: str, lease: LeaseId, rights: str) -> Any:
        return SteadyJobNode(self, server, job, lease, rights)

    def append(self, kind: RecordKind, snapshot: SnapshotId, server: str, lease: LeaseId | None = None) -> None:
        with self.turns.alone(self.vault.records):
            super().append(kind, snapshot, server, lease)

    def ask(self, call: Callable[[StorageNode], Any]) -> Any:
        while True:
            self.turns.step()
            node = self.vault.node
            try:
                return call(node)
            except StorageBusy:
                self.vault.wait_restarted(node)


class SteadyNode:
    """`CoreNode`."""

    def __init__(self, hand: Hand) -> None:
        self._hand = hand

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return functools.partial(self._call, name)

    def _call(self, name: str, *args: Any, **options: Any) -> Any:
        vault = self._hand.vault

        def call(node: StorageNode) -> Any:
            if name == "append_record" and len(args) > 2 and args[2]:
                self._check_refusal(node, args)
                return None
            result = getattr(node, name)(*args, **options)
            if name == "open_lease":
                vault.leases[args[0]] = LeaseStory(vault.clock.seconds)
            elif name == "close_lease" and args[0] in vault.leases:
                vault.leases[args[0]].closed = True
            elif name == "sweep" and self._hand.turns.in_order:
                vault.check_what_leases_were_told()
            return list(result) if name in LISTS else result

        return self._hand.ask(call)

    def _check_refusal(self, node: StorageNode, args: tuple[Any, ...]) -> None:
        """A commit is refused when the lease was silent for too long, and not otherwise."""
        vault, story = self._hand.vault, self._hand.vault.leases[args[2]]
        lapsed = story.closed or vault.is_silent(story)
        may_have_lapsed = lapsed or story.was_silent
        try:
            node.append_record(*args)
        except LeaseLapsed:
            assert may_have_lapsed or not self._hand.turns.in_order, f"lease {args[2]} was refused though it lives"
            raise
        assert not lapsed or not self._hand.turns.in_order, f"lease {args[2]} had lapsed, and its job was committed"


class SteadyJobNode:
    """`JobNode`. Gets a fresh token where the old one has expired, as an agent does."""

    def __init__(self, hand: Hand, server: str, job: str, lease: LeaseId, rights: str) -> None:
        self._hand = hand
        self._who = (server, job, lease, rights)
        self._token = self._fresh()

    def _fresh(self) -> str:
        server, job, lease, rights = self._who
        expires = expires_in(self._hand.vault.clock.now(), 3600)
        token = StorageToken(job, server, lease, rights, "default", expires)
        return mint(self._hand.key.token_signing_key(), VAULT_ID, token)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return functools.partial(self._call, name)

    def close(self) -> None:
        """Nothing is held open."""

    def _call(self, name: str, *args: Any) -> Any:
        def call(node: StorageNode) -> Any:
            for _ in range(TOKEN_TRIES):
                try:
                    return getattr(InProcessJobNode(node.desk, self._token), name)(*args)
                except TokenExpired:
                    self._hand.vault.counts["tokens expired"] += 1
                    self._token = self._fresh()
            raise AssertionError("a token that was just made is refused, again and again")

        result = self._hand.ask(call)
        vault, lease = self._hand.vault, self._who[2]
        vault.heard(lease)
        if name == "present":
            told = {chunk for chunk, there in zip(args[0], result, strict=True) if there}
            vault.leases[lease].chunks |= told
        return result
