"""A process that walks towards the scan finds what is unchanged, and nothing else."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from phoenix_core.agent.backup import aheadmessages as wire
from phoenix_core.agent.backup import scanahead
from phoenix_core.agent.backup.aheadmessages import Unchanged
from phoenix_core.agent.backup.foundfolders import FoundFolders
from phoenix_core.agent.backup.livefiles import LiveFiles
from phoenix_core.agent.backup.mounts import Mounts
from phoenix_core.agent.backup.records import Amounts
from phoenix_core.agent.backup.ruleset import RuleSet
from phoenix_core.agent.backup.scan import Scan
from phoenix_core.agent.backup.scanahead import Alone, ScanAhead
from phoenix_core.agent.backup.scanrules import ScanRules
from phoenix_core.agent.backup.unchangedwalk import UnchangedWalk
from phoenix_core.agent.backup.views import View, Views
from phoenix_core.agent.linuxjobs import live_backup
from phoenix_core.agent.workerpool import WorkerPool
from phoenix_core.agentlink.messages import DomainAccess
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.tree import read_tree
from tests.agent.backup.running import back_up
from tests.agent.backup.test_kept_folders import CHANGES, DISTURBANCES, ROUNDS
from tests.agent.backup.test_scan import mount_line
from tests.agent.vault_rig import VaultRig
from tests.agent.workers import workers_of

WAIT_S = 20.0


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    for name in ("one", "two", "three"):
        for number in range(3):
            folder = root / name / f"{name}-{number}"
            folder.mkdir(parents=True)
            for file in range(4):
                (folder / f"file-{file}").write_bytes(os.urandom(100))
            (folder / "link").symlink_to("file-0")
    return root


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ScanAhead]]:
    """The process starts at once, and the scan waits in the first folder until it has been everywhere."""
    made: list[ScanAhead] = []
    init, entered, add = ScanAhead.__init__, ScanAhead.entered, FoundFolders.add
    told = 0

    def count(self: FoundFolders, folder: Unchanged) -> None:
        nonlocal told
        told += 1
        add(self, folder)

    def begin(self: ScanAhead, *arguments: Any) -> None:
        made.append(self)
        init(self, *arguments)

    def enter(self: ScanAhead, path: bytes, tree: bytes, rules: int = 1) -> None:
        entered(self, path, tree, rules)
        self.seen(0)
        end = time.monotonic() + WAIT_S
        quiet = 0
        while quiet < 5 and time.monotonic() < end and self._pool is not None:
            known = told
            time.sleep(0.02)
            self._listen()
            quiet = quiet + 1 if told and told == known else 0

    monkeypatch.setattr(FoundFolders, "add", count)
    monkeypatch.setattr(ScanAhead, "from_entries", 0)
    monkeypatch.setattr(ScanAhead, "__init__", begin)
    monkeypatch.setattr(ScanAhead, "entered", enter)
    monkeypatch.setattr(scanahead, "LISTEN_FOLDERS", 1)
    yield made
    assert made


def unchanged_of(rig: VaultRig, backup: BackupResult, root: Path, rules: ScanRules | None = None) -> set[str]:
    """The folders that a walk of its own finds unchanged, relative to the source's parent."""
    found: list[Unchanged] = []
    rules = rules or ScanRules(RuleSet.whole(), Mounts(()))
    tree = rig.entries(backup.snapshot_id)[os.fsencode(root)].tree
    reader = rig.reader(PackKind.META)
    UnchangedWalk(lambda each: read_tree(reader, each), rules, found.extend, lambda: False).run(os.fsencode(root), tree)
    return {os.path.relpath(os.fsdecode(each.path), root) for each in found}


def test_it_walks_the_snapshot_that_stands_in_for_live_folders(rig: VaultRig, folders: Path) -> None:
    backup, _ = back_up(rig, folders)
    snapshot = folders.rename(folders.with_name("snapshot"))
    elsewhere = os.fsencode(folders / "two")
    (folders / "two").mkdir(parents=True)
    views = Views((View(os.fsencode(folders), os.fsencode(snapshot)), View(elsewhere, elsewhere)))
    rules = ScanRules(RuleSet.whole(), Mounts(()), views=views)
    assert unchanged_of(rig, backup, folders, rules) == {"one", "three"}  # another file system begins at `two`


def test_of_an_unchanged_source_its_top_is_found_with_what_is_in_it(rig: VaultRig, folders: Path) -> None:
    backup, _ = back_up(rig, folders)
    found: list[Unchanged] = []
    tree = rig.entries(backup.snapshot_id)[os.fsencode(folders)].tree
    reader = rig.reader(PackKind.META)
    walk = UnchangedWalk(
        lambda each: read_tree(reader, each), ScanRules(RuleSet.whole(), Mounts(())), found.extend, lambda: False
    )
    walk.run(os.fsencode(folders), tree)
    (top,) = found
    assert (top.path, top.tree) == (os.fsencode(folders), tree)
    assert (top.amounts.files, top.amounts.others, top.amounts.bytes) == (36, 9, 3600)
    assert top.amounts.folders == 13


def _other_link(folder: Path) -> None:
    (folder / "link").unlink()
    (folder / "link").symlink_to("file-1")


def _swapped(put: Callable[[Path], object]) -> Callable[[Path], None]:
    """The folder goes aside, and something else takes its place."""

    def swap(folder: Path) -> None:
        folder.rename(folder.with_name("x"))
        put(folder)

    return swap


CHANGED: dict[str, Callable[[Path], object]] = {
    "content": lambda folder: (folder / "file-1").write_bytes(b"other"),
    "mode": lambda folder: (folder / "file-1").chmod(0o600),
    "new": lambda folder: (folder / "new").write_bytes(b""),
    "gone": lambda folder: (folder / "file-3").unlink(),
    "its own mode": lambda folder: folder.chmod(0o700),
    "link": _other_link,
    "hard link": lambda folder: os.link(folder / "file-1", folder.parent.parent / "further"),
    "a folder's place": _swapped(Path.mkdir),
    "a file in its place": _swapped(Path.touch),
    "a link in its place": _swapped(lambda folder: folder.symlink_to("x")),
}


@pytest.mark.parametrize("change", CHANGED)
def test_what_differs_and_all_above_it_is_not_unchanged(rig: VaultRig, folders: Path, change: str) -> None:
    backup, _ = back_up(rig, folders)
    CHANGED[change](folders / "two" / "two-1")
    assert unchanged_of(rig, backup, folders) == {"one", "three", "two/two-0", "two/two-2"}


def test_mount_points_and_folders_that_no_backup_enters_are_left_to_the_scan(rig: VaultRig, folders: Path) -> None:
    backup, _ = back_up(rig, folders)
    mounts = Mounts([mount_line(folders / "one" / "one-1", folders.stat().st_dev)])
    rules = ScanRules(RuleSet.whole(), mounts, never=(os.fsencode(folders / "two" / "two-0" / "state"),))
    rest = {"one/one-0", "one/one-2", "two/two-1", "two/two-2", "three"}
    assert unchanged_of(rig, backup, folders, rules) == rest
    inside = ScanRules(RuleSet.whole(), Mounts(()), never=(os.fsencode(folders / "two"),))
    assert unchanged_of(rig, backup, folders, inside) == {"one", "three"}


def test_a_tree_that_cannot_be_read_is_left_to_the_scan(rig: VaultRig, folders: Path) -> None:
    backup, _ = back_up(rig, folders)
    entries = rig.entries(backup.snapshot_id)
    lost = entries[os.fsencode(folders / "two")].tree
    reader = rig.reader(PackKind.META)
    found: list[Unchanged] = []

    def read(tree: bytes) -> Any:
        if tree == lost:
            raise OSError("gone")
        return read_tree(reader, tree)

    tree = entries[os.fsencode(folders)].tree
    UnchangedWalk(read, ScanRules(RuleSet.whole(), Mounts(())), found.extend, lambda: False).run(
        os.fsencode(folders), tree
    )
    assert {os.path.basename(each.path) for each in found} == {b"one", b"three"}


@pytest.mark.parametrize("seed", range(CHANGES))
def test_a_backup_with_help_has_the_tree_of_a_full_one(
    rig: VaultRig, folders: Path, early: list[ScanAhead], seed: int
) -> None:
    dice = random.Random(seed)
    parent, _ = back_up(rig, folders, workers=2)
    for _ in range(ROUNDS):
        for _ in range(dice.randrange(3)):
            dice.choice(DISTURBANCES)(folders, dice)
        parent, _ = back_up(rig, folders, parent=parent, workers=2)
        full, _ = back_up(rig, folders)
        source = os.fsencode(folders)
        assert rig.entries(parent.snapshot_id)[source] == rig.entries(full.snapshot_id)[source]
        for name in ("files", "directories", "other_entries", "bytes", "missing_count"):
            assert getattr(parent, name) == getattr(full, name), name


def test_the_scan_takes_what_was_found(
    rig: VaultRig, folders: Path, early: list[ScanAhead], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[bytes] = []
    visit = Scan._visit_folder

    def look(self: Scan, frame: Any, name: bytes, *more: Any, **options: Any) -> None:
        looked.append(name)
        visit(self, frame, name, *more, **options)

    first, _ = back_up(rig, folders, workers=2)
    (folders / "two" / "two-1" / "file-1").write_bytes(b"other")
    monkeypatch.setattr(Scan, "_visit_folder", look)
    back_up(rig, folders, parent=first, workers=2)
    below = looked[looked.index(b"source") + 1 :]
    assert below == [b"two", b"two-1"]


def test_a_scan_whose_help_dies_goes_on_alone(
    rig: VaultRig, folders: Path, early: list[ScanAhead], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = back_up(rig, folders, workers=2)
    unchanged = ScanAhead.unchanged

    def killed(self: ScanAhead, path: bytes, tree: bytes) -> Unchanged | None:
        for process in workers_of(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        self._found.clear()
        return unchanged(self, path, tree)

    monkeypatch.setattr(ScanAhead, "unchanged", killed)
    second, ports = back_up(rig, folders, parent=first, workers=2)
    assert (second.files, second.read_bytes) == (first.files, 0)
    assert any("goes on in one process" in text for text in ports.logged())


@pytest.mark.timeout(60)
def test_many_sources_and_what_is_found_in_them_dont_hold_each_other_up(
    rig: VaultRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [tmp_path / "home" / f"{number:03}" for number in range(800)]
    for source in sources:
        source.mkdir(parents=True)
        (source / "file").write_bytes(b"x")
    first, _ = back_up(rig, *sources)
    monkeypatch.setattr(ScanAhead, "from_entries", 0)
    second, ports = back_up(rig, *sources, parent=first, workers=2)
    assert (second.files, second.read_bytes) == (first.files, 0)
    assert not any("goes on in one process" in text for text in ports.logged())


def _stopped(connection: Connection) -> None:
    connection.recv_bytes()
    connection.send_bytes(wire.encode(wire.Taken()))
    os.kill(os.getpid(), signal.SIGSTOP)


@pytest.mark.timeout(60)
def test_a_process_that_stands_still_holds_up_no_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScanAhead, "from_entries", 0)
    monkeypatch.setattr(scanahead, "worker_main", _stopped)
    access = DomainAccess("", 0, b"", b"", b"", 0)
    ahead = ScanAhead(lambda: wire.Setup(b"", access, {}, (), 0), pytest.fail)
    try:
        ahead.entered(b"/first", b"")
        ahead.seen(0)
        for number in range(5_000):
            ahead.entered(b"/%05d" % number, b"")
    finally:
        ahead.close()


def test_the_process_isnt_called_away_to_what_it_comes_to_anyway(
    rig: VaultRig, folders: Path, early: list[ScanAhead], monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[bytes] = []
    send = WorkerPool.send

    def sent(self: WorkerPool[Any], worker: int, message: bytes) -> None:
        with suppress(msgspec.ValidationError):
            order = wire.to_walker.decode(message)
            orders.extend([order.path] if isinstance(order, wire.Walk) else [])
        send(self, worker, message)

    never = folders / "one" / "one-1"
    first, _ = back_up(rig, folders)
    (folders / "one" / "one-0" / "file-1").write_bytes(b"other")
    monkeypatch.setattr(WorkerPool, "send", sent)
    back_up(rig, folders, parent=first, workers=2, never_write_under=(bytes(never),))
    assert orders == [bytes(folders)]


class _Tireless:
    """In place of the pool: its process has found one folder more, before the others, whenever it is listened to."""

    def __init__(self, *arguments: Any) -> None:
        self.left = 1000

    def __len__(self) -> int:
        return 1

    def receive(self, timeout_s: float) -> list[tuple[int, wire.FromWalker]]:
        self.left -= 1
        return [(0, wire.Found((Unchanged(b"/s/%03d" % self.left, b"tree", Amounts(), 0),)))]

    def send(self, worker: int, message: bytes) -> None:
        pass

    def stop(self) -> None:
        pass


def test_when_much_was_found_the_scan_takes_no_more_until_it_has_come_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanahead, "WorkerPool", _Tireless)
    monkeypatch.setattr(scanahead, "FOUND_MAX", 3)
    monkeypatch.setattr(scanahead, "LISTEN_FOLDERS", 1)
    monkeypatch.setattr(ScanAhead, "from_entries", 0)
    ahead = ScanAhead(lambda: pytest.fail("nothing starts"), pytest.fail)
    ahead.entered(b"/s", b"")
    ahead.seen(0)
    for number in range(10):
        assert ahead.unchanged(b"/s/%03d" % number, b"tree") is None
    assert len(ahead._found) == 3
    assert ahead.unchanged(b"/s/998", b"tree") is not None
    assert ahead.unchanged(b"/s/999", b"tree") is not None
    ahead.close()


@pytest.mark.parametrize("more", [{}, {"excludes": ("*.tmp",), "workers": 2}, {"workers": 1}])
def test_a_small_scan_and_one_with_rules_are_done_alone(rig: VaultRig, folders: Path, more: dict[str, Any]) -> None:
    first, _ = back_up(rig, folders, **more)
    order, ports = rig.backup_order(folders, parent=first, **more)
    job = live_backup(order, ports)
    ahead: list[Any] = []
    files = cast("LiveFiles", job._files)
    job._scanned = lambda counts, path: ahead.append((files._ahead, len(job._pool)))  # type: ignore[method-assign]
    job.run()
    assert ahead
    for each, workers in ahead:
        assert workers == 0
        assert isinstance(each, Alone) or not each._runs
