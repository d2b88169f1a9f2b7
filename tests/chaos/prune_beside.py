"""Backups, restores, verify, proofs, decisions and up to two prunes in one vault at once, while leases lapse, jobs die,
clocks jump and node and core restart: what was committed comes back, and nobody is promised what is swept. What is held
stays; a removal can be undone until its time is over, and is final then.

Three rounds of four are played in turns, call by call, in an order that the seed decides; in every fourth one all run
at once. Twenty rounds are played in one vault."""

import random
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import jwt

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, LeaseId, PackId, SnapshotId, new_lease_id
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.engine.pack_targets import pack_targets
from phoenix_core.engine.prove import prove_pack
from phoenix_core.storage.errors import LeaseLapsed, LeaseRefused, NotAllowed, ObjectMissing, PlanOutdated, SweepVoid
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.corereader import CoreReader
from phoenix_core.vault.filelists import entry_chunks
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import Location
from phoenix_core.vault.maintenance_node import OpenTarget
from phoenix_core.vault.mark import MarkFailed
from phoenix_core.vault.packinfo import PackState
from phoenix_core.vault.prune import execute, make_plan
from phoenix_core.vault.record import RecordKind
from phoenix_core.vault.snapshot import SnapshotBody
from phoenix_core.vault.treewalk import walk
from phoenix_core.vault.verify import verify_vault
from tests.chaos.campaign import Campaign, Run
from tests.chaos.shared_decisions import SharedDecisions
from tests.chaos.shared_vault import Hand, SharedVault
from tests.chaos.turns import Act, Tolerated, Turns
from tests.vault_maintenance.rig import Files, RunningBackup, content

ROUNDS_OF_A_VAULT = 20
SERVERS = ("sone", "stwo", "sthree")
CONTENTS = 30
CONTENT_BYTES = 1500
LARGE_BYTES = 300_000
"""Of every fifth content: large chunks are shared between servers, small ones may not be."""
POLLS = 60
"""A prune gives up waiting after so many looks."""


class Died(Exception):
    """The job ended here, and told nobody."""


class Round:
    """One round's acts, each on a hand of its own."""

    def __init__(self, vault: SharedVault, decisions: SharedDecisions, dice: random.Random, number: int) -> None:
        self.vault = vault
        self.decisions = decisions
        self.dice = dice
        self.number = number
        self.turns = Turns(None if number % 4 == 3 else random.Random(dice.random()))
        self._removals_before = decisions.removals
        self.prunes = 0
        self.restoring: set[SnapshotId] = set()

    def play(self) -> None:
        acts: dict[str, Act] = {}

        def add(name: str, act: Callable[[Hand, random.Random], None]) -> None:
            dice = random.Random(self.dice.random())
            label = f"r{self.number}-{name}{len(acts)}"
            hand = Hand(self.vault, self.turns, label)
            acts[label] = lambda: act(hand, dice)

        for server in self.dice.sample(SERVERS, self.dice.choice((1, 2, 3))):
            add("backup", partial(self.back_up, server))
        self.prunes = self.dice.choice((0, 1, 2, 2))
        for _ in range(self.prunes):
            add("prune", self.prune)
        for act, chances in (
            (self.restore, (0, 1, 1)),
            (self.verify, (0, 0, 1)),
            (self.prove, (0, 1)),
            (self.move_clocks, (0, 0, 1, 2)),
            (self.restart, (0, 0, 0, 1)),
            (self.give_up_a_job, (0, 0, 0, 1)),
        ):
            for _ in range(self.dice.choice(chances)):
                add(act.__name__, act)
        decisions = self.decisions
        for decide, odds in (
            (partial(decisions.remove, restoring=self.restoring), (0, 1, 1, 2)),
            (decisions.set_aside, (0, 1, 1, 2)),
            (decisions.bring_back, (0, 0, 1)),
            (decisions.hold, (0, 0, 1)),
            (decisions.release, (0, 0, 1)),
            (decisions.expire, (0, 1, 2)),
            (decisions.restart_core, (0, 0, 0, 0, 1)),
        ):
            for _ in range(self.dice.choice(odds)):
                add("decide", decide)
        self.turns.run(acts)

    # --- acts --------------------------------------------------------------------------------------------------------

    def back_up(self, server: str, hand: Hand, dice: random.Random) -> None:
        of_server = [name for name, (whose, *_) in list(self.vault.committed.items()) if whose == server]
        parent = dice.choice([*of_server, None]) if of_server else None
        files: Files = {
            f"f{number}": content(number, CONTENT_BYTES if number % 5 else LARGE_BYTES)
            for number in dice.sample(range(CONTENTS), dice.randint(3, 12))
        }
        dies_at = dice.choice((None, None, None, dice.randint(1, 8)))
        with Tolerated(self._count("backups refused: "), LeaseLapsed, LeaseRefused):
            running = RunningBackup(hand, server, hand.new_job(), parent)
            node = running.node
            running.node = Mortal(node, dies_at, lambda: self._stall(hand, dice))  # type: ignore[assignment]
            try:
                snapshot = running.store(files)
                if dies_at is not None:
                    raise Died
            except Died:
                self.vault.dead.append(running.lease)
                self.vault.counts["backups that died"] += 1
                return
            body = CoreReader(hand.node, hand.key).snapshot(snapshot)
            hand.append(RecordKind.COMMIT, snapshot, server, running.lease)
            self.vault.committed[snapshot] = (server, files, body)
            self.vault.counts["backups committed"] += 1
            hand.node.close_lease(running.lease)

    def restore(self, hand: Hand, dice: random.Random) -> None:
        """As the core and an agent do it: the job's lease first, then the grant, then reading under it."""
        lease, job, server = new_lease_id(), hand.new_job(), dice.choice(SERVERS)
        hand.node.open_lease(lease, job, server, None)
        live = sorted(self.vault.committed)
        if not live:
            return
        snapshot = dice.choice(live)
        _, files, body = self.vault.committed[snapshot]
        self.restoring.add(snapshot)
        with Tolerated(self._count("restores refused: "), LeaseLapsed):
            node = hand.job_node(server, job, lease, "restore")
            try:
                packs = self._needed_packs(hand, body)
                self._stall(hand, dice)
                hand.node.grant(job, packs)
                self._stall(hand, dice)
                found = self._read(hand, node, body)
            except PhoenixError as error:
                story = self.vault.leases[lease]
                given_up = story.closed or (isinstance(error, NotAllowed) and not self.turns.in_order)
                if story.was_silent or given_up:
                    raise LeaseLapsed(lease=lease, job=job) from error
                raise
            assert found == files, f"snapshot {snapshot[:12]} comes back changed"
            self.vault.counts["restores beside"] += 1
        hand.node.close_lease(lease)

    def _needed_packs(self, hand: Hand, body: SnapshotBody) -> list[PackId]:
        """One copy of each chunk, found by the core."""
        packs: set[PackId] = set()

        def locate(chunks: Sequence[ChunkId]) -> list[Location | None]:
            places: list[Location | None] = hand.node.locate(chunks)
            packs.update(PackId(place.pack_id) for place in places if place is not None)
            return places

        trees = hand.as_core.reader(body.domain, body.epoch, locate=locate)
        for _, entry in walk(trees, body.root):
            if entry.is_file:
                locate([ChunkId(ref.id) for ref in entry_chunks(trees, entry)])
        return sorted(packs)

    def _read(self, hand: Hand, node: Any, body: SnapshotBody) -> Files:
        block_keys = hand.as_core.pack_keys().block_keys
        keys = hand.key.domain_keys(body.domain, body.epoch)
        meta = ChunkReader(node.locate, node.open_pack, block_keys, keys, PackKind.META)
        data = ChunkReader(node.locate, node.open_pack, block_keys, keys, PackKind.DATA)
        return {
            entry.name.decode(): b"".join(data.read_one(ChunkId(ref.id)) for ref in entry_chunks(meta, entry))
            for _, entry in walk(meta, body.root)
            if entry.is_file
        }

    def prune(self, hand: Hand, dice: random.Random) -> None:
        if dice.random() < 0.5:  # as the core does it before a prune
            while self.vault.dead:
                hand.node.close_lease(self.vault.dead.pop())
        polls = iter(range(10**9))
        errors: tuple[type[BaseException], ...] = (SweepVoid, PlanOutdated, LeaseLapsed)
        if self.prunes > 1:  # the other one deleted what this one moves
            errors += (ObjectMissing,)
        with Tolerated(self._count("prunes ended: "), *errors):
            try:
                plan = make_plan(hand.node, hand.key, rewrite_unused_percent=dice.choice((10, 40, 80)))
                done = execute(
                    hand.node,
                    hand.key,
                    plan,
                    open_target=_targets(hand),
                    wait_s=dice.choice((0, 5, POLLS)),
                    sleep=lambda seconds: hand.turns.step(),
                    monotonic_s=lambda: float(next(polls)),
                )
            except MarkFailed:
                removed = self.decisions.removals > self._removals_before
                assert removed or not self.turns.in_order, "a snapshot can't be read, and none was removed"
                self.vault.counts["prunes ended: MarkFailed"] += 1
                return
            self.vault.counts["prunes done" if done.done else "prunes that gave up"] += 1
            self.vault.counts["packs deleted"] += done.deleted_packs
            self.vault.counts["packs rewritten"] += done.rewritten_packs

    def verify(self, hand: Hand, dice: random.Random) -> None:
        depth = dice.choice(list(VerifyDepth))
        report = verify_vault(hand.node, hand.key, depth)
        assert report.damages == (), f"verify at depth {depth} beside the others: {report.damages}"
        self.vault.counts["verifies beside"] += 1

    def prove(self, hand: Hand, dice: random.Random) -> None:
        del dice
        for info in hand.node.packs():
            if not info.proved and info.state is PackState.USABLE:
                with Tolerated(self._count("proofs ended: "), ObjectMissing):
                    assert prove_pack(hand.as_core, info), "a sound pack is told to be damaged"
                    self.vault.counts["packs proved"] += 1

    def move_clocks(self, hand: Hand, dice: random.Random) -> None:
        hand.turns.step()
        self.vault.pass_monotonic_s(dice.choice((0, 600, 1700, 1801, 200_000)))
        self.vault.move_wall_clock(dice.choice((-400, -3, -0.1, 0, 0.1, 3, 400)))
        self.vault.counts["clocks moved"] += 1

    def restart(self, hand: Hand, dice: random.Random) -> None:
        for _ in range(dice.randint(0, 10)):
            hand.turns.step()
        self.vault.restart_node()
        self.vault.counts["restarts"] += 1

    def give_up_a_job(self, hand: Hand, dice: random.Random) -> None:
        """The core takes a job for lost and closes its lease, while the job goes on."""
        for _ in range(dice.randint(0, 10)):
            hand.turns.step()
        open_ones = [lease for lease, story in self.vault.leases.items() if not story.closed]
        if open_ones:
            hand.node.close_lease(dice.choice(open_ones))
            self.vault.counts["jobs given up"] += 1

    @staticmethod
    def _stall(hand: Hand, dice: random.Random) -> None:
        """Let the others do much, now and then."""
        for _ in range(dice.choice((0, 0, 0, 0, 20, 80))):
            hand.turns.step()

    def _count(self, what: str) -> Callable[[str], None]:
        def count(name: str) -> None:
            self.vault.counts[what + name] += 1

        return count


def _targets(hand: Hand) -> OpenTarget:
    def open_job_node(token: str) -> Any:
        said = jwt.decode(token, options={"verify_signature": False})  # the clock may have jumped since it was made
        return hand.job_node(said["server"], said["job"], LeaseId(said["lease"]), "core")

    return pack_targets(hand.as_core, hand.new_job(), open_job_node, hand.vault.clock)


class Mortal:
    """A job's node that is called so many times, after a pause each."""

    def __init__(self, node: Any, calls: int | None, pause: Callable[[], None]) -> None:
        self._node = node
        self._left = calls
        self._pause = pause

    def __getattr__(self, name: str) -> Any:
        self._pause()
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Died
        return getattr(self._node, name)


def body(run: Run) -> None:
    for first in range(0, run.rounds, ROUNDS_OF_A_VAULT):
        numbers = range(first, min(first + ROUNDS_OF_A_VAULT, run.rounds))
        with closing(SharedVault(run.counts)) as vault, closing(SharedDecisions(vault)) as decisions:
            for number in numbers:
                try:
                    Round(vault, decisions, run.random(number), number).play()
                    vault.check_all()
                    if number % 4 == 3:
                        decisions.check()
                    if number == numbers[-1]:
                        _end(vault, decisions, run.random(-1 - number))
                except Exception as error:
                    raise AssertionError(f"seed {run.seed}, round {number}: {error!r}") from error
        run.say(f"round {numbers[-1] + 1}: {run.counts['backups committed']} backups committed")


def _end(vault: SharedVault, decisions: SharedDecisions, dice: random.Random) -> None:
    """Nobody is there any more: all leases end, and all undo periods, then come a last prune, a full verify, and the
    index made anew."""
    for lease in vault.node.leases():
        vault.node.close_lease(LeaseId(lease.lease))
    decisions.end(dice)
    decisions.check()
    hand = Hand(vault, Turns(None), "end")
    for _ in range(2):
        done = execute(vault.node, vault.key, make_plan(vault.node, vault.key), open_target=_targets(hand), wait_s=0)
        assert done.done
        vault.counts["packs deleted"] += done.deleted_packs
    assert make_plan(vault.node, vault.key).unused == (), "the last prune left packs that nothing needs"
    decisions.check_freed()
    vault.check_all()
    if dice.random() < 0.5:
        vault.node.rebuild_index()
        vault.check_all()
    report = verify_vault(vault.node, vault.key, VerifyDepth.CHUNKS)
    assert report.damages == (), f"the last verify: {report.damages}"
    vault.counts["verifies at the end"] += 1


CAMPAIGN = Campaign(
    "prune-beside",
    "prune beside backups, restores, verify, holds, removals, their undoing and another prune, with lapsed leases and "
    "wrong clocks: all that was committed comes back, what is held or set aside too",
    body,
    quick=20,
    full=5000,
)
