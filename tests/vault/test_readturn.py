"""Which packs have their turn to be read: each within so many days, evenly, and never all at once."""

from collections.abc import Iterable
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.domain.ids import PackId
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packinfo import PackInfo, PackState
from phoenix_core.vault.readturn import ReadTurn

DAY_NS = 86_400 * 10**9
NOW_NS = 1000 * DAY_NS
USABLE = PackState.USABLE


def pack(number: int, read_on: float, *, proved: bool = True, state: PackState = USABLE, size: int = 100) -> PackInfo:
    """`read_on`: a day; 0: never. It was stored on day 1."""
    name = number.to_bytes(32, "big")
    return PackInfo(name, size, "s", "d", 1, PackKind.DATA, 1, state, proved, DAY_NS, round(read_on * DAY_NS))


def turn(day: float = 1000, *, days: int = 30, began: float | None = None, every: float = 1, **more: bool) -> ReadTurn:
    return ReadTurn(
        began_ns=round((day if began is None else began) * DAY_NS),
        now_ns=round(day * DAY_NS),
        within=timedelta(days=days),
        next_run=timedelta(days=every),
        **more,
    )


def chosen(packs: Iterable[PackInfo], when: ReadTurn) -> set[int]:
    return {int.from_bytes(name, "big") for name in when.choose(packs)}


def test_those_that_were_read_longest_ago_come_first_and_only_a_share_of_all() -> None:
    packs = [pack(number, 999 - number / 30) for number in range(300)]
    assert chosen(packs, turn()) == set(range(290, 300))


def test_after_a_long_absence_twice_the_share_is_read_and_no_more() -> None:
    packs = [pack(number, 900) for number in range(300)]
    assert len(chosen(packs, turn())) == 20
    assert len(chosen([pack(number, 0) for number in range(300)], turn())) == 20


def test_a_weekly_run_reads_a_week_s_share() -> None:
    packs = [pack(number, 999 - number / 30) for number in range(300)]
    assert len(chosen(packs, turn(every=7, days=28))) == 75


def test_what_was_read_since_the_run_began_has_had_its_turn() -> None:
    """A run that was cut off, by a kill of the core, goes on and does not begin anew."""
    packs = [pack(number, 999 - number / 30) for number in range(300)]
    first = chosen(packs, turn())
    half = sorted(first)[5:]
    again = [pack(number, 1000.01) if number in half else packs[number] for number in range(300)]
    assert chosen(again, turn(1000.1, began=1000)) == first - set(half)


def test_new_packs_are_left_to_the_background_proof() -> None:
    packs = [pack(0, 0, proved=False), pack(1, 990)]
    assert chosen(packs, turn(with_unproved=False)) == {1}
    assert chosen(packs, turn(days=1, with_unproved=True)) == {0, 1}


def test_what_is_damaged_lost_or_condemned_has_no_turn() -> None:
    packs = [pack(number, 0, state=state) for number, state in enumerate(PackState)]
    assert chosen(packs, turn(days=1)) == {list(PackState).index(USABLE)}


def test_a_reading_by_a_clock_that_was_ahead_counts_for_nothing() -> None:
    packs = [pack(0, 1030), *(pack(number, 999) for number in range(1, 60))]
    assert 0 in chosen(packs, turn())


def test_a_small_vault_is_read_too() -> None:
    assert chosen([pack(0, 999)], turn(days=3650)) == {0}
    assert chosen([], turn()) == set()


@given(
    sizes=st.lists(st.integers(1, 32), min_size=1, max_size=40),
    days=st.integers(1, 40),
    away=st.integers(0, 60),
)
def test_day_by_day_every_pack_is_read_in_time_and_no_day_reads_more_than_its_double(
    sizes: list[int], days: int, away: int
) -> None:
    """All stored on one day, as a first backup does; then the core is away for a while, and catches up."""
    packs = {PackId(n.to_bytes(32, "big")): pack(n, 1000, size=size) for n, size in enumerate(sizes)}
    quota = max(1, round(sum(sizes) / days))
    late = 0.0
    for day in range(1000 + away, 1000 + away + 4 * days + 2):
        when = turn(day, days=days)
        names = when.choose(packs.values())
        read = [packs[name].bytes for name in names]
        assert sum(read) < 2 * quota + max(sizes)
        for name in names:
            packs[name] = pack(int.from_bytes(name, "big"), day, size=packs[name].bytes)
        late = max((day - info.read_at_ns / DAY_NS for info in packs.values()), default=0)
    assert late <= days
