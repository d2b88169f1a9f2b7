"""The formats: what was written by an earlier release is read, and what is written now is the same to the byte."""

import msgspec
import pytest
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from phoenix_core.domain.ids import PackId
from phoenix_core.vault.annotation import Aside, Hold, standings_of
from phoenix_core.vault.descriptor import decode
from phoenix_core.vault.packreader import check_pack, read_blocks, read_head, read_head_bytes, read_tail
from phoenix_core.vault.packtail import FOOTER_SIZE, open_tail
from phoenix_core.vault.record import verify_chain
from phoenix_core.vault.snapshot import open_snapshot
from phoenix_core.vault.tree import TREE
from phoenix_core.vault.unseal import unseal_pack_key
from phoenix_core.vault.wrap import check_descriptor, unwrap
from tests.vault import golden_objects
from tests.vault.golden_objects import FOLDER, PACK_CHUNKS, PASSPHRASE, RANDOM_ID, TAIL_HEAD
from tests.vault.memory_vault import KEY, KEYS, PRIVATE_KEY, BytesPack
from tests.vault.rfc9180 import open_base
from tests.vault.test_snapshot import AGENT_KEY, BODY

EXACT = golden_objects.exact()


def golden(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", EXACT)
def test_it_is_written_as_ever(name: str) -> None:
    assert EXACT[name] == golden(name)


def test_every_golden_file_is_checked() -> None:
    names = {path.name for path in FOLDER.iterdir()}
    assert names == EXACT.keys() | {"pack", "snapshot", "wrapped-key.json"}


def test_the_golden_pack_reads() -> None:
    data = golden("pack")
    pack = BytesPack(data)
    pack_key = unseal_pack_key(PRIVATE_KEY, read_head(pack))
    assert check_pack(pack, len(data), PackId(blake3(data).digest()), pack_key, KEYS).ok
    tail = read_tail(pack, len(data), KEYS.index_key)
    blocks = read_blocks(pack, read_head_bytes(pack), tail, pack_key)
    assert b"".join(raw for _, raw in blocks) == b"".join(PACK_CHUNKS)


def private_keys() -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    """From the vault key alone, by the labels that the format's documentation gives."""
    seed = blake3(KEY.to_bytes(), derive_key_context="phoenix vault v1: ML-KEM-768 seed").digest(64)
    scalar = blake3(KEY.to_bytes(), derive_key_context="phoenix vault v1: X25519 private key").digest()
    return MLKEM768PrivateKey.from_seed_bytes(seed), X25519PrivateKey.from_private_bytes(scalar)


def test_a_second_implementation_opens_the_golden_pack() -> None:
    """HPKE from ML-KEM-768 and X25519 alone: no stored byte depends on one library's hybrid."""
    data = golden("pack")
    pack_key = open_base(*private_keys(), data[120:1288], data[:120])
    assert pack_key == unseal_pack_key(PRIVATE_KEY, read_head(BytesPack(data)))

    index_key = blake3(
        KEY.to_bytes() + (1).to_bytes(4, "little") + b"default", derive_key_context="phoenix vault v1: index key"
    ).digest()
    tail_bytes = int.from_bytes(data[-16:-12], "little")
    tail_key = blake3(index_key + data[24:40], derive_key_context="phoenix vault v1: pack tail key").digest()
    sealed_tail = data[-16 - tail_bytes : -16]
    version, body_hash, blocks = msgspec.msgpack.decode(AESGCM(tail_key).decrypt(bytes(12), sealed_tail, data[:1288]))
    assert (version, body_hash) == (1, blake3(data[: -16 - tail_bytes]).digest())

    ((offset, sealed_bytes, raw_bytes, _, lengths),) = blocks
    block_key = blake3(bytes(4), key=pack_key).digest()
    plain = AESGCM(block_key).decrypt(bytes(12), data[offset : offset + sealed_bytes], data[:1288] + bytes(4))
    assert plain[0] == 1
    assert (raw_bytes, lengths) == (sum(map(len, PACK_CHUNKS)), [len(chunk) for chunk in PACK_CHUNKS])


def test_a_second_implementation_refuses_another_head() -> None:
    data = golden("pack")
    with pytest.raises(InvalidTag):
        open_base(*private_keys(), data[120:1288], b"\0" + data[1:120])


def test_the_golden_snapshot_opens() -> None:
    assert open_snapshot(PRIVATE_KEY, golden("snapshot")) == (BODY, AGENT_KEY)


def test_the_golden_descriptor_and_its_wrapped_key_open() -> None:
    descriptor = decode(golden("vault.json"))
    key = unwrap(descriptor.wrapped_keys[0], PASSPHRASE)
    assert key.to_bytes() == KEY.to_bytes()
    check_descriptor(descriptor, key)


def test_the_golden_tail_opens() -> None:
    tail = open_tail(golden("tail")[:-FOOTER_SIZE], KEYS.index_key, RANDOM_ID, TAIL_HEAD)
    assert [block.lengths for block in tail.blocks] == [(1000, 2000), (1,)]


def test_the_golden_records_verify() -> None:
    chain = verify_chain([(1, golden("record-commit")), (2, golden("record-remove"))], KEY.record_public_key())
    assert [record.kind.value for record in chain] == ["commit", "remove"]


def test_the_golden_records_of_decisions_verify_and_open() -> None:
    names = ["record-commit", "record-annotate", "record-set-aside", "record-bring-back"]
    chain = verify_chain([(number, golden(name)) for number, name in enumerate(names, 1)], KEY.record_public_key())
    assert [record.kind.value for record in chain] == ["commit", "annotate", "set_aside", "bring_back"]
    (standing,) = standings_of(chain[:3], KEY).values()
    assert standing.annotation.tags == ("month-end", "prüfung")
    assert standing.annotation.hold == Hold("audit", "root", 1, 2)
    assert standing.aside == Aside("root", 604_800)
    assert standings_of(chain, KEY)[chain[0].snapshot_id].aside is None


def test_a_second_implementation_opens_what_a_golden_record_says() -> None:
    """From the vault key alone, by the label and the layout that the format's documentation gives."""
    data = golden("record-annotate")
    body = msgspec.msgpack.decode(data[16:-64])
    assert (data[8:10], body[3], len(body)) == (b"\x02\x00", "annotate", 8)
    salt, sealed = body[7][:16], body[7][16:]
    key = blake3(KEY.to_bytes() + salt, derive_key_context="phoenix vault v1: record text key").digest()
    plain = AESGCM(key).decrypt(bytes(12), sealed, b"annotate" + body[6])
    assert msgspec.msgpack.decode(plain)[0] == ["month-end", "prüfung"]


def test_the_golden_tree_decodes_to_the_entries() -> None:
    assert TREE.decoder.decode(golden("tree")[5:]) == golden_objects.entries()
