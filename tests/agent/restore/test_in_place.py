"""Files that are made under their own names at once: half of one is never taken for a file."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_core.agent.restore.folders import FolderCache, open_root
from phoenix_core.agent.restore.leftovers import remove_half_done
from phoenix_core.agent.restore.records import MISSING, SKIPPED, WRITTEN, Item
from phoenix_core.agent.restore.slots import TempNames
from phoenix_core.agent.restore.write import EntryWriter
from phoenix_core.domain.ids import ChunkId
from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.entry import ChunkRef, Entry, EntryType
from phoenix_core.vault.errors import ChunkDamaged

TIME_NS = 10**18
CONTENT = b"all of it"


class Chunks:
    """A file of one chunk, or of two, the second of which is damaged."""

    def read_one(self, chunk: ChunkId) -> bytes:
        if chunk == bytes(32):
            return CONTENT
        raise ChunkDamaged(chunk="", pack="", detail="a test")


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[FolderCache]:
    root = open_root(os.fsencode(tmp_path))
    found = FolderCache(root)
    yield found
    found.close()
    os.close(root)


def entry(chunks: int = 1) -> Entry:
    refs = tuple(ChunkRef(bytes([number]) * 32, len(CONTENT)) for number in range(chunks))
    numbers = (os.geteuid(), os.getegid())
    return Entry(b"file", EntryType.FILE, 0o640, *numbers, mtime_ns=TIME_NS, size=len(CONTENT) * chunks, chunks=refs)


def writer(folders: FolderCache, rule: ConflictRule = ConflictRule.SKIP) -> EntryWriter:
    return EntryWriter(folders, rule, "", TempNames("j", 0), Chunks(), bytes(32), lambda count: None)


def test_a_file_of_a_fresh_folder_has_its_own_name_from_the_start(tmp_path: Path, folders: FolderCache) -> None:
    outcome = writer(folders).put_in_place(Item(b"", entry(), fresh=True))
    found = (tmp_path / "file").lstat()
    assert (outcome.state, outcome.inode, outcome.ctime_ns) == (WRITTEN, found.st_ino, found.st_ctime_ns)
    assert ((tmp_path / "file").read_bytes(), found.st_mtime_ns) == (CONTENT, TIME_NS)


def test_a_file_that_fails_midway_leaves_nothing(tmp_path: Path, folders: FolderCache) -> None:
    assert writer(folders).put_in_place(Item(b"", entry(2), fresh=True)).state == MISSING
    assert list(tmp_path.iterdir()) == []


def test_what_appeared_under_its_name_stays(tmp_path: Path, folders: FolderCache) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    outcome = writer(folders).put_in_place(Item(b"", entry(), fresh=True))
    assert (outcome.state, outcome.reason) == (MISSING, "EEXIST")
    assert (tmp_path / "file").read_bytes() == b"mine"


@pytest.mark.parametrize("rule", list(ConflictRule))
def test_half_a_file_of_an_interrupted_run_is_replaced_under_every_rule(
    tmp_path: Path, folders: FolderCache, rule: ConflictRule
) -> None:
    (tmp_path / "file").write_bytes(CONTENT[:4])
    assert writer(folders, rule).put_in_place(Item(b"", entry(), begun=True)).state == WRITTEN
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", CONTENT)]


def test_what_was_not_begun_follows_the_rule(tmp_path: Path, folders: FolderCache) -> None:
    (tmp_path / "file").write_bytes(CONTENT[:4])
    assert writer(folders).put_in_place(Item(b"", entry())).state == SKIPPED


def test_of_a_restore_that_ends_early_only_half_files_go(tmp_path: Path, folders: FolderCache) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    os.utime(tmp_path / "file", ns=(TIME_NS, TIME_NS))
    remove_half_done(folders, [Item(b"", entry(), fresh=True)])
    assert (tmp_path / "file").exists()
    os.utime(tmp_path / "file")
    remove_half_done(folders, [Item(b"", entry(), fresh=False)])
    assert (tmp_path / "file").exists()
    remove_half_done(folders, [Item(b"", entry(), fresh=True)])
    assert not (tmp_path / "file").exists()
