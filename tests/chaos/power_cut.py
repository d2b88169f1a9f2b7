"""Power cuts at the level of system calls: a vault's life is recorded, cut off behind any event, and put on a disk that
kept what it had promised and dropped or reordered the rest; a new node on it must keep all that was acknowledged. See
docs/reliability.md."""

import random
import shutil
import tempfile
from pathlib import Path

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.vault.prune import execute, make_plan
from phoenix_core.vault.verify import verify_vault
from tests.chaos.campaign import Campaign, Run
from tests.chaos.crash_state import CrashState
from tests.chaos.cut_decisions import bring_back_all
from tests.chaos.cut_history import History, LoggedRig, Promises

CUTS = 20
"""Of one history."""
STEPS = 12
CATALOGS = 0.3
"""Part of the cuts after which a catalog is opened too; it takes longer than all else."""
MEMORY = Path("/dev/shm")
KINDS = {"power cut": 6, "older index": 1, "disk that lied": 1}
"""All in the log's order; the index of an earlier moment than the store; the store of an earlier one than the index."""


def body(run: Run) -> None:
    room = MEMORY if MEMORY.is_dir() else None
    for first in range(0, run.rounds, CUTS):
        with tempfile.TemporaryDirectory(prefix="cut-", dir=room) as folder:
            history = History(_empty(Path(folder) / "disk"), _empty(Path(folder) / "beside"), run.random(first))
            history.live(STEPS)
            run.counts["kills before"] += history.deaths
            run.counts["prunes before"] += history.prunes
            for number in range(first, min(first + CUTS, run.rounds)):
                _round(run, number, history, _empty(Path(folder) / "after"))
        if first % 200 == 0:
            run.say(f"{first} cuts")


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder


def _round(run: Run, number: int, history: History, folder: Path) -> None:
    dice = run.random(number)
    kind = dice.choices(tuple(KINDS), tuple(KINDS.values()))[0]
    cut = _cut(history, dice)
    earlier = dice.randint(max(cut * 2 // 3, min(cut, history.begun)), cut)
    store_cut = earlier if kind == "disk that lied" else cut
    index_cut = earlier if kind == "older index" else cut
    try:
        CrashState(history.log, store_cut, dice, index_cut=index_cut).make(folder)
        after = After(folder, history.promises, dice)
        try:
            after.opens(index_cut)
            if kind == "disk that lied":
                after.tells_what_is_lost(store_cut)
            else:
                after.kept_everything(cut)
            run.counts["snapshots decided about"] += history.decisions.check(after.rig, store_cut)
            after.goes_on()
            if kind != "disk that lied":
                history.agent.check(folder, cut)
                if dice.random() < CATALOGS:
                    catalog = folder.with_name("catalog")
                    history.catalog.check(after.rig, after.rig.listed(), cut, dice, catalog)
                    run.counts["catalogs"] += 1
        finally:
            after.close()
    except (AssertionError, PhoenixError) as error:
        where = f"seed {run.seed}, round {number}: {kind} behind event {cut} of {history.log.now}"
        raise AssertionError(f"{where} (the other part behind {earlier}): {error}") from error
    run.counts[kind] += 1
    run.counts["snapshots read"] += after.read
    run.counts["index made anew"] += after.rebuilt


def _cut(history: History, dice: random.Random) -> int:
    """Anywhere; more often shortly before or after something was promised."""
    if dice.random() < 0.6:
        return dice.randint(1, history.log.now)
    return max(1, dice.choice(dice.choice(history.moments())) - dice.randint(0, 5))


class After:
    """The vault on the disk that lost power."""

    def __init__(self, folder: Path, promises: Promises, dice: random.Random) -> None:
        self._folder = folder
        self._promises = promises
        self._dice = dice
        self._rig: LoggedRig | None = None
        self._live: set[SnapshotId] = set()
        self.read = 0
        self.rebuilt = 0

    @property
    def rig(self) -> LoggedRig:
        assert self._rig is not None
        return self._rig

    def opens(self, cut: int) -> None:
        """Another boot of the machine; the index is there unless it was just being made anew."""
        lock = self._folder / "index" / "node.lock"
        if lock.exists() and lock.stat().st_size:
            lock.write_text("another boot")
        self._rig = LoggedRig(self._folder)
        status = self.rig.node.status()
        if not status.index_complete:
            assert status.problem is not None
            anew = any(begun <= cut <= ended for begun, ended in self._promises.rebuilding)
            assert anew, f"the index is lost: {status.problem.message}"
            self.rig.node.rebuild_index()
            self.rebuilt = 1

    def kept_everything(self, cut: int) -> None:
        self._live = self.rig.listed()
        lost = self._promises.needed(cut) - self._live
        assert not lost, f"committed, and not listed: {sorted(lost)}"
        back = self._promises.gone(cut) & self._live
        assert not back, f"removed, and listed: {sorted(back)}"
        for snapshot in self._live:
            self._restores(snapshot)
        found = verify_vault(self.rig.node, self.rig.key, VerifyDepth.CHUNKS)
        assert found.ok, f"verify finds damage: {found}"

    def tells_what_is_lost(self, cut: int) -> None:
        """Nothing that reads as whole is wrong."""
        self._live = self.rig.listed()
        for snapshot in sorted(self._live):
            try:
                self._restores(snapshot)
            except PhoenixError:
                self._live.discard(snapshot)
        del cut

    def goes_on(self) -> None:
        """The next backup of what was there last succeeds, and a prune takes nothing that is needed."""
        known = self._promises.files
        files = dict(known[self._dice.choice(sorted(known))]) if known else {"f": b"x"}
        removing = {snapshot for _, snapshot in self._promises.removing}
        parent = self._dice.choice([None, *sorted(self._live - removing)])
        for snapshot in bring_back_all(self.rig) & self._live:
            self._restores(snapshot)
        made = self.rig.backup(files, parent=parent)
        assert self.rig.restore(made) == files, "the next backup came back otherwise"
        if self._dice.random() < 0.3 and self._live == self.rig.listed() - {made}:
            self.rig.close_leases()
            execute(self.rig.node, self.rig.key, make_plan(self.rig.node, self.rig.key), open_target=self.rig.target)
            assert self.rig.restore(made) == files, "a prune took what the next backup needs"
            for snapshot in self._live:
                self._restores(snapshot)

    def close(self) -> None:
        if self._rig is not None:
            self._rig.close()

    def _restores(self, snapshot: SnapshotId) -> None:
        assert self.rig.restore(snapshot) == self._promises.files[snapshot], f"{snapshot} came back otherwise"
        self.read += 1


CAMPAIGN = Campaign(
    name="power-cut",
    what="power cuts behind any system call, unsynced writes and names dropped or reordered; every acknowledged"
    " snapshot restores identically, each acknowledged hold and removal is there, the next backup succeeds",
    body=body,
    quick=80,
    full=2000,
    unit="cuts",
)
