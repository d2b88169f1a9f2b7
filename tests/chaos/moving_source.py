"""Backups of trees that two writers never leave alone: what a snapshot has of a path was true of it at one moment, or
the backup says that it changed or is missing. The backup after the writers ended is equal to the live tree.

The agent's own job with its worker processes, a real storage node, a tree in memory; the writers are processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from phoenix_core.agent.backup.aheadmessages import Unchanged
from phoenix_core.agent.backup.scanahead import ScanAhead
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.vault.entry import Entry, EntryType
from tests.agent.backup.running import back_up, content_digest
from tests.agent.independent_walk import Facts, walk
from tests.agent.kinds_of_entries import remove
from tests.agent.vault_rig import VaultRig
from tests.chaos.campaign import Campaign, Run
from tests.chaos.moving_contents import Mixed, versions
from tests.chaos.moving_history import KINDS, History, objection
from tests.chaos.shared_vault import fast_folder

WRITERS = 2
SECRET = b"this lies outside of what is backed up"
BESIDE_WRITERS = 3
"""Backups of one round while the writers go on; each but the first builds on the one before."""
STILL_FILES = 150
STILL_BYTES = 30_000
AHEAD_S = 0.05


class Snapshot:
    """What a backup took, and when."""

    def __init__(self, rig: VaultRig, source: Path, parent: BackupResult | None) -> None:
        self.begin_ns = time.monotonic_ns()
        self.result, _ = back_up(rig, source, parent=parent, workers=2)
        self.end_ns = time.monotonic_ns()
        self.entries = rig.entries(self.result.snapshot_id)
        self.contents = {path: rig.content(entry) for path, entry in self.entries.items() if entry.is_file}
        told = [*self.result.changed_while_read, *(each.path for each in self.result.missing)]
        self._told = {os.fsencode(path) for path in told}

    def is_told(self, path: bytes) -> bool:
        """The path, or a folder above it, was said to have changed or to be missing."""
        parts = path.split(b"/")
        return any(b"/".join(parts[:length]) in self._told for length in range(1, len(parts) + 1))


class Round:
    def __init__(self, run: Run, folder: Path, number: int) -> None:
        self.run = run
        self.folder = folder
        self.seed = run.random(number).randrange(2**31)
        self.source = folder / "source"
        self.outside = folder / "outside"
        self.rig = VaultRig(folder / "rig")

    def play(self) -> None:
        self._prepare()
        snapshots: list[Snapshot] = []
        with self._writers():
            for _ in range(BESIDE_WRITERS):
                last = snapshots[-1].result if snapshots else None
                snapshots.append(Snapshot(self.rig, self.source, last))
        quiet = Snapshot(self.rig, self.source, snapshots[-1].result)
        histories = [History(self.folder / f"w{writer}.log") for writer in range(WRITERS)]
        for snapshot in snapshots:
            self._check_nothing_else(snapshot)
            for writer, history in enumerate(histories):
                self._check(snapshot, os.fsencode(self.source / f"w{writer}"), history)
        self.run.counts["operations of the writers"] += sum(history.operations for history in histories)
        self._check_equal(quiet)

    def _prepare(self) -> None:
        self.outside.mkdir()
        for name in ("f0", "f1", "f2"):
            (self.outside / name).write_bytes(SECRET)
        still = self.source / "still"
        still.mkdir(parents=True)
        for number in range(STILL_FILES):
            (still / f"{number}").write_bytes(b"%d" % number * (STILL_BYTES // len(b"%d" % number)))

    @contextmanager
    def _writers(self) -> Iterator[None]:
        going = []
        for writer in range(WRITERS):
            root = self.source / f"w{writer}"
            root.mkdir()
            arguments = [str(root), str(self.outside), str(self.seed + writer), str(self.folder / f"w{writer}.log")]
            command = [sys.executable, "-m", "tests.chaos.moving_writer", *arguments]
            going.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        try:
            for process in going:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            codes = []
            for process in going:
                process.communicate()
                codes.append(process.returncode)
        assert codes == [0] * WRITERS

    # --- checks ------------------------------------------------------------------------------------------------------

    def _check(self, snapshot: Snapshot, root: bytes, history: History) -> None:
        """Each path that a writer ever touched."""
        counts = self.run.counts
        all_of = partial(history.files_during, begin_ns=snapshot.begin_ns, end_ns=snapshot.end_ns)
        for name in {*history.paths(), *self._below(root, snapshot)}:
            path = os.path.join(root, os.fsencode(name))
            entry, content = snapshot.entries.get(path), snapshot.contents.get(path, b"")
            if snapshot.is_told(path):
                counts["paths reported as changed or missing"] += 1
                assert SECRET not in content
                continue
            possible = history.during(name, snapshot.begin_ns, snapshot.end_ns)
            why = objection(entry, content, possible, all_of)
            assert not why, f"{name}: {why}; it was {possible[:12]}; elsewhere it was {history.places(content)}"
            counts["paths checked"] += 1
            counts["files half-way through a rewrite"] += _is_half_way(content)
            counts["paths that changed meanwhile"] += len(possible) > 1

    @staticmethod
    def _below(root: bytes, snapshot: Snapshot) -> Iterator[str]:
        for path in snapshot.entries:
            if path.startswith(root + b"/"):
                yield os.fsdecode(path[len(root) + 1 :])

    def _check_nothing_else(self, snapshot: Snapshot) -> None:
        """What holds still is there in full, and nothing was reached through a link."""
        source = os.fsencode(self.source)
        above = {bytes(os.fsencode(each)) for each in (self.source, *self.source.parents)}
        for path, entry in snapshot.entries.items():
            assert path in above or path.startswith(source + b"/"), f"{path!r} is outside of the source"
            content = snapshot.contents.get(path, b"")
            assert SECRET not in content, f"{path!r} holds what lies outside"
            if path.startswith(source + b"/still/"):
                number = os.path.basename(path)
                assert content == number * (STILL_BYTES // len(number))
                assert entry.size == len(content)
        found = sum(path.startswith(source + b"/still/") for path in snapshot.entries)
        assert found == STILL_FILES

    def _check_equal(self, quiet: Snapshot) -> None:
        assert (quiet.result.missing_count, quiet.result.changed_while_read) == (0, ())
        root = os.fsencode(self.source)
        live = {root if path == b"." else root + b"/" + path: facts for path, facts in walk(self.source).items()}
        stored = {path: entry for path, entry in quiet.entries.items() if path == root or path.startswith(root + b"/")}
        assert live.keys() == stored.keys(), sorted(live.keys() ^ stored.keys())[:5]
        for path, facts in live.items():
            self._compare(path, facts, stored[path])
        self.run.counts["entries equal to the live tree"] += len(live)

    def _compare(self, path: bytes, facts: Facts, entry: Entry) -> None:
        found = (KINDS[entry.type], entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.target, entry.xattrs)
        wanted = (facts.kind, facts.mode, facts.uid, facts.gid, facts.mtime_ns, facts.target, ())
        assert found == wanted, f"{path!r} is {wanted}, and in the snapshot {found}"
        if entry.type is EntryType.FILE:
            assert entry.size == facts.size, f"{path!r} has {facts.size} bytes, and in the snapshot {entry.size}"
            digest = content_digest(self.rig.pieces(entry))
            assert digest == facts.content, f"{path!r} has another content than the last snapshot says"


def _is_half_way(content: bytes) -> bool:
    try:
        return len(versions(content)) > 1
    except Mixed:
        return False


@contextmanager
def _walking_ahead(run: Run) -> Iterator[None]:
    """Small as the tree is, a second process walks towards each scan that has a parent, which gives it a moment."""
    from_entries, unchanged, seen = ScanAhead.from_entries, ScanAhead.unchanged, ScanAhead.seen

    def waited(self: ScanAhead, entries: int) -> None:
        began = self._runs
        seen(self, entries)
        if self._runs and not began:
            time.sleep(AHEAD_S)

    def counted(self: ScanAhead, path: bytes, tree: bytes) -> Unchanged | None:
        self._listen()
        found = unchanged(self, path, tree)
        run.counts["folders found unchanged ahead of the scan"] += found is not None
        return found

    ScanAhead.from_entries = 0
    ScanAhead.unchanged = counted  # type: ignore[method-assign]
    ScanAhead.seen = waited  # type: ignore[method-assign]
    try:
        yield
    finally:
        ScanAhead.from_entries = from_entries
        ScanAhead.unchanged = unchanged  # type: ignore[method-assign]
        ScanAhead.seen = seen  # type: ignore[method-assign]


def body(run: Run) -> None:
    with _walking_ahead(run):
        _rounds(run)


def _rounds(run: Run) -> None:
    for number in range(run.rounds):
        folder = fast_folder()
        try:
            game = Round(run, folder, number)
            try:
                game.play()
            finally:
                game.rig.close()
        except Exception as error:
            raise AssertionError(f"seed {run.seed}, round {number}: {error!r}") from error
        finally:
            remove(folder)
        run.counts["backups"] += BESIDE_WRITERS + 1
        if number % 10 == 9:
            run.say(f"round {number + 1}: {run.counts['paths checked']} paths checked")


CAMPAIGN = Campaign(
    "changing-source",
    "files and folders are rewritten, renamed and replaced while they are read: what a snapshot has was true at one "
    "moment, or is reported; the next backup misses nothing",
    body,
    quick=2,
    full=300,
)
