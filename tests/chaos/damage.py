"""Damaged objects in a vault: each is found and named with what it hits, nothing wrong is restored, repair saves the
rest, and a backup of the same data heals.

Each round damages some objects of a copy of the same vault (`damage_vault`), before or after its storage node starts,
or puts the vault back to an earlier state. Then:

* verify at depth chunks finds each damage and names it; of a sample of files, and of all that it names: a file that it
  doesn't name is restored to the last byte, one that it names is either so or fails with an error of ours;
* a core with its catalog names each hold, removal and undone removal whose record is lost, and goes by them;
* repair, run twice: no file that was restored before is worse off, and the second run has nothing left to save;
* what no backup can heal (records, snapshots' objects, vault.json) is put back from the copy, or the snapshot is given
  up; then each server's data is backed up again: verify finds nothing, and everything is restored.
"""

import tempfile
from pathlib import Path
from typing import Any

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import SHORT_ID_DIGITS, SnapshotId
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.storage.errors import VaultMismatch
from phoenix_core.vault import descriptor as descriptors
from phoenix_core.vault.errors import VaultError
from phoenix_core.vault.repair import execute, make_plan
from phoenix_core.vault.vaultkey import VaultKey
from phoenix_core.vault.verify import VerifyReport, verify_vault
from phoenix_core.vault.wrap import check_descriptor
from tests.chaos import damage_vault
from tests.chaos.campaign import Campaign, Run
from tests.chaos.damage_decisions import Decisions
from tests.chaos.damage_kinds import KINDS, Harm, Harms, write
from tests.chaos.damage_vault import Files, Reading, SmallVault, described

MEMORY = Path("/dev/shm")
SAMPLE = 25
"""Files that a round restores beside those that are named."""
MOST = 8
"""Objects that a round damages, or a few more."""
WEIGHTS = {"data": 10, "meta": 6, "snapshots": 3, "records": 2, "index": 2, "owner": 1, "vault.json": 2}
SET_RIGHT = " set right at start"
"""How counts of damage end that is gone before verify looks."""
PUT_BACK = ("snapshots", "records", "vault.json")
States = dict[SnapshotId, tuple[str, Files]]
Sample = list[tuple[SnapshotId, str]]


def body(run: Run) -> None:
    with tempfile.TemporaryDirectory(prefix="dmg-", dir=MEMORY if MEMORY.is_dir() else None) as room:
        pristine = Path(room) / "pristine"
        states, decisions = damage_vault.make(pristine, run.random(-1))
        number = 0
        while run.counts["damaged objects"] < run.rounds:
            with tempfile.TemporaryDirectory(prefix="r", dir=room) as folder:
                _Round(run, number, pristine, states, decisions, Path(folder) / "copy").carry_out()
            number += 1
            run.counts["rounds"] = number
            if number % 100 == 0:
                run.say(f"{run.counts['damaged objects']:,} objects damaged")
        set_right = sum(count for name, count in run.counts.items() if name.endswith(SET_RIGHT))
        assert run.counts["found"] + set_right == run.counts["damaged objects"], dict(run.counts)


class _Round:
    def __init__(
        self, run: Run, number: int, pristine: Path, states: States, decisions: Decisions, folder: Path
    ) -> None:
        self._run = run
        self._number = number
        self._dice = run.random(number)
        self._pristine = pristine
        self._states = states
        self._decisions = decisions
        self._folder = folder
        self._early = self._dice.random() < 0.5
        """The damage is done before the storage node starts."""
        self._store = folder / "vault"
        self._refused = False
        """The vault didn't open for its vault.json, which was put back."""
        older = {"vault.json": described(b"old").encode(), "owner": (pristine / "vault" / "owner").read_bytes()}
        self._harms = Harms(self._store, self._dice, older | decisions.older)

    def carry_out(self) -> None:
        damage_vault.copy(self._pristine, self._folder)
        early = self._early
        if early:
            self._damage()
        vault = self._started()
        try:
            if not early:
                self._damage()
            self._examine(vault)
        except AssertionError as error:
            done = ", ".join(f"{harm.kind} of {harm.what} {harm.name[:16]}" for harm in self._harms.done)
            when = "before" if early else "after"
            raise AssertionError(
                f"seed {self._run.seed}, round {self._number}, {when} the node's start, {done}: {error}"
            ) from error
        finally:
            vault.close()

    def _started(self) -> SmallVault:
        """The vault as a core opens it: vault.json first."""
        try:
            found = descriptors.decode((self._store / "vault.json").read_bytes())
            check_descriptor(found, VaultKey.from_bytes(bytes(range(32))))
            return SmallVault(self._folder)
        except (FileNotFoundError, VaultError, VaultMismatch):
            assert any(harm.what == "vault.json" for harm in self._harms.done), "a vault.json that is right is refused"
            self._refused = True
            self._put_back("vault.json")
            return SmallVault(self._folder)

    # --- damage ------------------------------------------------------------------------------------------------------

    def _damage(self) -> None:
        wanted = self._dice.randint(1, MOST)
        if self._dice.random() < 0.1:
            self._roll_back()
        while len(self._harms.done) < wanted:
            (what,) = self._dice.choices(list(WEIGHTS), list(WEIGHTS.values()))
            self._harms.harm(self._dice.choice(KINDS), what)
        for harm in self._harms.done:
            self._run.counts["damaged objects"] += 1
            self._run.counts[f"by {harm.kind}"] += 1
            self._run.counts[f"of {harm.what}"] += 1

    def _roll_back(self) -> None:
        """The newest records and their snapshots are gone, as in an older copy of the vault."""
        records = self._harms.objects("records")
        committed = {number: snapshot for snapshot, (number, _) in self._decisions.commits.items()}
        for number in range(self._dice.randint(1, 6)):
            record = records[-1 - number]
            record.unlink()
            self._harms.note("roll back", "records", record)
            name = committed.get(int(record.name))
            if name is not None and self._dice.random() < 0.7:
                snapshot = self._store / "snapshots" / name
                snapshot.unlink()
                self._harms.note("roll back", "snapshots", snapshot)

    def _put_back(self, what: str, name: str = "") -> None:
        where = f"{what}/{name}" if name else what
        write(self._store / where, (self._pristine / "vault" / where).read_bytes())

    # --- what must be true -------------------------------------------------------------------------------------------

    def _examine(self, vault: SmallVault) -> None:
        report = self._verify(vault)
        for harm in self._harms.done:
            if self._is_set_right(harm):
                assert not _is_told(report, harm), f"{harm} was set right, and is told of"
                self._run.counts[harm.what + SET_RIGHT] += 1
            else:
                assert _is_told(report, harm), f"{harm} isn't told of"
                self._run.counts["found"] += 1
        self._check_records(vault, report)
        sample = self._sample(report)
        before = self._restored(vault, sample, report)
        if not self._early and any(harm.what == "owner" for harm in self._harms.done):
            self._put_back("vault.json")
            vault.restart_node()  # as the report advises; until then the node deletes and commits nothing
        self._repair(vault, sample, before)
        self._heal(vault, sample)

    def _check_records(self, vault: SmallVault, report: VerifyReport) -> None:
        there = {path.read_bytes() for path in (self._store / "records").iterdir()}
        named = {name for damage in report.damages for name in damage.snapshots}
        lost = {name for name, (_, record) in self._decisions.commits.items() if record not in there} - named
        assert not lost, f"no record tells of these, and none of them is named: {sorted(lost)}"
        if self._harmed_records():
            self._decisions.check_told(vault, self._harmed_records())
            self._run.counts["looks of the core"] += 1

    def _harmed_records(self) -> set[int]:
        return {int(harm.name) for harm in self._harms.done if harm.what == "records"}

    def _is_set_right(self, harm: Harm) -> bool:
        """By the node's start, or with it by the operator."""
        return self._early and (harm.what == "owner" or (harm.what == "vault.json" and self._refused))

    def _verify(self, vault: SmallVault) -> VerifyReport:
        return verify_vault(vault.node, vault.key, VerifyDepth.CHUNKS, **self._known())

    def _known(self) -> dict[str, Any]:
        """What the core remembers of the vault."""
        return {
            "last_record": self._decisions.last,
            "expected": list(self._states),
            "descriptor": described(b"new"),
        }

    def _sample(self, report: VerifyReport) -> Sample:
        everything = list(damage_vault.paths_of(self._states))
        chosen = set(self._dice.sample(everything, SAMPLE))
        named = _Named(report)
        return [each for each in everything if each in chosen or named.has(*each)]

    def _restored(self, vault: SmallVault, sample: Sample, report: VerifyReport) -> set[tuple[SnapshotId, str]]:
        """The files that come back right; fails where one comes back wrong, or fails without being named."""
        named, reading = _Named(report), Reading(vault)
        back: set[tuple[SnapshotId, str]] = set()
        for snapshot, path in sample:
            content = problem = None
            try:
                content = reading.file(snapshot, path)
            except PhoenixError as error:
                problem = error.message
            if content is None:
                assert named.has(snapshot, path), f"{snapshot[:12]}:{path} fails and isn't named: {problem}"
                self._run.counts["named files that fail"] += 1
                continue
            assert content == self._states[snapshot][1][path], f"{snapshot[:12]}:{path} came back wrong"
            back.add((snapshot, path))
            self._run.counts["named files that are right" if named.has(snapshot, path) else "other files restored"] += 1
        return back

    def _repair(self, vault: SmallVault, sample: Sample, before: set[tuple[SnapshotId, str]]) -> None:
        known = self._known()
        plan = make_plan(vault.node, vault.key, self._dice.choice(list(VerifyDepth)), **known)
        done = execute(vault.node, vault.key, plan, open_target=vault.target, **known)
        self._run.counts["chunks rescued"] += done.rescued.chunks
        after = self._restored(vault, sample, done.left)
        assert before <= after, f"worse after the repair: {sorted(before - after)[:3]}"
        self._run.counts["files saved by repair"] += len(after - before)
        assert done.left.faults == () or len(done.left.damages) <= len(plan.found.damages)
        if not any(harm.what == "index" for harm in self._harms.done):
            self._check_saved(done.left)
        again = make_plan(vault.node, vault.key, **known)
        assert again.rescue_chunks == 0, f"{again.rescue_chunks} chunks were left by the repair"
        assert not again.upkeep.damaged_index, "index objects are still damaged"

    def _check_saved(self, left: VerifyReport) -> None:
        """A pack whose blocks are whole somewhere is saved whole; index objects had its head and tail."""
        for harm in self._harms.done:
            if harm.blocks_whole:
                told = [damage.what for damage in left.damages if harm.name[:16] in damage.what]
                assert not told, f"{harm} could be saved: {told}"
                self._run.counts["packs saved whole"] += 1

    def _heal(self, vault: SmallVault, sample: Sample) -> None:
        """Put back, or give up, what only a copy has; back everything up again."""
        given_up: set[SnapshotId] = set()
        for harm in self._harms.done:
            may_go = harm.kind not in {"roll back", "swap"} and harm.name not in self._decisions.held
            if harm.what == "snapshots" and may_go and self._dice.random() < 0.5:
                given_up.add(SnapshotId(harm.name))
            elif harm.what in PUT_BACK:
                self._put_back(*((harm.what,) if harm.what == harm.name else (harm.what, harm.name)))
        vault.restart_node()
        for snapshot in sorted(given_up):
            vault.remove(snapshot, self._states[snapshot][0])
            self._run.counts["snapshots given up"] += 1
        for server, files in self._states.values():
            vault.back_up(server, files)
        left = verify_vault(vault.node, vault.key, VerifyDepth.CHUNKS, last_record=self._decisions.last)
        assert left.ok, f"not healed: {[damage.what for damage in left.damages]}"
        if self._harmed_records():
            self._decisions.check_healed(vault, given_up)
        reading = Reading(vault)
        for snapshot, path in sample:
            if snapshot not in given_up:
                assert reading.file(snapshot, path) == self._states[snapshot][1][path], f"{path} came back wrong"
                self._run.counts["files right after healing"] += 1


class _Named:
    """What a report names, by snapshot and path."""

    def __init__(self, report: VerifyReport) -> None:
        self._paths = {file for damage in report.damages for file in damage.files}

    def has(self, snapshot: SnapshotId, path: str) -> bool:
        """Itself, or a folder that it is in."""
        short = snapshot[:SHORT_ID_DIGITS]
        way = [f"{short}:/"]
        for name in ("srv", *path.split("/")):
            way.append(f"{way[-1].rstrip('/')}/{name}")
        return not self._paths.isdisjoint(way)


def _is_told(report: VerifyReport, harm: Harm) -> bool:
    if harm.what in ("data", "meta"):
        return any(fault.pack_id.hex() == harm.name for fault in report.faults)
    if harm.what == "snapshots":
        return any(harm.name in damage.snapshots for damage in report.damages)
    if harm.what == "records":
        number = int(harm.name) + (harm.kind == "older")  # which is a record like others; the next doesn't follow it
        return any(f"ecord {number} " in damage.what or "rolled back" in damage.what for damage in report.damages)
    words = {"index": "index object", "owner": "The object owner", "vault.json": "vault.json"}[harm.what]
    return any(words in damage.what for damage in report.damages)


CAMPAIGN = Campaign(
    name="damage",
    what="bits flipped, objects cut, grown, zeroed, deleted, swapped, replaced, older or rolled back: each is found "
    "and named with the files that it hits, no restore gives other bytes, lost holds and removals are "
    "told, repair makes nothing worse, the next backup heals",
    body=body,
    quick=80,
    full=10_000,
    unit="damaged objects",
)
