"""A vault's life under a disk log: backups, removals, decisions, prunes, restarts, deaths, and its promises."""

import contextlib
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from phoenix_core.domain.ids import LeaseId, SnapshotId
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.node import StorageNode
from phoenix_core.vault.layout import DESCRIPTOR
from phoenix_core.vault.prune import execute, make_plan
from phoenix_core.vault.record import live_snapshots, verify_chain
from tests.chaos.cut_agent import AgentHistory
from tests.chaos.cut_catalog import CatalogHistory
from tests.chaos.cut_decisions import DecisionHistory
from tests.chaos.disk_log import NEVER, Died, DiskLog
from tests.vault_maintenance.rig import Files, Rig, RunningBackup

SERVERS = ("sweb", "sdb")
FILES = 7
SMALL = (0, 1, 900, 5_000, 21_000)


@dataclass
class Promises:
    """By the number of the event after which they were made."""

    files: dict[SnapshotId, Files] = field(default_factory=dict)
    """Of every snapshot that was ever staged."""
    committed: list[tuple[int, SnapshotId]] = field(default_factory=list)
    removing: list[tuple[int, SnapshotId]] = field(default_factory=list)
    removed: list[tuple[int, SnapshotId]] = field(default_factory=list)
    rebuilding: list[tuple[int, int]] = field(default_factory=list)
    """While an index is made anew there may be none."""

    def needed(self, cut: int) -> set[SnapshotId]:
        gone = {snapshot for at, snapshot in self.removing if at <= cut}
        return {snapshot for at, snapshot in self.committed if at <= cut} - gone

    def gone(self, cut: int) -> set[SnapshotId]:
        return {snapshot for at, snapshot in self.removed if at <= cut}


class LoggedRig(Rig):
    """A rig whose files lie below a disk log's folder."""

    def open_node(self) -> StorageNode:
        """Where there is no vault yet, one is made."""
        store = LocalStore(self.folder / "vault")
        store.put(DESCRIPTOR, self.descriptor.encode(), if_absent=True)
        store.close()
        return super().open_node()

    def listed(self) -> set[SnapshotId]:
        """The snapshots that the records say are there."""
        return set(live_snapshots(verify_chain(self.node.records(), self.key.record_public_key())))

    def close_leases(self) -> None:
        """Of jobs that are gone, as the core does before a prune."""
        for lease in self.node.leases():
            self.node.close_lease(LeaseId(lease.lease))


class History:
    """`live` goes through some steps; `log` and `promises` tell of them."""

    def __init__(self, folder: Path, beside: Path, dice: random.Random) -> None:
        """`folder` is logged; `beside` isn't."""
        self.log = DiskLog(folder)
        self.catalog = CatalogHistory(self.log, beside)
        self.promises = Promises()
        self.agent = AgentHistory(self.log)
        self.decisions = DecisionHistory(self.log)
        self.rig: LoggedRig
        self._folder = folder
        self._dice = dice
        self._files: Files = {}
        self._live: list[SnapshotId] = []
        self.begun = 0
        """The event after which the first node ran."""
        self._steps = {
            self._backup: 6,
            self._two_backups: 2,
            self._decide: 5,
            self._remove: 1,
            self._prune: 3,
            self._restart: 2,
            self._rebuild: 1,
            self.agent.renew: 1,
        }
        self.deaths = 0
        self.prunes = 0

    def live(self, steps: int) -> None:
        with self.log.recording():
            self.rig = LoggedRig(self._folder)
            self.begun = self.log.now
            self.agent.enrol()
            self.catalog.begin()
            self._dice.choice((self._backup, self._two_backups))()
            for _ in range(steps):
                step = self._dice.choices(list(self._steps), list(self._steps.values()))[0]
                with self._perhaps_dies():
                    step()
            with self._perhaps_dies(always=True):
                self._backup()
            self.rig.close()
            self.catalog.end()

    def moments(self) -> list[list[int]]:
        """Numbers of the events after which something was promised, by what."""
        snapshots = ([at for at, _ in kind] for kind in (self.promises.committed, self.promises.removed))
        kinds = (*snapshots, self.decisions.moments(), *self.agent.promises())
        return [[self.begun], *(kind for kind in kinds if kind)]

    @contextlib.contextmanager
    def _perhaps_dies(self, *, always: bool = False) -> Iterator[None]:
        """kill -9 at one of the next events, and another start."""
        if always or self._dice.random() < 0.4:
            if self._dice.random() < 0.5:
                self.log.die_at = self.log.now + self._dice.randint(2, 60)
            else:
                self.log.die_at_folder_sync = self._dice.randint(1, 9)
        dead = False
        try:
            yield
        except Died:
            dead = True
        self.log.live_on()
        if dead:
            self.deaths += 1
            self.log.release_all()
            self.rig.node = self.rig.open_node()
            self.agent.start_again()
            self._promise_what_is_there()
            self._backup(change=False)

    def _promise_what_is_there(self) -> None:
        """What a core finds recorded at its start is shown to people, whoever wrote it."""
        removing = {snapshot for _, snapshot in self.promises.removing}
        for snapshot in self.rig.listed() - set(self._live) - removing:
            self._committed(snapshot)
        self.decisions.found(self.rig)

    def _change(self) -> None:
        for _ in range(self._dice.randint(1, 4)):
            name = f"f{self._dice.randrange(FILES)}"
            self._files[name] = random.Random(self._dice.randrange(60)).randbytes(self._dice.choice(SMALL))

    def _backup(self, *, change: bool = True) -> None:
        if change:
            self._change()
        running = self.rig.begin(self._dice.choice(SERVERS), self._parent())
        files = dict(self._files)
        self._commit(running, self._stored(running, files))

    def _two_backups(self) -> None:
        """At the same time, each in a thread of its own."""
        self.log.live_on()
        runs: list[tuple[RunningBackup, Files]] = []
        for server in SERVERS:
            self._change()
            runs.append((self.rig.begin(server, self._parent()), dict(self._files)))
        staged: dict[int, SnapshotId] = {}

        def store(number: int) -> None:
            staged[number] = self._stored(*runs[number])

        self.log.switching = True
        threads = [threading.Thread(target=store, args=(number,)) for number in range(len(runs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.log.switching = False
        assert len(staged) == len(runs), "a backup beside another one failed"
        for number, (running, _) in enumerate(runs):
            self._commit(running, staged[number])

    def _stored(self, running: RunningBackup, files: Files) -> SnapshotId:
        snapshot = running.store(files)
        self.promises.files[snapshot] = files
        return snapshot

    def _commit(self, running: RunningBackup, snapshot: SnapshotId) -> None:
        running.commit(snapshot)
        self._committed(snapshot)

    def _committed(self, snapshot: SnapshotId) -> None:
        self.promises.committed.append((self.log.now, snapshot))
        self._live.append(snapshot)
        self.catalog.takes_over(self.rig)
        self.agent.hear_of_record()

    def _parent(self) -> SnapshotId | None:
        return self._live[-1] if self._live and self._dice.random() < 0.8 else None

    def _decide(self) -> None:
        for _ in range(self._dice.randint(1, 3)):
            self.decisions.decide(self.rig, self._live, self._dice)
            self.catalog.takes_over(self.rig)

    def _remove(self) -> None:
        held = self.decisions.held(self.rig)
        free = [snapshot for snapshot in self._live[:-1] if snapshot not in held]
        if not free:
            return
        snapshot = self._dice.choice(free)
        self._live.remove(snapshot)
        self.promises.removing.append((self.log.now, snapshot))
        self.rig.remove(snapshot)
        self.promises.removed.append((self.log.now, snapshot))
        self.catalog.takes_over(self.rig)

    def _prune(self) -> None:
        if self._dice.random() < 0.6:
            self._remove()
        if self._dice.random() < 0.5:
            self.rig.prove_all()
        self.rig.close_leases()
        plan = make_plan(self.rig.node, self.rig.key)
        execute(self.rig.node, self.rig.key, plan, open_target=self.rig.target, wait_s=0)
        self.prunes += 1

    def _restart(self) -> None:
        self.rig.node.close()
        self.rig.node = self.rig.open_node()

    def _rebuild(self) -> None:
        begun = self.log.now
        self.promises.rebuilding.append((begun, NEVER))
        self.rig.node.rebuild_index()
        self.promises.rebuilding[-1] = (begun, self.log.now)
