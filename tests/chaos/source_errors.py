"""Sources that can't be read: every call by which the agent looks at them fails once, or gives less than was asked.

Scan, walk ahead, file reader and tree builder of the agent in this process, over a small tree of every kind of file.
Every other backup has the one before for a parent, with all that was missing in that. Each file is in the snapshot as
it is, or reported as changed or missing; one that fails never comes back as if it were whole, or unchanged."""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from phoenix_core.agent.backup.aheadmessages import Unchanged
from phoenix_core.agent.backup.filereader import FileReader
from phoenix_core.agent.backup.fileresult import FileResult
from phoenix_core.agent.backup.mounts import Mounts
from phoenix_core.agent.backup.parenttree import ParentTrees
from phoenix_core.agent.backup.records import ReadItem, Record
from phoenix_core.agent.backup.ruleset import RuleSet
from phoenix_core.agent.backup.scan import Scan
from phoenix_core.agent.backup.scanahead import Alone
from phoenix_core.agent.backup.scanrules import ScanRules
from phoenix_core.agent.backup.sources import source_tree
from phoenix_core.agent.backup.spool import Spool
from phoenix_core.agent.backup.treebuild import TreeBuilder
from phoenix_core.agent.backup.unchangedwalk import UnchangedWalk
from phoenix_core.domain.patterns import Patterns
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.tree import entry_chunks, read_tree
from phoenix_core.vault.treewalk import walk
from tests.chaos.campaign import Campaign, Run
from tests.chaos.moving_history import KINDS
from tests.chaos.shared_vault import fast_folder
from tests.chaos.source_faults import chosen_fault
from tests.vault.memory_vault import MemoryVault

ROUNDS_OF_A_TREE = 200
OPEN_FOLDERS = 2
"""So that the scan of a small tree has to open folders again on its way up."""


@dataclass
class Taken:
    """What a backup has, and what it says of the rest."""

    entries: dict[bytes, Entry] = field(default_factory=dict)
    contents: dict[bytes, bytes] = field(default_factory=dict)
    missing: dict[bytes, str] = field(default_factory=dict)
    changed: set[bytes] = field(default_factory=set)


@dataclass(frozen=True)
class Live:
    """What a backup must have of one path."""

    content: bytes | None
    """None for all but files."""
    xattrs: tuple[tuple[bytes, bytes], ...]


class WalkedBefore(Alone):
    """The walk ahead, in this process: it is through before the scan goes on."""

    def __init__(self, walk_from: Callable[[bytes, bytes], list[Unchanged]]) -> None:
        self._walk_from = walk_from
        self._found: dict[bytes, Unchanged] = {}

    def entered(self, path: bytes, tree: bytes, rules: int = 1) -> None:
        self._found = {folder.path: folder for folder in self._walk_from(path, tree)}

    def unchanged(self, path: bytes, tree: bytes) -> Unchanged | None:
        found = self._found.get(path)
        return found if found is not None and found.tree == tree else None


class Tree:
    """What is backed up, and the agent's parts that do it."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self.folder = folder
        self.root = folder / "source"
        self.vault = MemoryVault()
        self._parent: bytes | None = None
        """Root tree of the backup before."""
        self._edits = 0
        self._make(dice)
        self.live = self._walk()

    def _make(self, dice: random.Random) -> None:
        for name in ("", "a", "a/deep", "b"):
            (self.root / name).mkdir(parents=True)
            for number, size in enumerate((0, 10, 4096, 70_000)):
                (self.root / name / f"file-{number}").write_bytes(dice.randbytes(size))
            (self.root / name / "link").symlink_to("file-1")
        (self.root / "b" / "large").write_bytes(dice.randbytes(2_500_000))
        with (self.root / "b" / "sparse").open("wb") as file:
            file.truncate(6 << 20)
            file.seek(3 << 20)
            file.write(dice.randbytes(9000))
        os.mkfifo(self.root / "b" / "fifo")
        (self.root / "b" / "other name").hardlink_to(
            self.root / "file-3"
        )  # not in `a`: a walk ahead leaves links to the scan
        for path in (self.root / "a", self.root / "a" / "file-2", self.root / "b" / "large", self.root / "file-0"):
            os.setxattr(path, "user.phoenix", dice.randbytes(20))
            os.setxattr(path, "user.second", dice.randbytes(300))

    def change(self, dice: random.Random) -> None:
        """Some files are other ones since the backup before; times tell, though the changes come fast."""
        for _ in range(dice.choice((0, 1, 1, 3))):
            path = self.root / dice.choice(("", "a", "a/deep", "a/deep", "b")) / f"file-{dice.randrange(5)}"
            if path.exists() and dice.random() < 0.3:
                path.unlink()
                continue
            path.write_bytes(dice.randbytes(dice.choice((0, 10, 4096, 70_000))))
            if dice.random() < 0.3:
                os.setxattr(path, "user.phoenix", dice.randbytes(20))
            self._edits += 1
            os.utime(path, ns=(self._edits, self._edits))
        self.live = self._walk()

    def _walk(self) -> dict[bytes, Live]:
        found: dict[bytes, Live] = {}
        for path in (self.root, *self.root.rglob("*")):
            is_file = path.is_file() and not path.is_symlink()
            names = sorted(os.listxattr(path, follow_symlinks=False))
            xattrs = tuple((os.fsencode(name), os.getxattr(path, name, follow_symlinks=False)) for name in names)
            found[os.fsencode(path)] = Live(path.read_bytes() if is_file else None, xattrs)
        return found

    def back_up(self, *, incremental: bool, is_helped: bool) -> Taken:
        taken = Taken()
        records: Spool[Record] = Spool(self.folder, Record)
        reads: Spool[ReadItem] = Spool(self.folder, ReadItem)
        rules = ScanRules(RuleSet.whole(), Mounts.current())
        trees = self.vault.reader(PackKind.META)

        def walk_from(path: bytes, tree: bytes) -> list[Unchanged]:
            found: list[Unchanged] = []
            UnchangedWalk(lambda each: read_tree(trees, each), rules, found.extend, lambda: False).run(path, tree)
            return found

        ahead = WalkedBefore(walk_from) if is_helped else Alone()
        parent = ParentTrees(trees, self._parent) if incremental and self._parent is not None else None
        sources = source_tree((os.fsencode(self.root),))
        Scan(sources, rules, parent, records, reads, lambda path: None, ahead).run()
        with self.vault.writer(PackKind.DATA) as data, self.vault.writer(PackKind.META) as meta:
            reader = FileReader(data.add, 7, Patterns(()))
            results: Iterator[FileResult] = (reader.read(item) for item in reads)
            builder = TreeBuilder(
                meta,
                lambda: next(results),
                reader.read,
                missing=taken.missing.__setitem__,
                changed=taken.changed.add,
            )
            try:
                root = builder.build(records)
            finally:
                reader.close()
        self._parent = root
        contents = self.vault.reader(PackKind.DATA)
        for path, entry in walk(trees, root):
            taken.entries[path] = entry
            if entry.is_file:
                pieces = [contents.read_one(ref.id) for ref in entry_chunks(trees, entry)]  # type: ignore[arg-type]
                taken.contents[path] = _laid_out(entry, b"".join(pieces))
        return taken

    def check(self, taken: Taken, counts: Any) -> None:
        told = taken.missing.keys() | taken.changed
        for path, live in self.live.items():
            content = live.content
            entry = taken.entries.get(path)
            if entry is None:
                assert _is_below(path, taken.missing), f"{path!r} is left out without a word"
                counts["reported as missing"] += path in taken.missing
                continue
            assert path not in taken.missing, f"{path!r} is missing, and in the snapshot"
            assert (content is not None) == (KINDS[entry.type] == "file")
            assert entry.xattrs == live.xattrs, f"{path!r} is in the snapshot with other attributes"
            if content is not None and path not in taken.changed:
                assert taken.contents[path] == content, f"{path!r} is in the snapshot, but not as it is"
                counts["files whole"] += 1
            elif content is not None:
                assert content.startswith(taken.contents[path]), f"{path!r} is reported, and is no part of what it is"
                counts["reported as changed"] += 1
        assert told <= self.live.keys(), f"reported, though it isn't there: {told - self.live.keys()}"


def _laid_out(entry: Entry, data: bytes) -> bytes:
    """A file's bytes with its holes."""
    if entry.extents is None:
        assert len(data) == entry.size
        return data
    whole, at = bytearray(entry.size), 0
    for extent in entry.extents:
        whole[extent.offset : extent.offset + extent.length] = data[at : at + extent.length]
        at += extent.length
    return bytes(whole)


def _is_below(path: bytes, missing: dict[bytes, str]) -> bool:
    parts = path.split(b"/")
    return any(b"/".join(parts[:length]) in missing for length in range(2, len(parts) + 1))


@contextmanager
def _small_agent() -> Iterator[None]:
    """Waits for no file to settle, and holds few folders open."""
    with (
        mock.patch("phoenix_core.agent.backup.filereader.SETTLE_NS", 0),
        mock.patch("phoenix_core.agent.backup.openfolders.OPEN_FOLDERS", OPEN_FOLDERS),
    ):
        yield


def _kind_of(incremental: bool, is_helped: bool) -> str:
    return "full" if not incremental else "incremental, with a walk ahead" if is_helped else "incremental"


def body(run: Run) -> None:
    folder = fast_folder()
    tree: Tree | None = None
    try:
        for number in range(run.rounds):
            dice = run.random(number)
            if tree is None or number % ROUNDS_OF_A_TREE == 0:
                shutil.rmtree(folder)
                tree = Tree(folder, dice)
            incremental, is_helped = number % 2 == 1, dice.random() < 0.5
            tree.change(dice)
            fault = chosen_fault(tree.root, tree.root / "a" / "deep", dice)
            try:
                with _small_agent(), fault:
                    taken = tree.back_up(incremental=incremental, is_helped=is_helped)
                tree.check(taken, run.counts)
                if not fault.struck:
                    assert not taken.missing
                    assert not taken.changed
            except Exception as error:
                raise AssertionError(f"seed {run.seed}, round {number}: {fault.name}: {error!r}") from error
            run.counts[f"faults: {fault.name}"] += fault.struck > 0
            run.counts[f"backups: {_kind_of(incremental, is_helped)}"] += 1
    finally:
        shutil.rmtree(folder)


CAMPAIGN = Campaign(
    "source-errors",
    "EIO, short reads and files that end early at the source, at each call, in full and incremental backups: each file "
    "is whole in the snapshot, or reported",
    body,
    quick=100,
    full=10_000,
)
