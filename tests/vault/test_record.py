"""Records: a signed chain in which nothing can be dropped, forged, swapped or rolled back unseen."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.domain.ids import SnapshotId
from phoenix_core.vault.errors import RecordDamaged, UnknownVersion, VaultError
from phoenix_core.vault.record import (
    FIRST_PREVIOUS,
    Record,
    RecordKind,
    live_snapshots,
    parse,
    record_hash,
    sign,
    verify,
    verify_chain,
)
from phoenix_core.vault.vaultkey import VaultKey
from tests.vault.memory_vault import KEY

SIGNING = KEY.record_signing_key()
PUBLIC = KEY.record_public_key()


def chain(*steps: tuple[RecordKind, int]) -> list[tuple[int, bytes]]:
    """Records of these kinds on snapshots whose hash is one byte repeated."""
    records: list[tuple[int, bytes]] = []
    previous = FIRST_PREVIOUS
    for sequence, (kind, snapshot) in enumerate(steps, 1):
        record = Record(sequence, previous, 1000 + sequence, kind, "s1", bytes(32), bytes([snapshot]) * 32)
        encoded = sign(record, SIGNING)
        records.append((sequence, encoded))
        previous = record_hash(encoded)
    return records


COMMIT, REMOVE = RecordKind.COMMIT, RecordKind.REMOVE
CHAIN = chain((COMMIT, 1), (COMMIT, 2), (REMOVE, 1), (COMMIT, 3))


def test_a_chain_verifies_and_tells_which_snapshots_live() -> None:
    records = verify_chain(CHAIN, PUBLIC)
    assert [record.sequence for record in records] == [1, 2, 3, 4]
    assert list(live_snapshots(records)) == [SnapshotId("02" * 32), SnapshotId("03" * 32)]


def test_a_chain_goes_on_from_a_record_already_verified() -> None:
    assert len(verify_chain(CHAIN[2:], PUBLIC, after=2, previous=record_hash(CHAIN[1][1]))) == 2
    assert verify_chain([], PUBLIC) == []


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_dropped_record_is_named(gone: int) -> None:
    with pytest.raises(RecordDamaged) as caught:
        verify_chain(CHAIN[:gone] + CHAIN[gone + 1 :], PUBLIC)
    assert caught.value.fields["sequence"] == gone + 1


def test_records_swapped_renumbered_or_of_another_chain_are_refused() -> None:
    swapped = [CHAIN[0], (2, CHAIN[2][1]), (3, CHAIN[1][1]), CHAIN[3]]
    with pytest.raises(RecordDamaged):
        verify_chain(swapped, PUBLIC)
    other = chain((COMMIT, 9), (COMMIT, 2), (REMOVE, 1))
    with pytest.raises(RecordDamaged):
        verify_chain([CHAIN[0], other[1]], PUBLIC)
    with pytest.raises(RecordDamaged):
        verify_chain(CHAIN[2:], PUBLIC, after=2, previous=bytes(32))


def test_another_key_signs_no_record() -> None:
    forged = sign(parse(CHAIN[0][1]), VaultKey.generate().record_signing_key())
    with pytest.raises(RecordDamaged):
        verify(forged, PUBLIC)
    with pytest.raises(RecordDamaged):
        verify(CHAIN[0][1], b"not a key")


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_changed_bit_is_found(data: st.DataObject) -> None:
    changed = bytearray(CHAIN[1][1])
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(VaultError):
        verify(bytes(changed), PUBLIC)


@given(data=st.binary(max_size=300))
def test_random_bytes_are_no_record(data: bytes) -> None:
    for candidate in (data, CHAIN[0][1][:16] + data):
        with pytest.raises(VaultError):
            verify(candidate, PUBLIC)


def test_every_cut_and_every_addition_is_found() -> None:
    encoded = CHAIN[0][1]
    for length in range(len(encoded)):
        with pytest.raises(RecordDamaged):
            parse(encoded[:length])
    for added in (encoded + b"x", encoded + bytes(10_000)):
        with pytest.raises(RecordDamaged):
            parse(added)


def test_a_later_version_says_so() -> None:
    with pytest.raises(UnknownVersion):
        parse(CHAIN[0][1][:8] + b"\x03" + CHAIN[0][1][9:])


def raw(body: bytes) -> bytes:
    unsigned = CHAIN[0][1][:12] + len(body).to_bytes(4, "little") + body
    return unsigned + bytes(64)


@pytest.mark.parametrize(
    "fields",
    [
        [0, bytes(32), 0, "commit", "s", bytes(32), bytes(32)],
        [1, bytes(31), 0, "commit", "s", bytes(32), bytes(32)],
        [1, bytes(32), 0, "forget", "s", bytes(32), bytes(32)],
        [1, bytes(32), 0, "commit", "s", bytes(32), bytes(33)],
        [1, bytes(32), 0, "commit", "s", bytes(32), bytes(32), 1],
        [1],
    ],
    ids=["number 0", "short hash", "unknown kind", "long hash", "a field too many", "fields missing"],
)
def test_a_body_that_is_no_record_is_refused(fields: list[object]) -> None:
    with pytest.raises(RecordDamaged):
        parse(raw(msgspec.msgpack.encode(fields)))
