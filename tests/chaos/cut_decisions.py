"""What is decided about snapshots beside a vault's life: holds, tags, and removals that can be undone.

One decision is on its way at any time. Which of them counts after a power cut is known by the events of the disk log:
one that was acknowledged does, or that a core found recorded at its start; of one that wasn't, all or nothing does."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from phoenix_core.domain.ids import SnapshotId
from phoenix_core.vault.annotation import Annotation, Aside, Hold, Standing
from tests.chaos.disk_log import DiskLog
from tests.vault_maintenance.rig import Rig

UNDO_S = 7 * 86400
REASONS = ("audit", "court case", "the old shop, kept until its books are closed " * 20)

Said = tuple[Annotation, Aside | None]
"""Of one snapshot; the times of the records aside."""


@dataclass
class DecisionHistory:
    log: DiskLog
    _tried: list[tuple[int, SnapshotId, Said]] = field(default_factory=list)
    """With the event before which it wasn't begun."""
    _settled: list[tuple[int, SnapshotId, Said]] = field(default_factory=list)
    """With the event behind which it was certain."""

    def decide(self, rig: Rig, live: Iterable[SnapshotId], dice: random.Random) -> None:
        """Hold or release one of them, tag it, put it aside or bring it back."""
        chain = rig.chain()
        snapshot = dice.choice(list(live))
        committed, (annotation, aside) = chain.live()[snapshot], _said(chain.standing(snapshot))
        if aside is not None and dice.random() < 0.7:
            self._tried.append((self.log.now, snapshot, (annotation, None)))
            chain.bring_back(committed, "anna")
        elif aside is None and annotation.hold is None and dice.random() < 0.5:
            aside = Aside("bob", dice.randint(1, UNDO_S))
            self._tried.append((self.log.now, snapshot, (annotation, aside)))
            chain.set_aside(committed, aside)
        else:
            hold = None if annotation.hold or aside else Hold(dice.choice(REASONS), "anna", dice.randint(1, 10**18))
            annotation = Annotation((f"t{dice.randrange(1000):03}",), "", hold)
            self._tried.append((self.log.now, snapshot, (annotation, aside)))
            chain.annotate(committed, annotation)
        assert _said(chain.standing(snapshot)) == self._tried[-1][2]
        self._settled.append((self.log.now, snapshot, self._tried[-1][2]))

    def found(self, rig: Rig) -> None:
        """A core starts after a death: what it finds recorded counts from now on, and what it doesn't never will."""
        chain = rig.chain()
        tried = {snapshot for _, snapshot, _ in self._tried}
        self._settled += [
            (self.log.now, snapshot, _said(chain.standing(snapshot))) for snapshot in chain.live() if snapshot in tried
        ]

    def held(self, rig: Rig) -> set[SnapshotId]:
        """These aren't removed."""
        return {snapshot for snapshot, standing in rig.chain().standings().items() if standing.annotation.hold}

    def moments(self) -> list[int]:
        return [at for at, _, _ in self._settled]

    def check(self, rig: Rig, cut: int) -> int:
        """On a vault whose store lost power behind that event; returns how many decisions are there."""
        chain = rig.chain()
        assert chain.broken is None, f"the records break: {chain.broken}"
        for snapshot in chain.live():
            told = _said(chain.standing(snapshot))
            settled_at, certain = 0, _said(Standing())
            for at, name, said in self._settled:
                if name == snapshot and at <= cut:
                    settled_at, certain = at, said
            possible = [said for at, name, said in self._tried if name == snapshot and settled_at <= at <= cut]
            assert told == certain or told in possible, f"{snapshot[:12]}: {certain} was decided, {told} is recorded"
        return len(chain.standings())


def bring_back_all(rig: Rig) -> set[SnapshotId]:
    """Undo each removal that can be; returns whose. What else was decided stays."""
    chain = rig.chain()
    aside = {snapshot for snapshot, standing in chain.standings().items() if standing.aside is not None}
    for snapshot in sorted(aside):
        before = chain.standing(snapshot).annotation
        chain.bring_back(chain.live()[snapshot], "anna")
        assert _said(rig.chain().standing(snapshot)) == (before, None), f"{snapshot[:12]} isn't brought back"
    return aside


def _said(standing: Standing) -> Said:
    return standing.annotation, standing.aside
