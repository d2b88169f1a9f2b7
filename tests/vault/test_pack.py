"""Packs: head, tail and footer say what is in them, and any change is found and named."""

import os
import struct
from contextlib import suppress
from itertools import pairwise

import msgspec
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.vault.block import open_block
from phoenix_core.vault.chunkid import chunk_id
from phoenix_core.vault.errors import BlockDamaged, InvalidName, PackDamaged, UnknownVersion, UnsealFailed, VaultError
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packhead import CLEAR_SIZE, HEAD_SIZE, PackHead, PackIdentity, parse_head
from phoenix_core.vault.packreader import (
    check_pack,
    parse_tail,
    read_blocks,
    read_head,
    read_head_bytes,
    read_sealed_tail,
    read_tail,
)
from phoenix_core.vault.packtail import FOOTER_SIZE, PackTail, TailBlock, open_tail, parse_footer, seal_tail
from phoenix_core.vault.packwriter import PackWriter
from phoenix_core.vault.unseal import unseal_pack_key
from phoenix_core.vault.vaultkey import VaultKey
from tests.vault.memory_vault import IDENTITY, KEYS, PRIVATE_KEY, PUBLIC_KEY, VAULT_ID, BytesPack, make_pack

CHUNKS = [b"first chunk", b"second chunk, a little longer", bytes(5000)]
PACK_ID, PACK, PACK_KEY = make_pack(CHUNKS)


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


def with_tail(tail: PackTail) -> bytes:
    """The pack with another tail, sealed as a hostile agent that holds the index key could."""
    head = PACK[:HEAD_SIZE]
    return PACK[: read_tail(BytesPack(PACK), len(PACK), KEYS.index_key).body_end] + seal_tail(
        tail, KEYS.index_key, parse_head(head).random_id, head
    )


def the_tail() -> PackTail:
    return read_tail(BytesPack(PACK), len(PACK), KEYS.index_key)


def test_the_head_tells_kind_vault_domain_epoch_and_server() -> None:
    head = read_head(BytesPack(PACK))
    assert (head.kind, head.vault_id, head.server_id) == (PackKind.DATA, VAULT_ID, IDENTITY.server_id)
    assert (head.domain, head.epoch, len(head.random_id)) == ("default", 1, 16)
    assert head.encode() == PACK[:HEAD_SIZE]


def test_the_name_is_the_hash_of_all_bytes() -> None:
    assert blake3(PACK).digest() == PACK_ID


def test_only_the_vaults_private_key_opens_the_pack_key_and_only_under_its_own_head() -> None:
    head = read_head(BytesPack(PACK))
    assert unseal_pack_key(PRIVATE_KEY, head) == PACK_KEY
    with pytest.raises(UnsealFailed):
        unseal_pack_key(VaultKey.generate().private_key(), head)
    with pytest.raises(UnsealFailed):
        unseal_pack_key(PRIVATE_KEY, msgspec.structs.replace(head, server_id="another"))
    with pytest.raises(UnsealFailed):
        unseal_pack_key(PRIVATE_KEY, msgspec.structs.replace(head, sealed_key=b"short"))


def test_the_tail_lists_every_chunk_where_it_lies() -> None:
    tail = the_tail()
    found = [(chunk, offset, length) for block in tail.blocks for chunk, offset, length in block.chunks()]
    ends = [0, *[sum(len(chunk) for chunk in CHUNKS[: count + 1]) for count in range(len(CHUNKS))]]
    expected = [(chunk_id(KEYS, PackKind.DATA, chunk), ends[at], len(chunk)) for at, chunk in enumerate(CHUNKS)]
    assert found == expected
    assert tail.chunk_count == 3
    assert tail.body_hash == blake3(PACK[: tail.body_end]).digest()


def test_blocks_read_back() -> None:
    head = read_head_bytes(BytesPack(PACK))
    blocks = list(read_blocks(BytesPack(PACK), head, the_tail(), PACK_KEY))
    assert b"".join(raw for _, raw in blocks) == b"".join(CHUNKS)


def test_another_index_key_does_not_open_the_tail() -> None:
    with pytest.raises(PackDamaged):
        read_tail(BytesPack(PACK), len(PACK), bytes(32))


def test_the_index_key_opens_the_tail_but_neither_the_pack_key_nor_a_block() -> None:
    """A storage node has no other key."""
    index_key = KEYS.index_key
    head = read_head(BytesPack(PACK))
    tail = read_tail(BytesPack(PACK), len(PACK), index_key)
    with pytest.raises(UnsealFailed):
        unseal_pack_key(VaultKey.from_bytes(index_key).private_key(), head)
    for key in (index_key, head.sealed_key[:32], head.sealed_key[-32:], tail.body_hash):
        with pytest.raises(BlockDamaged):
            list(read_blocks(BytesPack(PACK), PACK[:HEAD_SIZE], tail, key))
        for ordinal, block in enumerate(tail.blocks):
            sealed = PACK[block.offset : block.offset + block.sealed_bytes]
            with pytest.raises(BlockDamaged):
                open_block(key, PACK[:HEAD_SIZE], ordinal, sealed)
    assert PACK_KEY not in msgspec.msgpack.encode(tail)


def test_a_sound_pack_passes_the_check() -> None:
    check = check_pack(BytesPack(PACK), len(PACK), PACK_ID, PACK_KEY, KEYS)
    assert check.ok
    assert check.chunks == 3


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(PACK) - 1), bit=st.integers(0, 7))
def test_no_flipped_bit_passes_the_check(at: int, bit: int) -> None:
    damaged = flipped(PACK, at, bit)
    try:
        check = check_pack(BytesPack(damaged), len(damaged), PACK_ID, PACK_KEY, KEYS)
    except VaultError:
        return
    assert not check.ok
    assert not check.name_matches
    in_body = HEAD_SIZE <= at < check.tail.body_end
    assert bool(check.damaged_chunks) == in_body


@settings(max_examples=60, deadline=None)
@given(length=st.integers(0, len(PACK) - 1))
def test_no_truncated_pack_has_a_tail(length: int) -> None:
    with pytest.raises(PackDamaged):
        read_tail(BytesPack(PACK[:length]), length, KEYS.index_key)


@pytest.mark.parametrize("claimed", [len(PACK) + 1, len(PACK) + 10_000, 2**40])
def test_a_pack_shorter_than_its_index_says_is_cut_off(claimed: int) -> None:
    with pytest.raises(PackDamaged):
        read_tail(BytesPack(PACK), claimed, KEYS.index_key)


def test_bytes_in_front_or_behind_are_found() -> None:
    for changed in (b"x" + PACK, PACK + b"x", PACK + PACK[-FOOTER_SIZE:]):
        with pytest.raises(PackDamaged):
            read_tail(BytesPack(changed), len(changed), KEYS.index_key)


def test_a_chunk_under_a_false_id_is_named() -> None:
    """An agent can seal whatever it likes: the core's proof is what keeps others from relying on it."""
    vault_chunk = chunk_id(KEYS, PackKind.DATA, b"what the victim will want")
    writer = PackWriter(PackKind.DATA, IDENTITY, KEYS, PUBLIC_KEY)
    writer.add_block([vault_chunk, chunk_id(KEYS, PackKind.DATA, b"honest")], [6, 6], b"\x00poisonhonest")
    with writer.finish() as pack:
        data = os.pread(pack.fd, pack.length, 0)
        check = check_pack(BytesPack(data), len(data), pack.pack_id, pack.pack_key, KEYS)
    assert check.name_matches
    assert check.body_matches
    assert check.damaged_chunks == (vault_chunk,)


def test_a_block_of_another_length_than_the_tail_says_is_damage_of_all_its_chunks() -> None:
    writer = PackWriter(PackKind.DATA, IDENTITY, KEYS, PUBLIC_KEY)
    chunk = chunk_id(KEYS, PackKind.DATA, b"abc")
    writer.add_block([chunk], [3], b"\x00abcdef")
    with writer.finish() as pack:
        data = os.pread(pack.fd, pack.length, 0)
    check = check_pack(BytesPack(data), len(data), pack.pack_id, pack.pack_key, KEYS)
    assert check.damaged_chunks == (chunk,)


@pytest.mark.parametrize(
    ("at", "error"),
    [
        (0, PackDamaged),  # magic
        (8, UnknownVersion),
        (10, PackDamaged),  # kind
        (11, UnknownVersion),  # seal suite
        (12, UnknownVersion),  # block suite
        (13, UnknownVersion),  # id suite
        (14, PackDamaged),  # zero
        (21, PackDamaged),  # zero
        (56, PackDamaged),  # domain's name
        (119, PackDamaged),  # padding of the server's name
    ],
)
def test_a_head_with_a_field_changed_is_refused(at: int, error: type[VaultError]) -> None:
    with pytest.raises(error):
        parse_head(flipped(PACK[:HEAD_SIZE], at, 7))


@given(data=st.binary(max_size=HEAD_SIZE + 10))
def test_no_bytes_make_the_head_parser_fail_otherwise(data: bytes) -> None:
    for candidate in (data, (PACK[:16] + data + bytes(HEAD_SIZE))[: HEAD_SIZE + 5]):
        with suppress(VaultError):
            assert parse_head(candidate).encode() == candidate[:HEAD_SIZE]


@pytest.mark.parametrize(
    "head",
    [
        PackHead(PackKind.DATA, "short", "s", "d", 1, bytes(16)),
        PackHead(PackKind.DATA, VAULT_ID.upper(), "s", "d", 1, bytes(16)),
        PackHead(PackKind.DATA, VAULT_ID, "", "d", 1, bytes(16)),
        PackHead(PackKind.DATA, VAULT_ID, "s" * 33, "d", 1, bytes(16)),
        PackHead(PackKind.DATA, VAULT_ID, "s", "dö", 1, bytes(16)),
        PackHead(PackKind.DATA, VAULT_ID, "s/../t", "d", 1, bytes(16)),
    ],
)
def test_names_that_a_head_has_no_room_for_are_refused(head: PackHead) -> None:
    with pytest.raises(InvalidName):
        head.clear_bytes()


def footer(length: int, version: int = 1, zero: int = 0, magic: bytes = b"PHNXTAIL") -> bytes:
    return struct.pack("<IHH8s", length, version, zero, magic)


@pytest.mark.parametrize("length", [0, 16, 2**32 - 1, 64 * 2**20 + 1, 10**6 - HEAD_SIZE - FOOTER_SIZE + 1])
def test_a_footer_whose_tail_can_not_be_is_refused(length: int) -> None:
    with pytest.raises(PackDamaged):
        parse_footer(footer(length), 10**6)


def test_a_footer_of_another_form_is_refused() -> None:
    assert parse_footer(footer(100), 10**6) == 100
    with pytest.raises(UnknownVersion):
        parse_footer(footer(100, version=2), 10**6)
    for data in (footer(100, zero=1), footer(100, magic=b"PHNXTAIX"), footer(100)[:-1], b""):
        with pytest.raises(PackDamaged):
            parse_footer(data, 10**6)


def block(**changes: object) -> TailBlock:
    return msgspec.structs.replace(the_tail().blocks[0], **changes)


HOSTILE_TAILS = {
    "no blocks": lambda: (),
    "a gap before the first block": lambda: (block(offset=HEAD_SIZE + 1),),
    "the same block twice": lambda: (block(), block()),
    "an id too many": lambda: (block(ids=the_tail().blocks[0].ids + bytes(32)),),
    "an id cut off": lambda: (block(ids=the_tail().blocks[0].ids[:-1]),),
    "lengths that pass the block": lambda: (block(lengths=(11, 29, 5001)),),
    "a block that ends elsewhere": lambda: (block(sealed_bytes=the_tail().blocks[0].sealed_bytes + 1),),
}


@pytest.mark.parametrize("blocks", HOSTILE_TAILS.values(), ids=HOSTILE_TAILS.keys())
def test_a_tail_that_does_not_fit_itself_or_its_pack_is_refused(blocks) -> None:  # type: ignore[no-untyped-def]
    data = with_tail(PackTail(1, bytes(32), blocks()))
    with pytest.raises(PackDamaged):
        read_tail(BytesPack(data), len(data), KEYS.index_key)


HOSTILE_ENCODINGS = {
    "not MessagePack": b"\xc1",
    "empty": b"",
    "an array of four billion": b"\x93\x01\xc4\x20" + bytes(32) + b"\xdd\xff\xff\xff\xff",
    "a map": b"\x80",
    "a negative length": msgspec.msgpack.encode([1, bytes(32), [[HEAD_SIZE, 100, 3, bytes(32), [-3]]]]),
    "a chunk of zero bytes": msgspec.msgpack.encode([1, bytes(32), [[HEAD_SIZE, 100, 3, bytes(64), [3, 0]]]]),
    "a chunk of 5 MiB": msgspec.msgpack.encode([1, bytes(32), [[HEAD_SIZE, 100, 5 * 2**20, bytes(32), [5 * 2**20]]]]),
    "a block of 6 MiB": msgspec.msgpack.encode(
        [1, bytes(32), [[HEAD_SIZE, 100, 6 * 2**20, bytes(64), [3 * 2**20] * 2]]]
    ),
    "a field too many": msgspec.msgpack.encode([1, bytes(32), [[HEAD_SIZE, 100, 3, bytes(32), [3], 0]]]),
    "a hash of 31 bytes": msgspec.msgpack.encode([1, bytes(31), [[HEAD_SIZE, 100, 3, bytes(32), [3]]]]),
}


@pytest.mark.parametrize("plain", HOSTILE_ENCODINGS.values(), ids=HOSTILE_ENCODINGS.keys())
def test_a_sealed_tail_that_is_no_tail_is_refused(plain: bytes) -> None:
    head = PACK[:HEAD_SIZE]
    random_id = parse_head(head).random_id
    sealed = seal_tail(msgspec.Raw(plain), KEYS.index_key, random_id, head)  # type: ignore[arg-type]
    with pytest.raises(PackDamaged):
        open_tail(sealed[:-FOOTER_SIZE], KEYS.index_key, random_id, head)


def test_a_tail_of_a_later_version_says_so() -> None:
    data = with_tail(PackTail(2, bytes(32), the_tail().blocks))
    with pytest.raises(UnknownVersion):
        read_tail(BytesPack(data), len(data), KEYS.index_key)


def test_head_and_sealed_tail_are_enough_for_an_index() -> None:
    head, sealed = read_head_bytes(BytesPack(PACK)), read_sealed_tail(BytesPack(PACK), len(PACK))
    assert parse_tail(head, sealed, KEYS.index_key, len(PACK)) == the_tail()
    with pytest.raises(PackDamaged):
        parse_tail(head, sealed, KEYS.index_key, len(PACK) + 1)


def test_a_tail_longer_than_the_first_read_is_read_whole() -> None:
    chunks = [b"chunk %d" % number for number in range(4000)]
    _, data, _ = make_pack(chunks)
    assert len(read_sealed_tail(BytesPack(data), len(data))) > 2**17
    assert read_tail(BytesPack(data), len(data), KEYS.index_key).chunk_count == 4000


def test_two_packs_of_the_same_bytes_share_no_key_and_no_name() -> None:
    one, two = make_pack(CHUNKS), make_pack(CHUNKS)
    assert one[0] != two[0]
    assert one[2] != two[2]
    assert one[1][CLEAR_SIZE:] != two[1][CLEAR_SIZE:]


def test_block_offsets_follow_each_other() -> None:
    writer = PackWriter(PackKind.META, IDENTITY, KEYS, PUBLIC_KEY)
    for number in range(5):
        body = b"%d" % number * 100
        writer.add_block([chunk_id(KEYS, PackKind.META, body)], [100], b"\x00" + body)
    size = writer.size
    with writer.finish() as pack:
        assert pack.length <= size
        assert all(one.offset + one.sealed_bytes == two.offset for one, two in pairwise(pack.tail.blocks))


def test_an_identity_that_fits_no_head_is_refused_before_anything_is_written() -> None:
    with pytest.raises(InvalidName):
        PackWriter(PackKind.DATA, PackIdentity(VAULT_ID, "web server"), KEYS, PUBLIC_KEY)
    with pytest.raises(VaultError):
        PackWriter(PackKind.DATA, IDENTITY, KEYS, PUBLIC_KEY[:-1])


def test_a_pack_id_is_not_taken_on_trust() -> None:
    check = check_pack(BytesPack(PACK), len(PACK), PackId(bytes(32)), PACK_KEY, KEYS)
    assert not check.ok
    assert check.damaged_chunks == ()


def test_the_wrong_pack_key_damages_all_chunks() -> None:
    check = check_pack(BytesPack(PACK), len(PACK), PACK_ID, bytes(32), KEYS)
    assert [bytes(chunk) for chunk in check.damaged_chunks] == [
        chunk_id(KEYS, PackKind.DATA, chunk) for chunk in CHUNKS
    ]
    assert ChunkId(check.damaged_chunks[0]) in check.damaged_chunks
