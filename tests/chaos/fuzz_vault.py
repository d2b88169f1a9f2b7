"""What is read from a vault: packs, list nodes and trees, snapshots and records, descriptors, merged index objects.

Where a seal, a hash or a signature stands before a parser, the malformed plain text is sealed, hashed or signed with
the right key, as somebody could who has it."""

import random
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.storage import intake, merged
from phoenix_core.vault import descriptor, snapshot, wrap
from phoenix_core.vault.block import NONCE, open_block, seal_block
from phoenix_core.vault.blockkeys import block_key
from phoenix_core.vault.filelists import CHUNK_LIST, EXTENT_LIST, XATTR_LIST, read_missing
from phoenix_core.vault.listnode import read_list
from phoenix_core.vault.packhead import HEAD_SIZE, parse_head
from phoenix_core.vault.packreader import check_pack
from phoenix_core.vault.packtail import FOOTER_SIZE, PackTail, parse_footer, tail_key
from phoenix_core.vault.seal import SEAL_OVERHEAD, seal_to_vault
from phoenix_core.vault.tree import entry_chunks, find_entry, read_tree
from phoenix_core.vault.treewalk import walk
from tests.chaos import fuzz_records, fuzz_windows
from tests.chaos.fuzz_mutate import altered, altered_json, mutated
from tests.chaos.fuzz_seeds import golden
from tests.chaos.fuzz_target import Target, View
from tests.vault import golden_objects
from tests.vault.memory_vault import KEY, KEYS, PRIVATE_KEY, PUBLIC_KEY, VAULT_ID, BytesPack, make_pack
from tests.vault.test_snapshot import AGENT
from tests.vault.test_snapshot import BODY as SNAPSHOT_BODY

ITEMS = 200
"""Of an endless list so many are read."""


class Lengthy(BytesPack):
    """A pack with its length, as the intake reads it."""

    @property
    def length(self) -> int:
        return len(self.data)


# --- packs -----------------------------------------------------------------------------------------------------------

PACK = golden("pack")[0]
HEAD = PACK[:HEAD_SIZE]
PARSED = parse_head(HEAD)
PACK_KEY = make_pack(golden_objects.PACK_CHUNKS)[2]
INDEX_KEYS = {(PARSED.domain, PARSED.epoch): KEYS.index_key}
_TAIL_BYTES = parse_footer(PACK[-FOOTER_SIZE:], len(PACK))
_TAIL_KEY = tail_key(KEYS.index_key, PARSED.random_id)
BODY = PACK[HEAD_SIZE : -FOOTER_SIZE - _TAIL_BYTES]
TAIL = AESGCM(_TAIL_KEY).decrypt(NONCE, PACK[-FOOTER_SIZE - _TAIL_BYTES : -FOOTER_SIZE], HEAD)
_BLOCK_SEEDS = [b"\0" + bytes(500), b"\1" + zstandard.ZstdCompressor().compress(bytes(5000))]


def _read(data: bytes) -> None:
    """As the node takes a pack in, and as the core proves one."""
    pack = Lengthy(data)
    name = PackId(blake3(data).digest())
    checked = intake.read_pack(name, pack, VAULT_ID, INDEX_KEYS)  # type: ignore[arg-type]
    _place(checked.tail)
    check_pack(pack, len(data), name, PACK_KEY, KEYS)


def _place(tail: PackTail) -> None:
    """What the index makes of it: six fields of 32 bits."""
    for ordinal, block in enumerate(tail.blocks):
        for _, offset, length in block.chunks():
            struct.pack(">IIIIII", 1, ordinal, block.offset, block.sealed_bytes, offset, length)


def _sealed_tail(plain: bytes) -> None:
    sealed = AESGCM(_TAIL_KEY).encrypt(NONCE, plain, HEAD)
    _read(HEAD + BODY + sealed + struct.pack("<IHH8s", len(sealed), 1, 0, b"PHNXTAIL"))


def _sealed_block(plain: bytes) -> None:
    key = block_key(bytes(32), 0)
    open_block(key, HEAD, 0, seal_block(key, HEAD, 0, plain))


PACKS = Target(
    "pack",
    (
        View("head", mutated, [HEAD], lambda data: _ignore(parse_head(data))),
        View("as stored", mutated, [PACK], _read),
        View("behind the tail's seal", altered, [TAIL], _sealed_tail),
        View("behind a block's seal", mutated, _BLOCK_SEEDS, _sealed_block),
        View("footer", mutated, [PACK[-FOOTER_SIZE:]], lambda data: _ignore(parse_footer(data, len(PACK)))),
    ),
)


# --- lists and trees -------------------------------------------------------------------------------------------------


class Pool:
    """Every id leads to one of these nodes, which its first byte names: references may go round in circles."""

    def __init__(self, nodes: list[bytes]) -> None:
        self._nodes = nodes

    def read_one(self, chunk: ChunkId) -> bytes:
        return self._nodes[(chunk[0] if chunk else 0) % len(self._nodes)]

    def read(self, ids: Iterable[ChunkId]) -> Iterator[tuple[ChunkId, bytes]]:
        return ((chunk, self.read_one(chunk)) for chunk in ids)


NODES = golden("tree", "large-tree-top", "chunk-list-top", "chunk-list-last", "missing", "windows-tree")
WINDOWS_NODES = golden("windows-tree", "tree", "chunk-list-last")


def _node(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A node whose five bytes of header mostly hold, so that its items are looked at."""
    seed = dice.choice(seeds)
    header = bytearray(seed[:5])
    if header and dice.random() < 0.3:
        header[dice.randrange(len(header))] = dice.choice((*b"PXTCEM", 0, 1, 8, 9))
    return bytes(header) + altered(dice, [seed[5:]])


def _all_lists(data: bytes) -> None:
    pool = Pool([data, *NODES])
    _refused_by_all(
        lambda: _some(read_list(pool, CHUNK_LIST, bytes(32))),
        lambda: _some(read_list(pool, EXTENT_LIST, bytes(32))),
        lambda: _some(read_list(pool, XATTR_LIST, bytes(32))),
        lambda: _some(read_missing(pool, bytes(32))),
        lambda: _tree(pool),
        lambda: _some(walk(pool, bytes(32), (b"/", b"/dir/x"))),
        lambda: find_entry(pool, bytes(32), b"file \xff"),
    )


def _to_windows(data: bytes) -> None:
    pool = Pool([data, *WINDOWS_NODES])
    _refused_by_all(
        lambda: fuzz_windows.plan(pool, ""),
        lambda: fuzz_windows.plan(pool, "\\\\?\\C:\\restored"),
        lambda: fuzz_windows.metadata(islice(read_tree(pool, bytes(32)), ITEMS)),
    )


def _refused_by_all(*readers: Callable[[], object]) -> None:
    """Raises the first error where no reader takes anything."""
    errors = []
    for read in readers:
        try:
            read()
        except PhoenixError as error:
            errors.append(error)
    if len(errors) == len(readers):
        raise errors[0]


def _some(items: Iterable[Any]) -> None:
    for _ in islice(items, ITEMS):
        pass


def _tree(pool: Pool) -> None:
    for entry in islice(read_tree(pool, bytes(32)), ITEMS):
        if entry.is_file:
            _some(entry_chunks(pool, entry))


TREES = Target(
    "tree",
    (
        View("nodes", _node, NODES, _all_lists),
        View("as stored", mutated, NODES, _all_lists),
        View("restored to Windows", _node, WINDOWS_NODES, _to_windows),
    ),
)


# --- snapshots and records -------------------------------------------------------------------------------------------

SNAPSHOT = golden("snapshot")[0]
_BODY = msgspec.msgpack.encode(SNAPSHOT_BODY)
_SIGNED = msgspec.msgpack.encode([_BODY, AGENT.sign(snapshot.SIGNATURE_LABEL + _BODY)])


def _open(sealed: bytes) -> None:
    snapshot.open_snapshot(PRIVATE_KEY, sealed)


def _seal(plain: bytes) -> None:
    header = SNAPSHOT[:12] + (len(plain) + SEAL_OVERHEAD).to_bytes(4, "little")
    _open(header + seal_to_vault(PUBLIC_KEY, plain, header))


def _sign(body: bytes) -> None:
    _seal(msgspec.msgpack.encode([body, AGENT.sign(snapshot.SIGNATURE_LABEL + body)]))


SNAPSHOTS = Target(
    "snapshot",
    (
        View("as stored", mutated, [SNAPSHOT], _open),
        View("behind the seal", altered, [_SIGNED], _seal),
        View("behind the signature", altered, [_BODY], _sign),
        *fuzz_records.VIEWS,
    ),
)


# --- the descriptor, merged index objects ----------------------------------------------------------------------------


def _descriptor(data: bytes) -> None:
    found = descriptor.decode(data)
    wrap.check_descriptor(found, KEY)


def _wrapped(data: bytes) -> None:
    for wrapped in descriptor.decode(data).wrapped_keys:
        small = msgspec.structs.replace(
            wrapped, time_cost=min(wrapped.time_cost, 1), memory_kib=min(wrapped.memory_kib, 64)
        )
        wrap.unwrap(small, golden_objects.PASSPHRASE)


_MERGED = (Path(__file__).parents[1] / "storage" / "golden" / "merged.bin").read_bytes()


def _merged(data: bytes) -> None:
    for entry in merged.decode(data):
        intake.open_pack_parts(PackId(entry.pack_id), entry.length, entry.head, entry.sealed_tail, VAULT_ID, INDEX_KEYS)


def _hashed(body: bytes) -> None:
    whole = _MERGED[:12] + struct.pack("<I", _count(body)) + body
    _merged(whole + blake3(whole).digest())


def _count(body: bytes) -> int:
    try:
        found = msgspec.msgpack.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return 1
    return len(found) if isinstance(found, list) else 1


DESCRIPTORS = Target(
    "descriptor",
    (
        View("vault.json", altered_json, golden("vault.json"), _descriptor),
        View("wrapped keys", altered_json, golden("vault.json"), _wrapped),
    ),
)
MERGED = Target(
    "merged index",
    (
        View("as stored", mutated, [_MERGED], _merged),
        View("behind the hash", altered, [_MERGED[16:-32]], _hashed),
    ),
)
TARGETS = (PACKS, TREES, SNAPSHOTS, DESCRIPTORS, MERGED)


def _ignore(_: object) -> None:
    """What was read is of no interest."""
