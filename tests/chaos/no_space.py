"""Disks that fill up, at each write: below the vault's store, its index, the catalog, and the agent's folder.

After each injection: what was going on ended well or with an error of the product's own; every committed snapshot
comes back; and with space again the same thing succeeds, without a restart."""

import errno
import random
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from unittest import mock

import lmdb

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import LeaseId, SnapshotId
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.vault.environment import Environment
from phoenix_core.vault.prune import execute, make_plan
from phoenix_core.vault.record import RecordKind, parse
from phoenix_core.vault.verify import verify_vault
from tests.chaos.campaign import Campaign, Run
from tests.chaos.full_disk import FullDisk, filled, may_mount, small_disk
from tests.chaos.no_space_agent import AgentRounds
from tests.chaos.no_space_catalog import CatalogRounds
from tests.chaos.no_space_restore import RestoreRounds
from tests.chaos.shared_vault import fast_folder
from tests.vault_maintenance.rig import Files, Rig, content

ROUNDS_OF_A_VAULT = 40
SERVERS = ("sone", "stwo")
CONTENTS = 24
SNAPSHOTS_KEPT = 4
ERRORS = (errno.ENOSPC, errno.ENOSPC, errno.EDQUOT)


class FullIndex:
    """The index's disk takes so many more transactions, then none."""

    def __init__(self, after: int, *, once: bool = False) -> None:
        self._left = after
        self._once = once
        self.failed = 0
        self._patch = mock.patch.object(Environment, "write", self._write(Environment.write))

    def _write(self, original: Callable[..., object]) -> Callable[..., object]:
        def write(environment: Environment, work: Callable[..., object]) -> object:
            if self._left > 0 or (self._once and self.failed):
                self._left -= 1
                return original(environment, work)
            self.failed += 1

            def fail(transaction: object) -> object:
                raise lmdb.DiskError("mdb_txn_commit: No space left on device")

            return original(environment, fail)

        return write

    def __enter__(self) -> "FullIndex":
        self._patch.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._patch.stop()


class World:
    """One vault, and what must come back from it."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.run = run
        self.rig = Rig(folder)
        self.committed: dict[SnapshotId, Files] = {}

    # --- what is done while the disk is full -------------------------------------------------------------------------

    def back_up(self, dice: random.Random) -> None:
        server = dice.choice(SERVERS)
        files = {f"f{number}": content(number, 4000) for number in dice.sample(range(CONTENTS), dice.randint(1, 8))}
        running = self.rig.begin(server)
        try:
            snapshot = running.store(files)
            try:
                self.rig.append(RecordKind.COMMIT, snapshot, server, running.lease)
            finally:
                if self._is_recorded(snapshot):
                    self.committed[snapshot] = files
        finally:
            self._end(running.lease)

    def remove(self, dice: random.Random) -> None:
        if len(self.committed) > SNAPSHOTS_KEPT:
            snapshot = dice.choice(sorted(self.committed))
            self.committed.pop(snapshot)
            self.rig.remove(snapshot)

    def prune(self, dice: random.Random) -> None:
        plan = make_plan(self.rig.node, self.rig.key, rewrite_unused_percent=dice.choice((10, 40)))
        execute(self.rig.node, self.rig.key, plan, open_target=self.rig.target, wait_s=0)

    def prove(self, dice: random.Random) -> None:
        del dice
        self.rig.prove_all()

    def verify(self, dice: random.Random) -> None:
        report = verify_vault(self.rig.node, self.rig.key, dice.choice(list(VerifyDepth)))
        assert report.damages == (), f"verify on a full disk: {report.damages}"

    def rebuild_index(self, dice: random.Random) -> None:
        del dice
        self.rig.node.rebuild_index()

    def restart(self, dice: random.Random) -> None:
        """A node that can't start is started once there is space."""
        del dice
        try:
            self.rig.node.close()
        finally:
            self.rig.node = self.rig.open_node()

    ACTS = (back_up, back_up, back_up, back_up, remove, prune, prune, prove, verify, rebuild_index, restart)

    def play(self, dice: random.Random, full: AbstractContextManager[object]) -> None:
        act = dice.choice(self.ACTS)
        state = dice.getstate()
        name = act.__name__
        try:
            with full:
                act(self, dice)
            self.run.counts[f"{name}: went on"] += 1
        except PhoenixError as error:
            self.run.counts[f"{name}: {error.code}"] += 1
        if act is World.restart and not self._answers():
            self.rig.node = self.rig.open_node()
        self.check()
        again = random.Random()
        again.setstate(state)
        act(self, again)
        self.check()
        self.remove(dice)

    # --- checks ------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        for snapshot, files in self.committed.items():
            assert self.rig.restore(snapshot) == files, f"snapshot {snapshot[:12]} comes back changed"
            self.run.counts["restores compared"] += 1

    def end(self) -> None:
        for lease in self.rig.node.leases():
            self._end(LeaseId(lease.lease))
        self.prune(random.Random(0))
        self.check()
        self.rig.restart_node()
        self.check()
        report = verify_vault(self.rig.node, self.rig.key, VerifyDepth.CHUNKS)
        assert report.damages == (), f"the last verify: {report.damages}"
        self.rig.close()

    def _is_recorded(self, snapshot: SnapshotId) -> bool:
        records = (parse(record, sequence=number) for number, record in self.rig.node.records())
        return any(record.snapshot.hex() == snapshot for record in records)

    def _end(self, lease: LeaseId) -> None:
        """As the core does it: one that can't be closed lapses by itself."""
        try:
            self.rig.node.close_lease(lease)
        except PhoenixError as error:
            self.run.counts[f"leases left open: {error.code}"] += 1

    def _answers(self) -> bool:
        try:
            self.rig.node.leases()
        except PhoenixError:
            return False
        return True


class VaultRounds:
    """Rounds on a vault that is made anew now and then; on a small disk of its own where that can be mounted."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stack = ExitStack()
        self._world: World | None = None
        self._played = 0
        self._folder = Path()
        self._really = may_mount()
        if not self._really:
            run.say("no real full disks: mounting small ones needs root")

    def play(self, dice: random.Random) -> None:
        world = self._world or self._begin()
        after, once = dice.randint(0, dice.choice((3, 12, 40))), dice.random() < 0.3
        kind = dice.choice(("store", "store", "index", "real")) if self._really else dice.choice(("store", "index"))
        disk: FullDisk | FullIndex | None = None
        if kind == "store":
            disk = FullDisk(self._folder / "vault" / "vault", after, error=dice.choice(ERRORS), once=once)
        elif kind == "index":
            disk = FullIndex(after // 2, once=once)
        full = disk if disk is not None else filled(self._folder, dice.choice((0, 4096, 20_000, 100_000)))
        world.play(dice, full)
        self._run.counts["writes that failed"] += disk.failed if disk is not None else 0
        self._run.counts[f"rounds with a full disk: {kind}"] += 1
        self._played += 1
        if self._played % ROUNDS_OF_A_VAULT == 0:
            self.end()

    def end(self) -> None:
        if self._world is not None:
            world, self._world = self._world, None
            world.end()
        self.close()

    def close(self) -> None:
        self._stack.close()

    def _begin(self) -> World:
        folder = fast_folder()
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        self._folder = folder / "disk"
        if self._really:
            self._stack.enter_context(small_disk(self._folder, "40m"))
        else:
            self._folder.mkdir()
        (self._folder / "vault").mkdir()
        self._world = World(self._run, self._folder / "vault")
        return self._world


def body(run: Run) -> None:
    vault, agent, restore, catalog = VaultRounds(run), AgentRounds(run), RestoreRounds(run), CatalogRounds(run)
    try:
        for number in range(run.rounds):
            dice = run.random(number)
            try:
                if number % 10 == 5:
                    agent.play(dice)
                elif number % 10 == 8:
                    restore.play(dice)
                elif number % 10 == 2:
                    catalog.play(dice)
                else:
                    vault.play(dice)
            except Exception as error:
                raise AssertionError(f"seed {run.seed}, round {number}: {error!r}") from error
            if number % 200 == 199:
                run.say(f"round {number + 1}: {run.counts['writes that failed']} writes failed")
        vault.end()
        catalog.end()
    finally:
        catalog.close()
        vault.close()
        agent.close()
        restore.close()


CAMPAIGN = Campaign(
    "no-space",
    "full disks below store, index, catalog and agent, at each write: typed errors, nothing committed is lost, and "
    "with space again all goes on",
    body,
    quick=40,
    full=6000,
)
