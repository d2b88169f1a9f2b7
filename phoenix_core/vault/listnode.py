"""How trees and lists are stored: as metadata chunks, long ones cut where their content says, under list nodes.

    node = magic (3 bytes: what is listed), version 1 (1 byte), level (1 byte), MessagePack array of items
    level 0: the items themselves; level n > 0: [child id, items below it, span, first key] for nodes of level n - 1

A list of at most 4,096 items and 1 MiB is one node. A longer one is cut after an item whose name or id hashes to 0
modulo 1,024 (BLAKE3, first 4 bytes, little-endian), but not before 256 items, and in any case at 4,096 items and before
1 MiB would be passed; the nodes' references are again such a list, one level up. So a change moves only the node around
it, and the same items always give the same nodes.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Annotated, Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec
from blake3 import blake3
from msgspec import Meta

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.chunkid import CHUNK_ID_BYTES
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import ChunkRef
from phoenix_core.vault.errors import HostileTree, InvalidEntry, UnknownVersion
from phoenix_core.vault.malformed import MALFORMED

VERSION = 1
NODE_ITEMS = 4096
NODE_BYTES = 2**20
CUT_MIN_ITEMS = 256
CUT_MASK = 0x3FF
MAX_LEVEL = 8
MAX_ITEM_BYTES = 3 * 2**20
_HEADER_BYTES = 5

Item = TypeVar("Item")


class ChunkSink(Protocol):
    """Where nodes are written: a `ChunkWriter` of kind `meta`."""

    def add(self, data: bytes) -> ChunkRef: ...


class NodeRef(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """A list node's reference to a node one level below."""

    id: Annotated[bytes, Meta(min_length=CHUNK_ID_BYTES, max_length=CHUNK_ID_BYTES)]
    items: Annotated[int, Meta(ge=1)]
    """Items below it, over all levels."""
    span: Annotated[int, Meta(ge=0)]
    """Sum of the items' spans: for chunk lists the file's bytes."""
    first: bytes
    """The first item's key: for trees its name."""


class ListKind(Generic[Item]):
    """One kind of list: its magic, its items' type, and what of an item decides where to cut."""

    def __init__(
        self,
        magic: bytes,
        item_type: Any,
        *,
        cut_by: Callable[[Item], bytes],
        first: Callable[[Item], bytes] = lambda item: b"",
        span: Callable[[Item], int] = lambda item: 0,
        check: bool = True,
    ) -> None:
        """A long list may be cut after an item whose `cut_by` hashes right; `first` is the key that it is sorted by.
        `check`: whether what a reference says of a node is compared with the node, on reading."""
        self.magic = magic
        self.cut_by = cut_by
        self.first = first
        self.span = span
        self.check = check
        self.decoder: msgspec.msgpack.Decoder[list[Item]] = msgspec.msgpack.Decoder(list[item_type])


_encoder = msgspec.msgpack.Encoder()
_ref_decoder = msgspec.msgpack.Decoder(list[NodeRef])


def write_list(sink: ChunkSink, kind: ListKind[Item], items: Iterable[Item]) -> ChunkId:
    """Store a list; returns the id of its top node. Raises `InvalidEntry` for an item of more than 3 MiB."""
    pieces = (_piece(kind, item) for item in items)
    level = 0
    while True:
        refs = [_write_node(sink, kind.magic, level, segment) for segment in _segments(pieces)]
        if len(refs) == 1:
            return ChunkId(refs[0].id)
        level += 1
        pieces = (_Piece(_encoder.encode(ref), ref.id, ref.first, ref.items, ref.span) for ref in refs)


def read_list(source: ChunkSource, kind: ListKind[Item], root: bytes) -> Iterator[Item]:
    """The items, in order, read node by node. Raises `HostileTree`, `UnknownVersion`, and what `source` raises."""
    for page in read_list_pages(source, kind, root):
        yield from page


def read_list_pages(source: ChunkSource, kind: ListKind[Item], root: bytes) -> Iterator[list[Item]]:
    """As `read_list`, a node's items at a time."""
    level, data = parse_node(kind.magic, source.read_one(ChunkId(root)))
    if level == 0:
        yield _items(kind, data)
    else:
        yield from _read_below(source, kind, level, _refs(data))


def find_in_list(source: ChunkSource, kind: ListKind[Item], root: bytes, key: bytes) -> Item | None:
    """The item with this key, from a list sorted by keys, reading only the nodes on the way."""
    level, data = parse_node(kind.magic, source.read_one(ChunkId(root)))
    while level:
        refs = [ref for ref in _refs(data) if ref.first <= key]
        if not refs:
            return None
        below, data = parse_node(kind.magic, source.read_one(ChunkId(refs[-1].id)))
        if below != level - 1:
            raise HostileTree(detail="a list's levels do not descend one by one")
        level = below
    return next((item for item in _items(kind, data) if kind.first(item) == key), None)


def read_list_from(source: ChunkSource, kind: ListKind[Item], root: bytes, position: int) -> Iterator[tuple[int, Item]]:
    """The items from the one whose span holds `position` on, each with the sum of the spans before it; only the nodes
    that hold them are read. Raises as `read_list`."""
    level, data = parse_node(kind.magic, source.read_one(ChunkId(root)))
    yield from _read_from(source, kind, level, data, 0, position)


def parse_node(magic: bytes, data: bytes) -> tuple[int, memoryview]:
    """Level and MessagePack bytes of a node of the kind with this magic. Raises `HostileTree`, `UnknownVersion`."""
    if len(data) <= _HEADER_BYTES or data[:3] != magic:
        raise HostileTree(detail="a chunk is not the kind of list that refers to it")
    if data[3] != VERSION:
        raise UnknownVersion(what="list", version=data[3])
    if data[4] > MAX_LEVEL:
        raise HostileTree(detail=f"a list has {data[4]} levels")
    return data[4], memoryview(data)[_HEADER_BYTES:]


class _Piece(NamedTuple):
    """What goes into a node: an encoded item or reference."""

    data: bytes
    cut_by: bytes
    first: bytes
    items: int
    span: int


def _piece(kind: ListKind[Item], item: Item) -> _Piece:
    data = _encoder.encode(item)
    if len(data) > MAX_ITEM_BYTES:
        raise InvalidEntry(detail=f"an item has {len(data)} bytes when encoded")
    return _Piece(data, kind.cut_by(item), kind.first(item), 1, kind.span(item))


def _segments(pieces: Iterator[_Piece]) -> Iterator[list[_Piece]]:
    """All in one if they fit one node, else cut where content says. No pieces: one empty segment."""
    held: list[_Piece] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece.data)
        if len(held) > NODE_ITEMS or size > NODE_BYTES:
            yield from _cut(chain(held, pieces))
            return
    yield held


def _cut(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    segment: list[_Piece] = []
    size = 0
    for piece in pieces:
        if segment and size + len(piece.data) > NODE_BYTES:
            yield segment
            segment, size = [], 0
        segment.append(piece)
        size += len(piece.data)
        if len(segment) == NODE_ITEMS or (len(segment) >= CUT_MIN_ITEMS and _cuts_after(piece.cut_by)):
            yield segment
            segment, size = [], 0
    if segment:
        yield segment


def _cuts_after(cut_by: bytes) -> bool:
    return int.from_bytes(blake3(cut_by).digest(4), "little") & CUT_MASK == 0


def _write_node(sink: ChunkSink, magic: bytes, level: int, segment: list[_Piece]) -> NodeRef:
    head = magic + bytes((VERSION, level)) + _array_header(len(segment))
    ref = sink.add(head + b"".join([piece.data for piece in segment]))
    first = segment[0].first if segment else b""
    return NodeRef(ref.id, sum(piece.items for piece in segment), sum(piece.span for piece in segment), first)


def _array_header(count: int) -> bytes:
    """MessagePack's shortest header of an array with so many elements."""
    if count < 16:
        return bytes((0x90 | count,))
    return b"\xdc" + count.to_bytes(2, "big")


def _items(kind: ListKind[Item], data: memoryview) -> list[Item]:
    try:
        return kind.decoder.decode(data)
    except MALFORMED as error:
        raise HostileTree(detail=f"an item is malformed ({error})") from error


def _refs(data: memoryview) -> list[NodeRef]:
    try:
        refs = _ref_decoder.decode(data)
    except MALFORMED as error:
        raise HostileTree(detail=f"a list's reference is malformed ({error})") from error
    if not refs:
        raise HostileTree(detail="a list node refers to nothing")
    return refs


def _read_below(source: ChunkSource, kind: ListKind[Item], level: int, refs: list[NodeRef]) -> Iterator[list[Item]]:
    nodes = source.read([ChunkId(ref.id) for ref in refs])
    for ref, (_, node) in zip(refs, nodes, strict=True):
        below, data = parse_node(kind.magic, node)
        if below != level - 1:
            raise HostileTree(detail="a list's levels do not descend one by one")
        if below == 0:
            items = _items(kind, data)
            held = (len(items), sum(kind.span(item) for item in items), kind.first(items[0]) if items else b"")
            if kind.check:
                _expect(ref, held)
            yield items
        else:
            children = _refs(data)
            held = (sum(child.items for child in children), sum(child.span for child in children), children[0].first)
            _expect(ref, held)
            yield from _read_below(source, kind, below, children)


def _read_from(
    source: ChunkSource, kind: ListKind[Item], level: int, data: memoryview, before: int, position: int
) -> Iterator[tuple[int, Item]]:
    """`before`: the sum of the spans before this node."""
    if level == 0:
        for item in _items(kind, data):
            span = kind.span(item)
            if before + span > position:
                yield before, item
            before += span
        return
    for ref in _refs(data):
        if before + ref.span > position:
            below, node = parse_node(kind.magic, source.read_one(ChunkId(ref.id)))
            if below != level - 1:
                raise HostileTree(detail="a list's levels do not descend one by one")
            end = before
            for at, item in _read_from(source, kind, below, node, before, position):
                yield at, item
                end = at + kind.span(item)
            if end != before + ref.span:
                raise HostileTree(detail="a list node does not hold what its reference says")
        before += ref.span


def _expect(ref: NodeRef, held: tuple[int, int, bytes]) -> None:
    if held != (ref.items, ref.span, ref.first):
        raise HostileTree(detail="a list node does not hold what its reference says")
