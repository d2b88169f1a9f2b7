"""A verify reads packs in turn: what it read is known as it goes, and damage is named as by any verify."""

from collections.abc import Callable, Iterable
from datetime import timedelta

import pytest

from phoenix_core.domain.ids import PackId
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.vault.mark import MaintenanceCancelled
from phoenix_core.vault.packhead import HEAD_SIZE
from phoenix_core.vault.packinfo import PackInfo, PackState
from phoenix_core.vault.readturn import ReadTurn
from phoenix_core.vault.verify import VerifyReport, verify_vault
from tests.vault_maintenance.rig import Rig, content, flip


class Turns:
    """All packs, or those that `turn` chooses; `before` is asked before each."""

    def __init__(self, turn: ReadTurn | None = None, before: Callable[[], bool] = lambda: True) -> None:
        self._turn = turn
        self.may_read = before

    def choose(self, packs: Iterable[PackInfo]) -> set[PackId]:
        return {PackId(info.pack_id) for info in packs} if self._turn is None else self._turn.choose(packs)


def verify(rig: Rig, turns: Turns, **more: Callable[[], bool]) -> VerifyReport:
    return verify_vault(rig.node, rig.key, VerifyDepth.STRUCTURE, turns=turns, **more)  # type: ignore[arg-type]


def read(rig: Rig) -> dict[bytes, int]:
    return {info.pack_id: info.read_at_ns for info in rig.node.packs()}


def test_what_was_read_and_is_sound_is_known_to_the_node(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    rig.backup({"b": content(2)})
    before = rig.node.status().reads
    assert before is not None
    assert (before.unread, before.oldest_ns) == (4, 0)
    report = verify(rig, Turns())
    assert (report.packs, report.packs_in_turn, report.packs_read) == (4, 4, 4)
    assert report.chunks > 0
    after = rig.node.status().reads
    assert after is not None
    assert after.unread == 0
    assert after.oldest_ns == min(read(rig).values()) > 0
    assert all(info.proved for info in rig.node.packs())


def test_without_turns_a_structure_verify_reads_nothing(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    report = verify_vault(rig.node, rig.key, VerifyDepth.STRUCTURE)
    assert (report.packs_read, report.bytes_read) == (0, 0)
    assert set(read(rig).values()) == {0}


@pytest.mark.parametrize(
    ("depth", "proved", "known"), [("chunks", False, True), ("packs", True, True), ("packs", False, False)]
)
def test_a_verify_by_hand_counts_as_reading_too(rig: Rig, depth: str, proved: bool, known: bool) -> None:
    """One that only compares bytes proves nothing of chunks that nobody has proved before."""
    rig.backup({"a": content(1)})
    if proved:
        rig.prove_all()
    before = read(rig)
    verify_vault(rig.node, rig.key, VerifyDepth(depth))
    assert all(read(rig)[pack] > before[pack] for pack in before) is known


def test_damage_that_a_turn_meets_is_named_and_its_pack_has_no_more_turns(rig: Rig) -> None:
    first = rig.backup({"a": content(1)})
    rig.prove_all()
    second = rig.backup({"a": content(1), "b": content(2)}, parent=first)
    rig.prove_all()
    flip(max(rig.pack_files("data"), key=lambda path: path.stat().st_mtime_ns), HEAD_SIZE + 100)
    assert verify_vault(rig.node, rig.key, VerifyDepth.STRUCTURE).ok
    report = verify(rig, Turns())
    assert {file for damage in report.damages for file in damage.files} == {f"{second[:12]}:/srv/b"}
    assert report.packs_read == report.packs_in_turn - 1
    (damaged,) = [info for info in rig.node.packs() if info.state is PackState.DAMAGED]
    assert damaged.read_at_ns == 0
    reads = rig.node.status().reads
    assert reads is not None
    assert reads.unread == 0


def test_a_verify_that_is_cut_off_has_not_read_in_vain(rig: Rig) -> None:
    for number in range(4):
        rig.backup({f"f{number}": content(number)})
    asked = 0

    def three_times() -> bool:
        nonlocal asked
        asked += 1
        return asked <= 3

    with pytest.raises(MaintenanceCancelled):
        verify(rig, Turns(before=three_times), cancelled=lambda: asked >= 3)
    began_ns = min(time_ns for time_ns in read(rig).values() if time_ns) - 1
    rig.restart_node()
    had = {pack for pack, time_ns in read(rig).items() if time_ns}
    assert had
    turn = ReadTurn(began_ns, began_ns + 10**9, timedelta(days=1), timedelta(days=1))
    left = verify(rig, Turns(turn))
    assert left.packs_in_turn <= 8
    assert all(read(rig).values())


def test_where_others_wait_what_is_left_has_its_turn_another_time(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    report = verify(rig, Turns(before=lambda: False))
    assert report.ok
    assert (report.packs_in_turn, report.packs_read) == (2, 0)
    assert set(read(rig).values()) == {0}


def test_times_of_reading_outlive_a_rebuild_of_the_index(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    verify(rig, Turns())
    before = read(rig)
    rig.node.rebuild_index()
    assert read(rig) == before


def test_a_pack_that_is_stored_anew_was_not_read(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    verify(rig, Turns())
    pack = next(info for info in rig.node.packs() if info.kind == "data")
    rig.node.mark_damaged(PackId(pack.pack_id), PackState.DAMAGED)
    rig.node.mark_damaged(PackId(pack.pack_id), PackState.USABLE)
    assert read(rig)[pack.pack_id] == 0
    reads = rig.node.status().reads
    assert reads is not None
    assert reads.unread == 1
