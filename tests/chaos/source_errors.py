"""Sources that can't be read: every call by which the agent looks at them fails once, or gives less than was asked.

Scan, file reader and tree builder of the agent in this process, over a small tree of every kind of file. Each file is
in the snapshot as it is, or reported as changed or missing; one that fails never comes back as if it were whole."""

import errno
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from phoenix_core.agent.backup.filereader import FileReader, FileResult
from phoenix_core.agent.backup.mounts import Mounts
from phoenix_core.agent.backup.patterns import Patterns
from phoenix_core.agent.backup.records import ReadItem, Record
from phoenix_core.agent.backup.scan import Scan
from phoenix_core.agent.backup.scanrules import ScanRules
from phoenix_core.agent.backup.sources import source_tree
from phoenix_core.agent.backup.spool import Spool
from phoenix_core.agent.backup.treebuild import TreeBuilder
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.tree import entry_chunks
from phoenix_core.vault.treewalk import walk
from tests.chaos.campaign import Campaign, Run
from tests.chaos.moving_history import KINDS
from tests.chaos.shared_vault import fast_folder
from tests.vault.memory_vault import MemoryVault

ROUNDS_OF_A_TREE = 200
FAILING = ("open", "listdir", "lstat", "preadv", "lseek", "listxattr", "readlink")
ERRORS = {
    "open": (errno.EIO, errno.EACCES, errno.EBUSY, errno.ESTALE),
    "preadv": (errno.EIO, errno.EIO, errno.EBUSY, errno.ESTALE),
}


@dataclass
class Taken:
    """What a backup has, and what it says of the rest."""

    entries: dict[bytes, Entry] = field(default_factory=dict)
    contents: dict[bytes, bytes] = field(default_factory=dict)
    missing: dict[bytes, str] = field(default_factory=dict)
    changed: set[bytes] = field(default_factory=set)


class Fault:
    """The n-th call of one function of `os` fails, or is cut short."""

    def __init__(self, name: str, after: int, kind: str, number: int = 0) -> None:
        """`kind`: `error` with this number, `short` reads, or `end` of the file too early."""
        self.name = name
        self._left = after
        self._kind = kind
        self._number = number
        self._ended = -1
        self.struck = 0
        self._stack = ExitStack()

    def __enter__(self) -> "Fault":
        original = getattr(os, self.name)

        def call(*arguments: Any, **options: Any) -> Any:
            if arguments[0] == b"/":  # there is no machine without it
                return original(*arguments, **options)
            self._left -= 1
            if self._left == -1 or (self._left < 0 and self._goes_on(arguments)):
                self.struck += 1
                return self._strike(original, arguments, options)
            return original(*arguments, **options)

        self._stack.enter_context(mock.patch.object(os, self.name, call))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _goes_on(self, arguments: tuple[Any, ...]) -> bool:
        """All reads after the first are short, and a file that ended stays so."""
        return self._kind == "short" or (self._kind == "end" and arguments[0] == self._ended)

    def _strike(self, original: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if self._kind == "error":
            raise OSError(self._number, os.strerror(self._number))
        fd, (view,), offset, *flags = arguments
        if self._kind == "end":
            begins, self._ended = self._ended < 0, fd
            return original(fd, [view[: len(view) // 2]], offset, *flags) if begins and len(view) > 1 else 0
        return original(fd, [view[: max(1, len(view) // 3)]], offset, *flags)


class Tree:
    """What is backed up, and the agent's parts that do it."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self.folder = folder
        self.root = folder / "source"
        self.vault = MemoryVault()
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
        (self.root / "b" / "other name").hardlink_to(self.root / "a" / "file-3")

    def _walk(self) -> dict[bytes, bytes | None]:
        """Contents of files; None for all else."""
        found: dict[bytes, bytes | None] = {os.fsencode(self.root): None}
        for path in self.root.rglob("*"):
            is_file = path.is_file() and not path.is_symlink()
            found[os.fsencode(path)] = path.read_bytes() if is_file else None
        return found

    def back_up(self) -> Taken:
        taken = Taken()
        records: Spool[Record] = Spool(self.folder, Record)
        reads: Spool[ReadItem] = Spool(self.folder, ReadItem)
        rules = ScanRules(Patterns(()), Mounts.current())
        scan = Scan(source_tree((os.fsencode(self.root),)), rules, None, records, reads, lambda path: None)
        scan.run()
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
        trees, contents = self.vault.reader(PackKind.META), self.vault.reader(PackKind.DATA)
        for path, entry in walk(trees, root):
            taken.entries[path] = entry
            if entry.is_file:
                pieces = [contents.read_one(ref.id) for ref in entry_chunks(trees, entry)]  # type: ignore[arg-type]
                taken.contents[path] = _laid_out(entry, b"".join(pieces))
        return taken

    def check(self, taken: Taken, counts: Any) -> None:
        told = taken.missing.keys() | taken.changed
        for path, content in self.live.items():
            entry = taken.entries.get(path)
            if entry is None:
                assert _is_below(path, taken.missing), f"{path!r} is left out without a word"
                counts["reported as missing"] += path in taken.missing
                continue
            assert path not in taken.missing, f"{path!r} is missing, and in the snapshot"
            assert (content is not None) == (KINDS[entry.type] == "file")
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


def _fault(dice: random.Random) -> Fault:
    name = dice.choice((*FAILING, "preadv", "preadv", "preadv", "open"))
    kind = dice.choice(("error", "error", "short", "end")) if name == "preadv" else "error"
    most = {"open": 90, "lstat": 40, "preadv": 25, "listxattr": 60}.get(name, 8)
    return Fault(name, dice.randrange(most), kind, dice.choice(ERRORS.get(name, (errno.EIO,))))


def body(run: Run) -> None:
    folder = fast_folder()
    tree: Tree | None = None
    try:
        for number in range(run.rounds):
            dice = run.random(number)
            if tree is None or number % ROUNDS_OF_A_TREE == 0:
                shutil.rmtree(folder)
                tree = Tree(folder, dice)
            try:
                with mock.patch("phoenix_core.agent.backup.filereader.SETTLE_NS", 0), _fault(dice) as fault:
                    taken = tree.back_up()
                tree.check(taken, run.counts)
                if not fault.struck:
                    assert not taken.missing
                    assert not taken.changed
            except Exception as error:
                raise AssertionError(f"seed {run.seed}, round {number}: {fault.name}: {error!r}") from error
            run.counts[f"faults: {fault.name}"] += fault.struck > 0
            run.counts["backups"] += 1
    finally:
        shutil.rmtree(folder)


CAMPAIGN = Campaign(
    "source-errors",
    "EIO, short reads and files that end early at the source, at each call: each file is whole in the snapshot, or "
    "reported",
    body,
    quick=100,
    full=10_000,
)
