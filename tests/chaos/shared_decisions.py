"""What is decided about a shared vault's snapshots, by the core's own code, and what comes of it: what is held stays,
what is set aside stays for its time and comes back, and what became final is gone.

Clocks are off, so of some holds and undo periods it isn't certain whether they are over: time counts that the core saw
pass, and of the time that it was off at most a day. Two bounds say between which the core's count lies."""

import random
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from math import inf

from phoenix_core.domain.ids import SnapshotId
from phoenix_core.engine.errors import RemovalWaits, SnapshotHeld, SnapshotRemoved
from phoenix_core.engine.seen_time import KEPT_EVERY_S, OFF_MAX_S
from phoenix_core.engine.standing import as_recorded
from tests.chaos.shared_core import SharedCore
from tests.chaos.shared_vault import Hand, SharedVault
from tests.chaos.turns import Turns

SNAPSHOTS_KEPT = 3
UNDO_S = (1000, 100_000, 400_000)
HOLD_DAYS = (None, None, 0.05, 2)
ROUNDED_S = 2
"""What becomes of fractions of seconds in the core's count."""


@dataclass(frozen=True)
class Lasting:
    """A hold or an undo period."""

    length_s: float
    begun_s: float
    """Before it, by the most that the core may have counted since the vault was made."""
    recorded_s: float
    """After it, by the least."""


class SharedDecisions:
    """Each act has the core's turn while it decides; the others go on between its calls of the storage node."""

    def __init__(self, vault: SharedVault) -> None:
        self.vault = vault
        self._core = SharedCore(vault)
        self._starts = 0
        self._holds: dict[SnapshotId, Lasting] = {}
        """Those whose time is over, too."""
        self._aside: dict[SnapshotId, Lasting] = {}
        self._final: set[SnapshotId] = set()
        self.removals = 0
        """Final ones that were begun."""

    # --- acts --------------------------------------------------------------------------------------------------------

    def set_aside(self, hand: Hand, dice: random.Random) -> None:
        with self._turn(hand):
            snapshot = self._one(dice, self.vault.committed.keys() - self._aside.keys())
            if snapshot is None:
                return
            undo_s, begun_s = dice.choice(UNDO_S), self._most_s
            try:
                self._core.run(self._core.removals.set_aside(self._core.vault, snapshot, "bob", undo_s))
            except SnapshotHeld:
                self._was_held(snapshot)
                return
            self._was_free(snapshot)
            self._aside[snapshot] = Lasting(undo_s, begun_s, self.vault.clock.seconds)
            self.vault.counts["snapshots set aside"] += 1

    def bring_back(self, hand: Hand, dice: random.Random) -> None:
        with self._turn(hand):
            snapshot = self._one(dice, self._aside.keys())
            if snapshot is not None:
                self._bring_back(snapshot, hand.turns)

    def hold(self, hand: Hand, dice: random.Random) -> None:
        with self._turn(hand):
            snapshot = self._one(dice, self.vault.committed.keys())
            if snapshot is None:
                return
            days, begun_s = dice.choice(HOLD_DAYS), self._most_s
            until = self.vault.clock.now() + timedelta(days=days) if days else None
            try:
                self._core.run(self._core.annotations.hold(self._core.vault, snapshot, "audit", "anna", until))
            except SnapshotRemoved:
                assert snapshot in self._aside, f"{snapshot[:12]} is told to be removed, and isn't"
                return
            assert snapshot not in self._aside, f"{snapshot[:12]} is set aside, and was held all the same"
            self._holds[snapshot] = Lasting(days * 86400 if days else inf, begun_s, self.vault.clock.seconds)
            self.vault.counts["snapshots held"] += 1

    def release(self, hand: Hand, dice: random.Random) -> None:
        with self._turn(hand):
            snapshot = self._one(dice, self._holds.keys())
            if snapshot is not None:
                self._core.run(self._core.annotations.release(self._core.vault, snapshot))
                del self._holds[snapshot]

    def remove(self, hand: Hand, dice: random.Random, restoring: set[SnapshotId]) -> None:
        """For good; often one that is being restored."""
        with self._turn(hand):
            if len(self.vault.committed) <= SNAPSHOTS_KEPT:
                return
            wanted = restoring & self.vault.committed.keys() if dice.random() < 0.7 else set()
            snapshot = self._one(dice, wanted or self.vault.committed.keys())
            assert snapshot is not None
            try:
                with self._going(snapshot):
                    self._core.run(self._core.removals.remove(self._core.vault, snapshot))
            except SnapshotHeld:
                self._was_held(snapshot)
                return
            self._was_free(snapshot)
            self._is_final(snapshot)

    def expire(self, hand: Hand, dice: random.Random) -> None:
        """As the core does it now and then with those whose undo period is over."""
        del dice
        with self._turn(hand):
            for snapshot in sorted(self._aside):
                self._expire(snapshot, self._aside[snapshot], hand.turns)

    def restart_core(self, hand: Hand, dice: random.Random) -> None:
        """With its catalog, or with a new one: what only the catalog knows, how much of the time is over, is lost."""
        with self._turn(hand):
            lost = dice.random() < 0.3
            self._starts += 1
            begun_s = self._most_s
            self._core.restart(lost=lost)
            self.vault.counts["catalogs lost" if lost else "restarts of the core"] += 1
            if lost:
                for lasting in (self._aside, self._holds):
                    lasting.update({each: replace(known, begun_s=begun_s) for each, known in lasting.items()})

    # --- what must be true -------------------------------------------------------------------------------------------

    def check(self) -> None:
        """While nothing else runs: records and catalog say what was decided."""
        with self._core.turn(Turns(None)):
            rows = {SnapshotId(row.id): row for row in self._core.rows()}
            chain = self.vault.chain()
            assert rows.keys() == chain.live().keys() == self.vault.committed.keys(), "other snapshots are shown"
            for snapshot, row in rows.items():
                standing = chain.standing(snapshot)
                assert as_recorded(row, standing, 0) == row, f"{snapshot[:12]} is shown otherwise than recorded"
                told = standing.annotation.hold is not None, standing.aside is not None
                decided = snapshot in self._holds, snapshot in self._aside
                assert told == decided, f"{snapshot[:12]} is held, set aside: {decided}; recorded: {told}"
            self.vault.counts["decisions compared"] += len(self._holds) + len(self._aside)

    def end(self, dice: random.Random) -> None:
        """Every other removal is undone, and the others become final."""
        turns = Turns(None)
        with self._core.turn(turns):
            for snapshot in sorted(self._aside):
                if dice.random() < 0.5:
                    self._bring_back(snapshot, turns)
            self.vault.pass_monotonic_s(max(UNDO_S) + KEPT_EVERY_S + ROUNDED_S)
            for snapshot in sorted(self._aside):
                self._expire(snapshot, self._aside[snapshot], turns)

    def check_freed(self) -> None:
        left = self._final & set(self.vault.node.snapshots())
        assert not left, f"removed for good, and still there: {sorted(left)}"

    def close(self) -> None:
        self._core.close()

    # --- pieces ------------------------------------------------------------------------------------------------------

    def _turn(self, hand: Hand) -> AbstractContextManager[None]:
        return self._core.turn(hand.turns)

    @staticmethod
    def _one(dice: random.Random, among: Collection[SnapshotId]) -> SnapshotId | None:
        return dice.choice(sorted(among)) if among else None

    @property
    def _most_s(self) -> float:
        return self.vault.clock.seconds + self._starts * (OFF_MAX_S + ROUNDED_S)

    def _bring_back(self, snapshot: SnapshotId, turns: Turns) -> None:
        row = self._core.run(self._core.removals.bring_back(self._core.vault, snapshot, "anna"))
        assert row.removed_at is None
        del self._aside[snapshot]
        if turns.in_order:
            _, files, _ = self.vault.committed[snapshot]
            assert self.vault.restore(snapshot) == files, f"snapshot {snapshot[:12]} was brought back changed"
        self.vault.counts["snapshots brought back"] += 1

    def _expire(self, snapshot: SnapshotId, aside: Lasting, turns: Turns) -> None:
        counted_s = self.vault.clock.seconds - max(aside.recorded_s, self._core.started_s)
        server, *_ = self.vault.committed[snapshot]
        try:
            with self._going(snapshot) as going:
                going.ended = self._core.run(self._core.removals.expire(self._core.vault, snapshot))
        except RemovalWaits:
            others = [each for each, (whose, *_) in list(self.vault.committed.items()) if whose == server]
            alone = all(each in self._aside for each in others)
            assert alone or not turns.in_order, f"the removal of {snapshot[:12]} waits, and there are others"
            self.vault.counts["last ones that stay"] += 1
        except SnapshotHeld:
            self._was_held(snapshot)
        else:
            if going.ended:
                assert self._most_s - aside.begun_s >= aside.length_s - ROUNDED_S, f"{snapshot[:12]} went too soon"
                self._is_final(snapshot)
                self.vault.counts["undo periods over"] += 1
            else:
                late_s = counted_s - aside.length_s
                assert late_s < KEPT_EVERY_S + ROUNDED_S, f"{snapshot[:12]} stays {late_s} s too long"

    @contextmanager
    def _going(self, snapshot: SnapshotId) -> Iterator["_Going"]:
        """Nobody counts on it while it may go; it is back where it didn't."""
        entry, going = self.vault.committed.pop(snapshot), _Going()
        self.removals += 1
        try:
            yield going
        except SnapshotHeld:
            self.vault.committed[snapshot] = entry
            raise
        if not going.ended:
            self.vault.committed[snapshot] = entry

    def _is_final(self, snapshot: SnapshotId) -> None:
        self._aside.pop(snapshot, None)
        self._holds.pop(snapshot, None)
        self._final.add(snapshot)
        self.vault.counts["snapshots removed"] += 1

    def _was_held(self, snapshot: SnapshotId) -> None:
        assert snapshot in self._holds, f"{snapshot[:12]} is told to be held, and isn't"
        self.vault.counts["removals refused: held"] += 1

    def _was_free(self, snapshot: SnapshotId) -> None:
        hold = self._holds.get(snapshot)
        if hold is not None:
            assert self._most_s - hold.begun_s >= hold.length_s - ROUNDED_S, f"{snapshot[:12]} is held, and was removed"


@dataclass
class _Going:
    ended: bool = True
