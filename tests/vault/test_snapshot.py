"""Snapshots: sealed to the vault, signed by their agent, and nothing else opens."""

import msgspec
import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.vault.errors import SnapshotDamaged, SnapshotForged, UnknownVersion, UnsealFailed, VaultError
from phoenix_core.vault.seal import SEAL_OVERHEAD, seal_to_vault
from phoenix_core.vault.snapshot import (
    SIGNATURE_LABEL,
    SnapshotBody,
    check_sealed_form,
    open_snapshot,
    seal_snapshot,
    snapshot_id,
)
from phoenix_core.vault.vaultkey import VaultKey
from tests.vault.memory_vault import PRIVATE_KEY, PUBLIC_KEY, VAULT_ID

AGENT = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
AGENT_KEY = AGENT.public_key().public_bytes_raw()
BODY = SnapshotBody(
    vault_id=VAULT_ID,
    server_id="s0123456789",
    job_id="j0123456789",
    domain="default",
    epoch=1,
    root=bytes(range(32)),
    paths=(b"/etc", b"/srv/\xff"),
    agent_public_key=AGENT_KEY,
    hostname="web1",
    excludes=("*.tmp",),
    started_ns=1_700_000_000_000_000_000,
    finished_ns=1_700_000_001_000_000_000,
    files=3,
    bytes=12345,
    missing_list=bytes(32),
    missing_count=1,
    packs=(bytes(32), bytes(range(32))),
)
SEALED = seal_snapshot(BODY, AGENT, PUBLIC_KEY)
HEADER_BYTES = 16


def sealed_raw(plain: bytes) -> bytes:
    """Any plain text, sealed as anyone with the public key can."""
    header = SEALED[:12] + (len(plain) + SEAL_OVERHEAD).to_bytes(4, "little")
    return header + seal_to_vault(PUBLIC_KEY, plain, header)


def signed(body: bytes, key: Ed25519PrivateKey = AGENT, label: bytes = SIGNATURE_LABEL) -> bytes:
    return msgspec.msgpack.encode([body, key.sign(label + body)])


def test_a_snapshot_opens_to_its_body_and_its_agents_key() -> None:
    assert open_snapshot(PRIVATE_KEY, SEALED) == (BODY, AGENT_KEY)


def test_the_id_is_the_hash_of_the_sealed_bytes() -> None:
    assert snapshot_id(SEALED) == blake3(SEALED).hexdigest()
    assert snapshot_id(seal_snapshot(BODY, AGENT, PUBLIC_KEY)) != snapshot_id(SEALED)


def test_another_vaults_key_does_not_open_it() -> None:
    with pytest.raises(UnsealFailed):
        open_snapshot(VaultKey.generate().private_key(), SEALED)


def test_an_agent_can_not_sign_in_anothers_name() -> None:
    other = Ed25519PrivateKey.generate()
    with pytest.raises(SnapshotForged):
        seal_snapshot(BODY, other, PUBLIC_KEY)
    with pytest.raises(SnapshotForged):
        open_snapshot(PRIVATE_KEY, sealed_raw(signed(msgspec.msgpack.encode(BODY), other)))


def test_a_signature_made_for_something_else_does_not_count() -> None:
    with pytest.raises(SnapshotForged):
        open_snapshot(PRIVATE_KEY, sealed_raw(signed(msgspec.msgpack.encode(BODY), label=b"")))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_change_is_found(data: st.DataObject) -> None:
    changed = bytearray(SEALED)
    changed[data.draw(st.integers(0, len(SEALED) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(VaultError):
        open_snapshot(PRIVATE_KEY, bytes(changed))


@pytest.mark.parametrize("length", [0, 1, 15, HEADER_BYTES, HEADER_BYTES + SEAL_OVERHEAD - 1, len(SEALED) - 1])
def test_a_cut_snapshot_is_damaged(length: int) -> None:
    with pytest.raises(SnapshotDamaged):
        check_sealed_form(SEALED[:length])
    with pytest.raises(SnapshotDamaged):
        open_snapshot(PRIVATE_KEY, SEALED[:length])


def test_its_form_is_checked_without_any_key() -> None:
    assert check_sealed_form(SEALED) == SEALED[:HEADER_BYTES]
    for at, error in ((0, SnapshotDamaged), (8, UnknownVersion), (10, UnknownVersion), (11, SnapshotDamaged)):
        changed = bytearray(SEALED)
        changed[at] ^= 0x40
        with pytest.raises(error):
            check_sealed_form(bytes(changed))
    with pytest.raises(SnapshotDamaged):
        check_sealed_form(SEALED + b"x")


def map_of(**changes: object) -> bytes:
    return signed(msgspec.msgpack.encode(msgspec.to_builtins(BODY, builtin_types=(bytes,)) | changes))


@pytest.mark.parametrize(
    "plain",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xc1", id="not MessagePack"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="an array of four billion"),
        pytest.param(msgspec.msgpack.encode([b"body"]), id="no signature"),
        pytest.param(msgspec.msgpack.encode([b"body", bytes(63)]), id="short signature"),
        pytest.param(signed(b"\x80"), id="empty body"),
        pytest.param(map_of(root=bytes(31)), id="short root"),
        pytest.param(map_of(files=-1), id="negative count"),
        pytest.param(map_of(epoch=-1), id="negative epoch"),
        pytest.param(map_of(packs=[bytes(31)]), id="short pack id"),
        pytest.param(map_of(agent_public_key=b""), id="no agent key"),
        pytest.param(map_of(surprise=1), id="unknown field"),
    ],
)
def test_a_sealed_thing_that_is_no_snapshot_is_damaged(plain: bytes) -> None:
    with pytest.raises(SnapshotDamaged):
        open_snapshot(PRIVATE_KEY, sealed_raw(plain))


@pytest.mark.parametrize("field", ["files", "bytes", "missing_count", "stored_bytes"])
def test_a_count_beyond_what_a_catalog_can_hold_is_refused(field: str) -> None:
    """One that were recorded could be read by no core ever again."""
    body = msgspec.structs.replace(BODY, **{field: 2**63})
    with pytest.raises(SnapshotDamaged):
        open_snapshot(PRIVATE_KEY, seal_snapshot(body, AGENT, PUBLIC_KEY))
