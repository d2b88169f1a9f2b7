"""What records say of snapshots beside their commits: sealed, bound to one snapshot, and folded in order."""

import msgspec
import pytest

from phoenix_core.domain.ids import SnapshotId
from phoenix_core.vault.annotation import (
    MAX_UNDO_S,
    Annotation,
    Aside,
    Detail,
    Hold,
    Standing,
    seal,
    standings_of,
    unseal,
)
from phoenix_core.vault.errors import RecordDamaged
from phoenix_core.vault.record import (
    FIRST_PREVIOUS,
    Record,
    RecordKind,
    SealedRecord,
    live_snapshots,
    parse,
    set_aside_snapshots,
    sign,
    verify,
)
from phoenix_core.vault.vaultkey import VaultKey
from tests.vault.memory_vault import KEY

ONE, TWO = bytes([1]) * 32, bytes([2]) * 32
FIRST, SECOND = SnapshotId(ONE.hex()), SnapshotId(TWO.hex())
HELD = Annotation(("yearly",), "kept", Hold("audit", "anna", 5, 0))


def plain(kind: RecordKind, snapshot: bytes, number: int = 1) -> Record:
    return Record(number, FIRST_PREVIOUS, number, kind, "s1", bytes(32), snapshot)


def decided(kind: RecordKind, snapshot: bytes, detail: Detail, number: int = 1) -> SealedRecord:
    fields = msgspec.structs.asdict(plain(kind, snapshot, number))
    return SealedRecord(**fields, sealed=seal(KEY, kind, snapshot, detail))


COMMITS = [plain(RecordKind.COMMIT, ONE), plain(RecordKind.COMMIT, TWO)]


def test_a_record_keeps_what_was_said_and_shows_none_of_it() -> None:
    record = decided(RecordKind.ANNOTATE, ONE, HELD)
    encoded = sign(record, KEY.record_signing_key())
    assert verify(encoded, KEY.record_public_key()) == record
    assert b"audit" not in encoded
    assert b"yearly" not in encoded
    assert unseal(KEY, record) == HELD


def test_what_is_said_of_one_snapshot_can_not_be_moved_to_another_nor_to_another_kind() -> None:
    said = decided(RecordKind.ANNOTATE, ONE, HELD)
    for moved in (
        msgspec.structs.replace(said, snapshot=TWO),
        msgspec.structs.replace(said, kind=RecordKind.SET_ASIDE),
        msgspec.structs.replace(said, sealed=said.sealed[:-1] + b"x"),
        msgspec.structs.replace(said, sealed=b""),
    ):
        with pytest.raises(RecordDamaged):
            unseal(KEY, moved)
    with pytest.raises(RecordDamaged):
        unseal(VaultKey.generate(), said)


def test_the_last_word_counts() -> None:
    chain = [
        *COMMITS,
        decided(RecordKind.ANNOTATE, ONE, HELD),
        decided(RecordKind.SET_ASIDE, TWO, Aside("bob", 60), 7),
        decided(RecordKind.ANNOTATE, ONE, Annotation(("monthly",))),
    ]
    assert standings_of(chain, KEY) == {
        FIRST: Standing(Annotation(("monthly",))),
        SECOND: Standing(aside=Aside("bob", 60), aside_ns=7),
    }
    assert set_aside_snapshots(chain) == {SECOND}


def test_a_snapshot_that_is_set_aside_is_live_until_its_removal() -> None:
    aside = [*COMMITS, decided(RecordKind.SET_ASIDE, ONE, Aside("bob", 60))]
    assert list(live_snapshots(aside)) == [FIRST, SECOND]
    back = [*aside, decided(RecordKind.BRING_BACK, ONE, Aside("bob", 0))]
    assert (set_aside_snapshots(back), standings_of(back, KEY)[FIRST].aside) == (set(), None)
    gone = [*aside, plain(RecordKind.REMOVE, ONE)]
    assert (list(live_snapshots(gone)), set_aside_snapshots(gone), standings_of(gone, KEY)) == ([SECOND], set(), {})


def test_what_is_brought_back_was_removed_before_whatever_the_clock_said() -> None:
    back = [
        *COMMITS,
        decided(RecordKind.SET_ASIDE, ONE, Aside("bob", 60), 9),
        decided(RecordKind.BRING_BACK, ONE, Aside("bob", 0), 7),
        decided(RecordKind.SET_ASIDE, TWO, Aside("bob", 60), 7),
        decided(RecordKind.BRING_BACK, TWO, Aside("bob", 0), 8),
    ]
    assert {name: said.undone_ns for name, said in standings_of(back, KEY).items()} == {FIRST: 9, SECOND: 8}


@pytest.mark.parametrize("version", [1, 2])
def test_a_kind_of_the_other_version_is_refused(version: int) -> None:
    """A release that knows version 1 only takes no decision for a commit."""
    record = plain(RecordKind.ANNOTATE, ONE) if version == 1 else decided(RecordKind.ANNOTATE, ONE, HELD)
    if version == 2:
        record = msgspec.structs.replace(record, kind=RecordKind.REMOVE)
    with pytest.raises(RecordDamaged):
        parse(sign(record, KEY.record_signing_key()))


def test_an_undo_period_that_ends_behind_all_calendars_is_refused() -> None:
    longest = decided(RecordKind.SET_ASIDE, ONE, Aside("bob", MAX_UNDO_S))
    assert unseal(KEY, longest) == Aside("bob", MAX_UNDO_S)
    with pytest.raises(RecordDamaged):
        unseal(KEY, decided(RecordKind.SET_ASIDE, ONE, Aside("bob", MAX_UNDO_S + 1)))
