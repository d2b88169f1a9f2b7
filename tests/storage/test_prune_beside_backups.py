"""Backups and prune at full tilt, side by side: no chunk of a committed snapshot is ever lost."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3

from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.storage.errors import PlanOutdated
from phoenix_core.vault.packwriter import FinishedPack
from phoenix_core.vault.record import FIRST_PREVIOUS, Record, RecordKind, sign
from tests.storage.rig import Rig, ids_of, some_chunks

CHUNKS = 24
BACKUPS = 20
WORKERS = 3


class World:
    """The core's side of the story: which snapshots are committed, and what each needs."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.lock = threading.Condition()
        self.record = 0
        self.live: dict[int, set[ChunkId]] = {}
        self.contents: dict[PackId, set[ChunkId]] = {}
        self.chunks: dict[ChunkId, bytes] = {}
        for number in range(CHUNKS):
            data = some_chunks(1, size=500, seed=number)[0]
            (pack,) = rig.packs([data])
            pack.close()
            self.chunks[ids_of(pack)[0]] = data

    def append(self, kind: RecordKind, lease: str = "") -> int:
        """The caller holds the lock."""
        number = self.record + 1
        body = Record(number, FIRST_PREVIOUS, 1, kind, "s1", bytes(32), blake3(b"%d" % number).digest())
        self.rig.node.append_record(number, sign(body, self.rig.key.record_signing_key()), lease or None)  # type: ignore[arg-type]
        self.record = number
        self.lock.notify_all()
        return number

    def back_up(self, chance: random.Random) -> None:
        job = self.rig.job()
        jobs = self.rig.node.job_node(job.token)
        wanted = chance.sample(sorted(self.chunks), 6)
        lacking = [chunk for chunk, there in zip(wanted, jobs.present(wanted), strict=True) if not there]
        for part in (lacking[:3], lacking[3:]):
            if part:
                self.store(jobs, [self.chunks[chunk] for chunk in part])
        jobs.stage_snapshot(repr(wanted).encode())
        with self.lock:
            self.live[self.append(RecordKind.COMMIT, job.lease)] = set(wanted)
        self.rig.node.close_lease(job.lease)
        self.check(set(wanted))
        with self.lock:  # a retention that soon forgets
            if len(self.live) > 4:
                self.append(RecordKind.REMOVE)
                del self.live[min(self.live)]

    def store(self, jobs: object, chunks: list[bytes]) -> None:
        def before(pack: FinishedPack) -> None:
            with self.lock:
                self.contents[pack.pack_id] = set(ids_of(pack))

        with self.rig.pack(chunks) as pack:
            before(pack)
            jobs.put_pack(pack.pack_id, pack.fd, pack.length)  # type: ignore[attr-defined]

    def prune(self, *, late: bool = False) -> tuple[int, int]:
        """Packs deleted, plans that came too late."""
        with self.lock:
            seen = self.record
            needed = set().union(*self.live.values())
            unused = [pack for pack, held in self.contents.items() if not held & needed]
            if late:  # somebody commits between plan and execution
                self.lock.wait_for(lambda: self.record > seen, timeout=1)
        try:
            sweep = self.rig.node.condemn(unused, seen)
        except PlanOutdated:
            return 0, 1
        for _ in range(1000):
            result = self.rig.node.sweep(sweep)
            if result.done:
                return result.packs, 0
        return 0, 0

    def check(self, chunks: set[ChunkId]) -> None:
        with self.lock:
            needed = chunks if any(chunks <= held for held in self.live.values()) else set()
            places = self.rig.node.locate(sorted(needed))
            assert None not in places
            for place in places:
                assert place is not None
                self.rig.node.open_pack(PackId(place.pack_id)).close()


@pytest.mark.parametrize("seed", range(3))
def test_no_committed_chunk_is_lost(seed: int, tmp_path: Path) -> None:
    world = World(Rig(tmp_path))
    done = threading.Event()
    deleted = 0

    def pruning() -> int:
        total, late = 0, False
        while not done.is_set():
            late = not late
            total += world.prune(late=late)[0]
        return total

    def back_up(chance: random.Random) -> None:
        for _ in range(BACKUPS):
            world.back_up(chance)

    with ThreadPoolExecutor(WORKERS + 1) as threads:
        pruner = threads.submit(pruning)
        backups = [threads.submit(back_up, random.Random(seed * 10 + number)) for number in range(WORKERS)]
        try:
            for backup in backups:
                backup.result()
        finally:
            done.set()
        deleted = pruner.result()
    for chunks in world.live.values():
        world.check(chunks)
    assert deleted + world.prune()[0] > 0
    world.rig.node.rebuild_index()
    for chunks in world.live.values():
        world.check(chunks)
    world.rig.node.close()
