"""A restore that plans while what it may read is still being granted."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from phoenix_core.agent.restore.restore_job import RestoreJob
from phoenix_core.agentlink.messages import RestoreOrder
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.domain.errors import Cancelled, ErrorView, RemoteError
from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.storage.connect import connect_job_node
from phoenix_core.vault.chunkwriter import ChunkWriter
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packhead import PackIdentity
from phoenix_core.vault.packwriter import FinishedPack
from tests.agent.independent_walk import differences, walk
from tests.agent.restore.rig import RestoreRig
from tests.agent.restore.test_damage import flip, packs, spoil
from tests.agent.restore.test_resume import kill_midway
from tests.agent.vault_rig import SERVER, RigPorts

FOLDERS = 5


@pytest.fixture
def snapshot(rig: RestoreRig) -> BackupResult:
    for number in range(FOLDERS):
        folder = rig.source / f"folder {number}"
        folder.mkdir()
        (folder / "file").write_bytes(b"%d" % number * 1000)
    return rig.backup()


def growing(rig: RestoreRig, snapshot: BackupResult, **more: Any) -> tuple[RestoreOrder, RigPorts]:
    """An order of which nothing is granted yet."""
    granted = rig.vault.node.grant
    try:
        rig.vault.node.grant = lambda job, pack_ids: None  # type: ignore[method-assign]
        return rig.order(snapshot, grant_grows=True, **more)
    finally:
        rig.vault.node.grant = granted  # type: ignore[method-assign]


def ids(rig: RestoreRig, kind: PackKind | None = None) -> list[PackId]:
    return [PackId(info.pack_id) for info in rig.vault.node.packs() if kind in (None, info.kind)]


def trees_again(rig: RestoreRig, snapshot: BackupResult) -> list[PackId]:
    """Stores the snapshot's trees once more, in a pack that is proved; its id."""
    vault = rig.vault
    order, ports = vault.backup_order(rig.source)
    node = connect_job_node(order.storage)
    stored: list[PackId] = []

    def put(pack: FinishedPack) -> None:
        node.put_pack(pack.pack_id, pack.fd, pack.length)
        vault.node.mark_proved(pack.pack_id)
        stored.append(pack.pack_id)

    identity = PackIdentity(vault.vault_id, SERVER)
    trees = [vault.body(snapshot.snapshot_id).root]
    trees += [entry.tree for entry in vault.entries(snapshot.snapshot_id).values() if entry.is_directory]
    with ChunkWriter(
        PackKind.META, identity, vault.keys, vault.key.public_key(), lambda chunks: [False for _ in chunks], put
    ) as writer:
        for tree in trees:
            writer.add(vault.reader(PackKind.META).read_one(ChunkId(tree)))
    node.close()
    vault.end(ports)
    return stored


def written(rig: RestoreRig) -> list[Path]:
    return list(rig.target.rglob("*"))


class Growth:
    """What the core grants, one part for each question; then it is whole."""

    def __init__(self, rig: RestoreRig, job: str, parts: Sequence[Sequence[PackId]]) -> None:
        self.asked: list[int] = []
        self.written: list[Path] = []
        """What was there by the last question."""
        self._rig = rig
        self._job = job
        self._parts: Iterator[Sequence[PackId]] = iter(parts)
        self._left = len(parts)

    def __call__(self, seen: int) -> tuple[int, bool]:
        self.asked.append(seen)
        self.written = written(self._rig)
        part = next(self._parts, ())
        if part:
            self._rig.vault.node.grant(self._job, part)
        self._left -= 1
        return len(self.asked), self._left <= 0


def test_trees_that_come_later_are_waited_for_and_nothing_is_written_before_all_is_granted(
    rig: RestoreRig, snapshot: BackupResult
) -> None:
    order, ports = growing(rig, snapshot)
    growth = Growth(rig, order.job, [(), ids(rig, PackKind.META), (), ids(rig, PackKind.DATA)])
    ports.grow = growth
    result = RestoreJob(order, ports).run()
    assert result.missing_count == 0
    assert growth.asked == [0, 1, 2, 3]
    assert growth.written == []
    assert differences(walk(rig.source), walk(rig.restored)) == []


@pytest.mark.parametrize("check_only", [True, False])
def test_what_is_not_granted_in_the_end_is_missing(rig: RestoreRig, snapshot: BackupResult, check_only: bool) -> None:
    """As of trees that the core can't find either; a check waits for that, too."""
    (rig.source / "folder late").mkdir()
    (rig.source / "folder late" / "file").write_bytes(b"late")
    before = set(ids(rig, PackKind.META))
    later = rig.backup(parent=snapshot)
    order, ports = growing(rig, later, check_only=check_only)
    new = [pack for pack in ids(rig, PackKind.META) if pack not in before]
    ports.grow = Growth(rig, order.job, [(*new, *ids(rig, PackKind.DATA)), ()])
    result = RestoreJob(order, ports).run()
    assert {each.reason for each in result.missing} == {"damaged"}
    assert result.missing_count == FOLDERS


def test_a_damaged_copy_of_a_tree_counts_only_once_no_better_one_is_granted(
    rig: RestoreRig, snapshot: BackupResult
) -> None:
    (damaged,) = packs(rig, "meta")
    first = ids(rig, PackKind.META)
    copies = trees_again(rig, snapshot)
    for at in range(1000, damaged.stat().st_size, 100):
        spoil(damaged, flip(at))
    order, ports = growing(rig, snapshot)
    ports.grow = Growth(rig, order.job, [first, [*copies, *ids(rig, PackKind.DATA)]])
    result = RestoreJob(order, ports).run()
    assert result.missing_count == 0
    assert differences(walk(rig.source), walk(rig.restored)) == []


def cancelling(ports: RigPorts) -> Callable[[int], tuple[int, bool]]:
    def grow(seen: int) -> tuple[int, bool]:
        ports.cancelled.set()
        return seen, False

    return grow


def refusing(ports: RigPorts) -> Callable[[int], tuple[int, bool]]:
    def grow(seen: int) -> tuple[int, bool]:
        raise RemoteError(ErrorView("storage_full", "no space for copies", ""))

    return grow


@pytest.mark.parametrize(("ending", "error"), [(cancelling, Cancelled), (refusing, RemoteError)])
@pytest.mark.parametrize("granted", [False, True])
def test_a_restore_that_ends_while_its_grant_grows_has_written_nothing(
    rig: RestoreRig,
    snapshot: BackupResult,
    ending: Callable[[RigPorts], Callable[[int], tuple[int, bool]]],
    error: type[Exception],
    granted: bool,
) -> None:
    """In the middle of its plan, or when that is done."""
    order, ports = growing(rig, snapshot)
    if granted:
        rig.vault.node.grant(order.job, ids(rig))
    ports.grow = ending(ports)
    with pytest.raises(error):
        RestoreJob(order, ports).run()
    assert written(rig) == []


def test_a_restore_that_is_killed_while_its_grant_grows_begins_anew(rig: RestoreRig, snapshot: BackupResult) -> None:
    order, _ = rig.order(snapshot, grant_grows=True)
    kill_midway(rig, order)
    assert written(rig) == []
    assert rig.restore(snapshot).missing_count == 0
    assert differences(walk(rig.source), walk(rig.restored)) == []
