"""Which packs have their turn to be read and checked, so that each is within so many days. Core only.

Those that were read longest ago come first: a share of all that is stored each time, by the time to the next run, so
that the work is spread evenly whatever was stored when. After a core was off, or for a vault that was never read, up to
twice the share goes to packs that would be overdue before the next run: it catches up without doing all at once.
"""

from collections.abc import Iterable
from datetime import timedelta

import msgspec

from phoenix_core.domain.ids import PackId
from phoenix_core.vault.packinfo import PackInfo, PackState

CATCH_UP = 2
AHEAD = timedelta(hours=1)
"""A time of reading this far ahead was told by a clock that was wrong: when it really was isn't known."""


class ReadTurn(msgspec.Struct, frozen=True):
    """Of one run. Times are nanoseconds since the epoch."""

    began_ns: int
    """When the run began: what was stored before and read since has had its turn in it, also before a restart."""
    now_ns: int
    within: timedelta
    next_run: timedelta
    """Until the next run, from now on."""
    with_unproved: bool = True
    """Whether new packs that wait for the background proof are read here too."""

    def choose(self, packs: Iterable[PackInfo]) -> set[PackId]:
        usable = [info for info in packs if info.state is PackState.USABLE]
        share = self.next_run / self.within
        quota = max(1, round(min(1.0, share) * sum(info.bytes for info in usable)))
        done = sum(info.bytes for info in usable if self._had_its_turn(info))
        overdue_before_ns = self.now_ns + _ns(self.next_run) - _ns(self.within)
        waiting = [info for info in usable if not self._had_its_turn(info) and (info.proved or self.with_unproved)]
        waiting.sort(key=self._read_at_ns)
        chosen: set[PackId] = set()
        for info in waiting:
            is_overdue = self._read_at_ns(info) <= overdue_before_ns
            if done >= (CATCH_UP * quota if is_overdue else quota):
                break
            chosen.add(PackId(info.pack_id))
            done += info.bytes
        return chosen

    def _had_its_turn(self, info: PackInfo) -> bool:
        return info.stored_at_ns < self.began_ns <= self._read_at_ns(info)

    def _read_at_ns(self, info: PackInfo) -> int:
        return info.read_at_ns if info.read_at_ns <= self.now_ns + _ns(AHEAD) else 0


def _ns(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 1000
