"""Finding and walking what a snapshot holds."""

import pytest

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.errors import PathNotInSnapshot
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.tree import TreeWriter
from phoenix_core.vault.treewalk import RecordingSource, descend, resolve, walk
from tests.vault.memory_vault import MemoryVault


def file(name: bytes) -> Entry:
    return Entry(name, EntryType.FILE, 0o644, 0, 0)


def folder(name: bytes, tree: ChunkId, *, partial: bool = False) -> Entry:
    return Entry(name, EntryType.DIRECTORY, 0o755, 0, 0, tree=tree, partial=partial)


@pytest.fixture
def snapshot() -> tuple[ChunkReader, ChunkId]:
    """/etc/hosts, /etc/ssh/config, /srv/a-b, /srv/a/x, with `/srv` partial."""
    vault = MemoryVault()
    with vault.writer(PackKind.META) as writer:
        trees = TreeWriter(writer)
        etc = trees.write([file(b"hosts"), folder(b"ssh", trees.write([file(b"config")]))])
        srv = trees.write([folder(b"a", trees.write([file(b"x")])), file(b"a-b")])
        root = trees.write([folder(b"etc", etc), folder(b"srv", srv, partial=True)])
    return vault.reader(PackKind.META), root


Snapshot = tuple[ChunkReader, ChunkId]


def test_a_path_is_found_by_descending(snapshot: Snapshot) -> None:
    reader, root = snapshot
    assert resolve(reader, root, b"/etc/ssh/config").name == b"config"
    assert resolve(reader, root, b"//etc//ssh/").tree
    assert [path for path, _ in descend(reader, root, b"/etc/ssh")] == [b"/", b"/etc", b"/etc/ssh"]


def test_the_root_is_a_folder_made_up(snapshot: Snapshot) -> None:
    reader, root = snapshot
    assert resolve(reader, root, b"/").tree == root
    assert resolve(reader, root, b"/").partial


@pytest.mark.parametrize("path", [b"/etc/passwd", b"/etc/hosts/x", b"etc", b"", b"/etc/../etc/hosts", b"/./etc"])
def test_a_path_that_is_not_there_is_said_to_be_missing(snapshot: Snapshot, path: bytes) -> None:
    with pytest.raises(PathNotInSnapshot):
        resolve(*snapshot, path)


def test_a_walk_gives_parents_first_and_siblings_by_name(snapshot: Snapshot) -> None:
    everything = [b"/etc", b"/etc/hosts", b"/etc/ssh", b"/etc/ssh/config", b"/srv", b"/srv/a", b"/srv/a/x", b"/srv/a-b"]
    assert [path for path, _ in walk(*snapshot)] == everything
    assert [path for path, _ in walk(*snapshot, [b"/"])] == everything
    assert [path for path, _ in walk(*snapshot, [b"/srv", b"/", b"/etc"])] == everything


def test_a_walk_of_paths_gives_each_once(snapshot: Snapshot) -> None:
    paths = [b"/srv/a/x", b"/etc/ssh", b"/srv/a", b"/srv/a", b"/srv/a-b", b"/etc/ssh/config"]
    found = [path for path, _ in walk(*snapshot, paths)]
    assert found == [b"/etc/ssh", b"/etc/ssh/config", b"/srv/a", b"/srv/a/x", b"/srv/a-b"]


def test_a_walk_of_an_absent_path_fails_when_it_comes_to_it(snapshot: Snapshot) -> None:
    walking = walk(*snapshot, [b"/etc/hosts", b"/nowhere"])
    assert next(walking)[0] == b"/etc/hosts"
    with pytest.raises(PathNotInSnapshot, match="nowhere"):
        next(walking)


def test_what_was_read_is_recorded(snapshot: Snapshot) -> None:
    reader, root = snapshot
    source = RecordingSource(reader)
    list(walk(source, root, [b"/etc/ssh"]))
    assert root in source.ids
    assert len(source.ids) == 3


def test_very_deep_folders_are_walked_without_recursion() -> None:
    vault = MemoryVault()
    with vault.writer(PackKind.META) as writer:
        trees = TreeWriter(writer)
        tree = trees.write([file(b"bottom")])
        for _ in range(5000):
            tree = trees.write([folder(b"d", tree)])
    last = None
    for path, _ in walk(vault.reader(PackKind.META), tree):
        last = path
    assert last == b"/d" * 5000 + b"/bottom"
