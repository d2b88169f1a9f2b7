"""Trees: the same entries always give the same bytes, large folders are cut by content, and all comes back."""

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.entry import ChunkRef, Entry, EntryType, Extent
from phoenix_core.vault.errors import HostileTree, InvalidEntry
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.listnode import NODE_BYTES, NODE_ITEMS
from phoenix_core.vault.tree import (
    CHUNKS_INLINE_MAX,
    MissingEntry,
    TreeWriter,
    entry_chunks,
    find_entry,
    read_chunk_list,
    read_missing,
    read_tree,
    write_chunk_list,
    write_missing,
)
from tests.vault.memory_vault import MemoryVault

ids32 = st.binary(min_size=32, max_size=32)
names = st.binary(min_size=1, max_size=12).filter(lambda name: name not in (b".", b"..") and not set(name) & {0, 47})
times = st.integers(-(2**63), 2**63 - 1)
texts = st.text(max_size=8)


@st.composite
def common(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "mode": draw(st.integers(0, 0o7777)),
        "uid": draw(st.integers(0, 2**32 - 1)),
        "gid": draw(st.integers(0, 2**32 - 1)),
        "owner": draw(texts),
        "group": draw(texts),
        "mtime_ns": draw(times),
        "ctime_ns": draw(times),
        "birth_ns": draw(st.none() | times),
        "inode": draw(st.integers(0, 2**64 - 1)),
        "device": draw(st.integers(0, 2**64 - 1)),
        "links": draw(st.integers(0, 100)),
        "xattrs": tuple(sorted(draw(st.dictionaries(names, st.binary(max_size=20), max_size=3)).items())),
    }


@st.composite
def entries(draw: st.DrawFn, name: bytes) -> Entry:
    kind = draw(st.sampled_from(EntryType))
    base = draw(common())
    if kind is EntryType.FILE:
        chunks = tuple(ChunkRef(draw(ids32), length) for length in draw(st.lists(st.integers(1, 2**22), max_size=3)))
        data_bytes = sum(ref.length for ref in chunks)
        hole = draw(st.integers(0, 2**40))
        extents = draw(st.sampled_from([None, (Extent(hole, data_bytes),) if data_bytes else ()]))
        size = data_bytes if extents is None else hole + data_bytes
        fixed = draw(st.booleans())
        return Entry(name, kind, chunks=chunks, extents=extents, size=size, fixed_chunks=fixed, **base)
    if kind is EntryType.DIRECTORY:
        return Entry(name, kind, tree=draw(ids32), partial=draw(st.booleans()), **base)
    if kind is EntryType.SYMLINK:
        return Entry(name, kind, target=draw(names), **base)
    return Entry(name, kind, rdev_major=draw(st.integers(0, 4095)), rdev_minor=draw(st.integers(0, 2**20)), **base)


@st.composite
def folders(draw: st.DrawFn) -> list[Entry]:
    return [draw(entries(name)) for name in sorted(draw(st.sets(names, max_size=8)))]


def small_file(name: bytes, size: int = 0) -> Entry:
    return Entry(name, EntryType.FILE, 0o644, 1000, 1000, owner="alice", mtime_ns=1_700_000_000_000_000_000, inode=size)


def write(vault: MemoryVault, folder: list[Entry]) -> ChunkId:
    with vault.writer(PackKind.META) as writer:
        return TreeWriter(writer).write(folder)


@settings(max_examples=100, deadline=None)
@given(folder=folders())
def test_a_folder_comes_back_as_it_was_and_has_one_encoding(folder: list[Entry]) -> None:
    vault, again = MemoryVault(), MemoryVault()
    tree = write(vault, folder)
    reader = vault.reader(PackKind.META)
    read = list(read_tree(reader, tree))
    assert read == folder
    assert write(again, read) == tree
    assert [find_entry(reader, tree, entry.name) for entry in folder] == folder
    assert find_entry(reader, tree, b"absent name") is None


def test_defaults_take_no_room() -> None:
    encoded = msgspec.msgpack.encode(Entry(b"n", EntryType.FILE, 0, 0, 0))
    assert msgspec.msgpack.decode(encoded) == {"n": b"n", "t": "f", "m": 0, "u": 0, "g": 0}


def test_an_empty_folder_is_a_tree() -> None:
    vault = MemoryVault()
    tree = write(vault, [])
    assert list(read_tree(vault.reader(PackKind.META), tree)) == []
    assert find_entry(vault.reader(PackKind.META), tree, b"x") is None


@pytest.mark.parametrize("count", [NODE_ITEMS - 1, NODE_ITEMS, NODE_ITEMS + 1, 30_000])
def test_folders_around_and_past_one_node_come_back_and_are_searched(count: int) -> None:
    folder = [small_file(b"%08d" % number, number) for number in range(count)]
    vault = MemoryVault()
    tree = write(vault, folder)
    reader = vault.reader(PackKind.META)
    assert list(read_tree(reader, tree)) == folder
    for number in (0, 1, count // 2, count - 1):
        assert find_entry(reader, tree, b"%08d" % number) == folder[number]
    assert find_entry(reader, tree, b"00000000x") is None
    assert find_entry(reader, tree, b"0") is None
    assert find_entry(reader, tree, b"z") is None
    assert (len(vault.places) == 1) == (count <= NODE_ITEMS)


def test_a_folder_of_few_large_entries_is_cut_by_bytes() -> None:
    folder = [
        msgspec.structs.replace(small_file(b"%04d" % n), xattrs=((b"user.x", bytes(60_000)),)) for n in range(100)
    ]
    vault = MemoryVault()
    tree = write(vault, folder)
    assert list(read_tree(vault.reader(PackKind.META), tree)) == folder
    assert all(place.length <= NODE_BYTES + 100 for place in vault.places.values())
    assert len(vault.places) > 6


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_change_in_a_large_folder_stores_a_few_nodes_anew(data: st.DataObject) -> None:
    folder = LARGE
    vault = MemoryVault()
    write(vault, folder)
    changed = list(folder)
    at = data.draw(st.integers(0, len(folder) - 1))
    match data.draw(st.sampled_from(["change", "insert", "remove"])):
        case "change":
            changed[at] = msgspec.structs.replace(changed[at], size=0, mtime_ns=1)
        case "insert":
            changed.insert(at + 1, small_file(changed[at].name + b"x"))
        case _:
            del changed[at]
    before = set(vault.places)
    with vault.writer(PackKind.META) as writer:
        TreeWriter(writer).write(changed)
    assert len(before) > 20
    assert len(set(vault.places) - before) <= 4


LARGE = [small_file(b"%08d" % number, number) for number in range(30_000)]


def test_a_writer_takes_entries_one_by_one() -> None:
    """Nodes of a large folder are stored while its entries still come: it never stands in memory as a whole."""
    stored_at: list[int] = []
    count = 0

    class Sink:
        def add(self, data: bytes) -> ChunkRef:
            stored_at.append(count)
            return ChunkRef(blake3(data).digest(), len(data))

    def produce() -> Iterator[Entry]:
        nonlocal count
        for count in range(50_000):
            yield small_file(b"%08d" % count)

    TreeWriter(Sink()).write(produce())
    assert stored_at[0] <= NODE_ITEMS + 1
    assert all(later - earlier <= NODE_ITEMS for earlier, later in pairwise(stored_at))


def many_refs(count: int) -> list[ChunkRef]:
    dice = random.Random(count)
    return [ChunkRef(dice.randbytes(32), dice.randrange(1, 2**22)) for _ in range(count)]


@pytest.mark.parametrize("count", [0, 1, CHUNKS_INLINE_MAX + 1, NODE_ITEMS + 1, 100_000])
def test_chunk_lists_of_any_length_come_back(count: int) -> None:
    vault = MemoryVault()
    refs = many_refs(count)
    with vault.writer(PackKind.META) as writer:
        list_id = write_chunk_list(writer, refs)
    assert list(read_chunk_list(vault.reader(PackKind.META), list_id)) == refs


def test_an_insertion_into_a_long_chunk_list_stores_a_few_nodes_anew() -> None:
    refs = many_refs(50_000)
    vault = MemoryVault()
    with vault.writer(PackKind.META) as writer:
        write_chunk_list(writer, refs)
    before = set(vault.places)
    with vault.writer(PackKind.META) as writer:
        write_chunk_list(writer, [*refs[:20_000], *many_refs(1), *refs[20_000:]])
    assert len(set(vault.places) - before) <= 4 < len(before)


def test_a_file_of_many_chunks_gets_a_chunk_list_by_itself() -> None:
    refs = tuple(many_refs(CHUNKS_INLINE_MAX + 1))
    entry = msgspec.structs.replace(small_file(b"large"), size=sum(ref.length for ref in refs), chunks=refs)
    vault = MemoryVault()
    tree = write(vault, [entry])
    reader = vault.reader(PackKind.META)
    (read,) = read_tree(reader, tree)
    assert read.chunks == ()
    assert len(read.chunk_list) == 32
    assert tuple(entry_chunks(reader, read)) == refs
    assert write(MemoryVault(), [entry]) == tree


def test_long_extents_and_attributes_move_out_of_the_entry_and_back() -> None:
    extents = tuple(Extent(number * 2**20, 4096) for number in range(20_000))
    xattrs = tuple((b"user.%03d" % number, bytes(5000)) for number in range(400))
    chunks = (ChunkRef(bytes(32), 4096),) * 1000
    chunk_list_bytes = 20_000 * 4096
    vault = MemoryVault()
    with vault.writer(PackKind.META) as writer:
        chunk_list = write_chunk_list(writer, chunks * 20)
        entry = msgspec.structs.replace(
            small_file(b"sparse"), size=2**40, extents=extents, xattrs=xattrs, chunk_list=chunk_list
        )
        tree = TreeWriter(writer).write([entry])
    reader = vault.reader(PackKind.META)
    (read,) = read_tree(reader, tree)
    assert read == entry
    assert read.data_bytes == chunk_list_bytes
    assert sum(ref.length for ref in entry_chunks(reader, read)) == chunk_list_bytes
    assert find_entry(reader, tree, b"sparse") == entry
    assert all(place.length <= NODE_BYTES + 100 for place in vault.places.values())


def test_chunks_that_are_not_as_long_as_the_file_are_refused() -> None:
    vault = MemoryVault()
    refs = many_refs(10)
    with vault.writer(PackKind.META) as writer:
        chunk_list = write_chunk_list(writer, refs)
    total = sum(ref.length for ref in refs)
    for size in (total - 1, total + 1, 0):
        entry = msgspec.structs.replace(small_file(b"f"), size=size, chunk_list=chunk_list)
        with pytest.raises(HostileTree):
            list(entry_chunks(vault.reader(PackKind.META), entry))


def test_missing_files_are_listed() -> None:
    missing = [MissingEntry(b"/etc/sh\xffadow", "EACCES"), MissingEntry(b"/x", "EBUSY")]
    vault = MemoryVault()
    with vault.writer(PackKind.META) as writer:
        list_id = write_missing(writer, missing)
    assert list(read_missing(vault.reader(PackKind.META), list_id)) == missing


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param([small_file(b"b"), small_file(b"a")], id="not sorted"),
        pytest.param([small_file(b"a"), small_file(b"a")], id="twice"),
        pytest.param([small_file(b"")], id="no name"),
        pytest.param([small_file(b"..")], id="dot dot"),
        pytest.param([small_file(b"a/b")], id="slash"),
        pytest.param([msgspec.structs.replace(small_file(b"a"), size=1)], id="size without chunks"),
        pytest.param([Entry(b"d", EntryType.DIRECTORY, 0, 0, 0)], id="folder without tree"),
        pytest.param(
            [msgspec.structs.replace(small_file(b"a"), xattrs=((b"u", bytes(4 * 2**20)),) * 1)], id="too large"
        ),
    ],
)
def test_a_tree_that_could_not_be_read_is_not_written(folder: list[Entry]) -> None:
    with pytest.raises(InvalidEntry):
        write(MemoryVault(), folder)
