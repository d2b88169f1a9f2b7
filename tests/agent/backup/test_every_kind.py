"""A tree with every kind of entry is in the vault as an independent walk sees it, and is not read a second time."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.filelists import entry_chunks
from phoenix_core.vault.kinds import PackKind
from tests.agent import independent_walk, kinds_of_entries
from tests.agent.backup.running import back_up, content_digest
from tests.agent.vault_rig import VaultRig

KINDS = {
    EntryType.FILE: "file",
    EntryType.DIRECTORY: "folder",
    EntryType.SYMLINK: "link",
    EntryType.FIFO: "fifo",
    EntryType.SOCKET: "socket",
    EntryType.CHAR_DEVICE: "char device",
    EntryType.BLOCK_DEVICE: "block device",
}


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "every kind"
    root.mkdir()
    kinds_of_entries.build(root)
    yield root
    kinds_of_entries.remove(root)


def test_everything_is_in_the_vault_as_it_is_on_disk(rig: VaultRig, tree: Path) -> None:
    live = independent_walk.walk(tree)
    result, ports = back_up(rig, tree, workers=2)

    stored = {_below(tree, path): entry for path, entry in rig.entries(result.snapshot_id).items()}
    above = {path for path in stored if path.startswith(b"..")}
    assert all(stored[path].partial for path in above)
    assert stored.keys() - above == live.keys()
    for path, facts in live.items():
        _compare(rig, path, facts, stored[path])
    _compare_links(live, {path: stored[path] for path in live})

    assert (result.missing_count, result.changed_while_read, ports.logged()) == (0, (), [])
    assert result.files == sum(facts.kind == "file" for facts in live.values())
    assert result.directories == sum(facts.kind == "folder" for facts in live.values())
    assert result.other_entries == len(live) - result.files - result.directories
    once = {min(facts.links | {path}): facts.size for path, facts in live.items() if facts.kind == "file"}
    assert result.bytes == sum(once.values())


def test_an_unchanged_tree_is_not_read_and_nothing_is_stored(rig: VaultRig, tree: Path) -> None:
    first, _ = back_up(rig, tree)
    times = {path: os.lstat(path).st_atime_ns for path in (tree / "many").iterdir()}
    second, ports = back_up(rig, tree, parent=first)

    assert (second.read_bytes, second.changed_files) == (0, 0)
    assert second.new_chunks <= len(tree.parents), "folders on the way may have changed, nothing else has"
    path = os.fsencode(tree)
    assert rig.entries(second.snapshot_id)[path] == rig.entries(first.snapshot_id)[path]
    assert (second.files, second.bytes, second.directories) == (first.files, first.bytes, first.directories)
    assert ports.asked_blocks == [], "the agent has the keys of its own trees"
    assert {path: os.lstat(path).st_atime_ns for path in times} == times


def test_hard_links_are_read_once(rig: VaultRig, source: Path) -> None:
    (source / "a").write_bytes(os.urandom(100_000))
    for name in "bcd":
        (source / name).hardlink_to(source / "a")
    result, _ = back_up(rig, source)
    assert (result.files, result.read_bytes, result.bytes) == (4, 100_000, 100_000)
    entries = [rig.entries(result.snapshot_id)[os.fsencode(source / name)] for name in "abcd"]
    assert {(entry.device, entry.inode, entry.chunks, entry.links) for entry in entries} == {
        (os.stat(source / "a").st_dev, os.stat(source / "a").st_ino, entries[0].chunks, 4)
    }


def test_a_terabyte_of_holes_takes_no_time_and_no_space(rig: VaultRig, source: Path) -> None:
    with open(source / "sparse", "wb") as file:
        file.truncate(2**40)
        file.seek(2**39)
        file.write(b"data in the middle")
    result, _ = back_up(rig, source)
    assert result.bytes == 2**40
    assert result.read_bytes <= 2**20
    assert result.stored_bytes < 100_000
    entry = rig.entries(result.snapshot_id)[os.fsencode(source / "sparse")]
    assert entry.data_bytes <= 65536
    assert [(offset, data.rstrip(b"\0")) for offset, data in rig.pieces(entry)] == [(2**39, b"data in the middle")]


def _below(root: Path, path: bytes) -> bytes:
    return os.path.relpath(path, os.fsencode(root))


def _compare(rig: VaultRig, path: bytes, facts: independent_walk.Facts, entry: Entry) -> None:
    is_device = entry.type in {EntryType.CHAR_DEVICE, EntryType.BLOCK_DEVICE}
    content = content_digest(rig.pieces(entry)) if entry.is_file else ""
    assert (
        independent_walk.Facts(
            kind=KINDS[entry.type],
            mode=entry.mode,
            uid=entry.uid,
            gid=entry.gid,
            mtime_ns=entry.mtime_ns,
            size=entry.size,
            content=content,
            target=entry.target,
            device=(entry.rdev_major, entry.rdev_minor) if is_device else (0, 0),
            xattrs=tuple((os.fsdecode(name), value) for name, value in entry.xattrs),
            links=facts.links,
        )
        == facts
    ), path


def _compare_links(live: dict[bytes, independent_walk.Facts], stored: dict[bytes, Entry]) -> None:
    groups: dict[tuple[int, int], set[bytes]] = {}
    for path, entry in stored.items():
        if entry.links > 1:
            groups.setdefault((entry.device, entry.inode), set()).add(path)
    assert {frozenset(group) for group in groups.values()} == {
        facts.links | {path} for path, facts in live.items() if facts.links
    }


def test_workers_store_what_several_of_them_meet_once(rig: VaultRig, tmp_path: Path) -> None:
    contents = [os.urandom(2**20) for _ in range(9)]
    for copy in range(8):
        folder = tmp_path / "copies" / str(copy)
        folder.mkdir(parents=True)
        for number, content in enumerate(contents):
            (folder / str(number)).write_bytes(content)
    result, _ = back_up(rig, tmp_path / "copies", workers=2)
    packed = [info for info in rig.node.packs() if info.kind == PackKind.DATA.value]
    assert sum(info.chunks for info in packed) == len({*_data_chunks(rig, result.snapshot_id)})
    entries = rig.entries(result.snapshot_id)
    for number, content in enumerate(contents):
        assert rig.content(entries[os.fsencode(tmp_path / "copies" / "7" / str(number))]) == content


def _data_chunks(rig: VaultRig, snapshot_id: str) -> Iterator[bytes]:
    for entry in rig.entries(snapshot_id).values():
        for ref in entry_chunks(rig.reader(PackKind.META), entry):
            yield ref.id
