"""What no honest backup writes is refused on reading, whoever signed it."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.chunkid import keyed_id
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.errors import HostileTree, UnknownVersion, VaultError
from phoenix_core.vault.filelists import EXTENTS_INLINE_MAX
from phoenix_core.vault.listnode import MAX_LEVEL, NodeRef
from phoenix_core.vault.tree import entry_chunks, find_entry, read_chunk_list, read_tree
from phoenix_core.vault.treewalk import walk

ID = bytes(32)


class Shelf:
    """Chunks as a hostile agent may write them: any bytes, under their right id."""

    def __init__(self) -> None:
        self.chunks: dict[ChunkId, bytes] = {}
        self.reads = 0

    def put(self, data: bytes) -> ChunkId:
        chunk = keyed_id(ID, data)
        self.chunks[chunk] = data
        return chunk

    def node(self, items: object, *, magic: bytes = b"PXT", version: int = 1, level: int = 0) -> ChunkId:
        return self.put(magic + bytes((version, level)) + msgspec.msgpack.encode(items))

    def read_one(self, chunk: ChunkId) -> bytes:
        self.reads += 1
        return self.chunks[chunk]

    def read(self, ids: Iterable[ChunkId]) -> Iterator[tuple[ChunkId, bytes]]:
        return ((chunk, self.read_one(chunk)) for chunk in ids)


def entry(**fields: object) -> dict[str, object]:
    return {"n": b"name", "t": "f", "m": 0, "u": 0, "g": 0} | fields


RAW_ENTRY = msgspec.msgpack.encode(entry(un="ab")).replace(b"\xa2ab", b"\xa2\xff\xfe")
BAD_ENTRIES: dict[str, list[dict[str, object]]] = {
    "a slash": [entry(n=b"a/b")],
    "an absolute name": [entry(n=b"/etc/passwd")],
    "dot": [entry(n=b".")],
    "dot dot": [entry(n=b"..")],
    "NUL": [entry(n=b"a\0b")],
    "no name": [entry(n=b"")],
    "a name of a mebibyte": [entry(n=b"n" * 2**20)],
    "not sorted": [entry(n=b"b"), entry(n=b"a")],
    "the same name twice": [entry(n=b"a"), entry(n=b"a")],
    "a link, then a folder of its name": [entry(n=b"a", t="l", lt=b"/etc"), entry(n=b"a", t="d", d=ID)],
    "an unknown type": [entry(t="x")],
    "an unknown field": [entry(zz=1)],
    "no type": [{"n": b"a", "m": 0, "u": 0, "g": 0}],
    "a name as text": [entry(n="name")],
    "an owner that is not UTF-8": [msgspec.Raw(RAW_ENTRY)],  # type: ignore[list-item]
    "a negative size": [entry(s=-1)],
    "a negative owner": [entry(u=-1)],
    "a mode past twelve bits": [entry(m=0o10000)],
    "a size without chunks": [entry(s=10)],
    "chunks without a size": [entry(c=[[ID, 10]])],
    "a short chunk id": [entry(s=10, c=[[ID[:31], 10]])],
    "a chunk of no bytes": [entry(c=[[ID, 0]])],
    "a chunk of terabytes": [entry(s=2**40, c=[[ID, 2**40]])],
    "chunks in a list and in place": [entry(s=10, c=[[ID, 10]], cl=ID)],
    "a short list id": [entry(s=10, cl=ID[:5])],
    "a file with a tree": [entry(d=ID)],
    "a file with a target": [entry(lt=b"x")],
    "a folder without tree": [entry(t="d")],
    "a folder with chunks": [entry(t="d", d=ID, c=[[ID, 10]], s=10)],
    "a pipe with a tree": [entry(t="p", d=ID)],
    "a link without target": [entry(t="l")],
    "a link with NUL": [entry(t="l", lt=b"a\0b")],
    "extents that overlap": [entry(s=100, e=[[0, 10], [5, 10]], c=[[ID, 20]])],
    "extents that descend": [entry(s=100, e=[[50, 10], [0, 10]], c=[[ID, 20]])],
    "an extent past the end": [entry(s=100, e=[[95, 10]], c=[[ID, 10]])],
    "an extent of no bytes": [entry(s=100, e=[[5, 0]])],
    "a negative extent": [entry(s=100, e=[[-5, 10]], c=[[ID, 10]])],
    "attributes that descend": [entry(x=[[b"user.b", b""], [b"user.a", b""]])],
    "an attribute twice": [entry(x=[[b"user.a", b"1"], [b"user.a", b"2"]])],
    "an attribute without name": [entry(x=[[b"", b"1"]])],
    "a number as an entry": [5],  # type: ignore[list-item]
}


@pytest.mark.parametrize("items", BAD_ENTRIES.values(), ids=BAD_ENTRIES.keys())
def test_a_tree_with_a_bad_entry_is_refused(items: list[dict[str, object]]) -> None:
    shelf = Shelf()
    with pytest.raises(HostileTree):
        list(read_tree(shelf, shelf.node(items)))


def test_the_good_entry_that_the_bad_ones_are_made_of_is_fine() -> None:
    shelf = Shelf()
    assert [one.name for one in read_tree(shelf, shelf.node([entry()]))] == [b"name"]


def test_a_search_refuses_bad_entries_too() -> None:
    shelf = Shelf()
    with pytest.raises(HostileTree):
        find_entry(shelf, shelf.node([entry(n=b"a", t="d")]), b"a")


BAD_NODES: dict[str, bytes] = {
    "empty": b"",
    "magic only": b"PXT\x01\x00",
    "another list's magic": b"PXC\x01\x00\x90",
    "a file's bytes": b"#!/bin/sh\n",
    "too many levels": b"PXT\x01" + bytes((MAX_LEVEL + 1,)) + b"\x90",
    "no MessagePack": b"PXT\x01\x00\xc1",
    "an array of four billion": b"PXT\x01\x00\xdd\xff\xff\xff\xff",
    "an array of four billion references": b"PXT\x01\x01\xdd\xff\xff\xff\xff",
    "bytes after the array": b"PXT\x01\x00\x90\x90",
    "no references": b"PXT\x01\x01\x90",
    "deeply nested": b"PXT\x01\x00" + b"\x91" * 100_000,
}


@pytest.mark.parametrize("data", BAD_NODES.values(), ids=BAD_NODES.keys())
def test_a_chunk_that_is_no_node_is_refused(data: bytes) -> None:
    shelf = Shelf()
    root = shelf.put(data)
    with pytest.raises(HostileTree):
        list(read_tree(shelf, root))
    with pytest.raises(HostileTree):
        find_entry(shelf, root, b"name")


def test_a_later_version_says_so() -> None:
    shelf = Shelf()
    with pytest.raises(UnknownVersion):
        list(read_tree(shelf, shelf.node([], version=2)))


@settings(max_examples=200)
@given(data=st.binary(max_size=200), level=st.integers(0, 2))
def test_random_bytes_give_a_typed_error_or_a_tree(data: bytes, level: int) -> None:
    shelf = Shelf()
    root = shelf.put(b"PXT\x01" + bytes((level,)) + data)
    with suppress(VaultError, KeyError):  # KeyError: a reference to a chunk that is not on the shelf
        list(read_tree(shelf, root))


def refs_to(shelf: Shelf, *names: bytes, **changes: object) -> ChunkId:
    leaf = shelf.node([entry(n=name) for name in names])
    ref = msgspec.structs.replace(NodeRef(leaf, len(names), 0, names[0]), **changes)
    return shelf.node([ref], level=1)


def test_an_honest_two_level_list_is_fine() -> None:
    shelf = Shelf()
    assert len(list(read_tree(shelf, refs_to(shelf, b"a", b"b")))) == 2


@pytest.mark.parametrize(
    "changes",
    [{"items": 3}, {"items": 1}, {"span": 1}, {"first": b"0"}, {"items": 0}, {"span": -1}, {"id": b"short"}],
    ids=str,
)
def test_a_reference_that_lies_about_its_node_is_refused(changes: dict[str, object]) -> None:
    shelf = Shelf()
    with pytest.raises(HostileTree):
        list(read_tree(shelf, refs_to(shelf, b"a", b"b", **changes)))


def test_levels_must_descend_one_by_one() -> None:
    shelf = Shelf()
    two_above = shelf.node([NodeRef(shelf.node([entry()]), 1, 0, b"name")], level=2)
    with pytest.raises(HostileTree):
        list(read_tree(shelf, two_above))
    with pytest.raises(HostileTree):
        find_entry(shelf, two_above, b"name")


def test_a_list_that_repeats_its_nodes_is_refused_at_the_first_repetition() -> None:
    """A small list that claims 4,096 to the power of 8 entries costs its reader a few reads."""
    shelf = Shelf()
    node, items = shelf.node([entry()]), 1
    for level in range(1, MAX_LEVEL + 1):
        node = shelf.node([NodeRef(node, items, 0, b"name")] * 4, level=level)
        items *= 4
    with pytest.raises(HostileTree):
        list(read_tree(shelf, node))
    assert shelf.reads < 50


def test_a_chunk_list_longer_than_its_file_ends_where_the_file_does() -> None:
    shelf = Shelf()
    node, items = shelf.node([[ID, 1000]] * 100, magic=b"PXC"), 100
    for level in range(1, MAX_LEVEL + 1):
        node = shelf.node([NodeRef(node, items, items * 1000, b"")] * 50, magic=b"PXC", level=level)
        items *= 50
    file = Entry(b"f", EntryType.FILE, 0, 0, 0, size=5000, chunk_list=node)
    with pytest.raises(HostileTree):
        list(entry_chunks(shelf, file))
    assert shelf.reads < 2000


def test_a_chunk_list_whose_spans_lie_is_refused() -> None:
    shelf = Shelf()
    leaf = shelf.node([[ID, 1000]], magic=b"PXC")
    with pytest.raises(HostileTree):
        list(read_chunk_list(shelf, shelf.node([NodeRef(leaf, 1, 999, b"")], magic=b"PXC", level=1)))


def test_extents_in_a_list_are_checked_like_those_in_place() -> None:
    shelf = Shelf()
    overlapping = shelf.node([[0, 10], [5, 10]] * EXTENTS_INLINE_MAX, magic=b"PXE")
    with pytest.raises(HostileTree):
        list(read_tree(shelf, shelf.node([entry(s=100, c=[[ID, 20]], el=overlapping)])))


def test_attributes_in_a_list_are_checked_like_those_in_place() -> None:
    shelf = Shelf()
    twice = shelf.node([[b"user.a", b"1"], [b"user.a", b"2"]], magic=b"PXX")
    with pytest.raises(HostileTree):
        list(read_tree(shelf, shelf.node([entry(xl=twice)])))


def test_endless_lists_of_one_file_are_cut_off() -> None:
    shelf = Shelf()
    many = shelf.node([[0, 1]] * 4096, magic=b"PXE")
    top = shelf.node([NodeRef(many, 4096, 4096, b"")] * 4096, magic=b"PXE", level=1)
    with pytest.raises(HostileTree, match="more than"):
        list(read_tree(shelf, shelf.node([entry(s=100, el=top)])))


def test_folders_nested_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids are hashes, so a tree can't contain itself; depth alone can be had, and is bounded."""
    monkeypatch.setattr("phoenix_core.vault.treewalk.MAX_DEPTH", 100)
    shelf = Shelf()
    tree = shelf.node([])
    for _ in range(150):
        tree = shelf.node([entry(n=b"d", t="d", d=tree)])
    with pytest.raises(HostileTree, match="nested"):
        list(walk(shelf, tree))
