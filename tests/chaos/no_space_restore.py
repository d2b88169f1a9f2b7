"""Restores of an agent whose own folder is full: the spools of the plan, and the journal of what is complete."""

import errno
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

from phoenix_core.agent.backup.spool import MEMORY_BYTES, Spool
from phoenix_core.agent.restore import fill
from phoenix_core.agent.restore.journal import FOLDER
from phoenix_core.agent.restore.restore_job import RestoreJob
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.states import ConflictRule
from tests.agent.independent_walk import Facts, differences, walk
from tests.agent.restore.rig import RestoreRig
from tests.chaos.campaign import Run
from tests.chaos.full_disk import FullDisk, filled, may_mount, small_disk
from tests.chaos.shared_vault import fast_folder

SPOOLED_FROM_BYTES = 300
WINDOW_FILES = 8
"""So that a small restore tells its journal often."""
FILES = 60
RULES = (ConflictRule.OVERWRITE, ConflictRule.OVERWRITE, ConflictRule.SKIP, ConflictRule.IF_OLDER)


class FullJournal:
    """The disk below the restores' journals takes so many more calls that write, then none."""

    def __init__(self, after: int, *, once: bool) -> None:
        self._left = after
        self._once = once
        self.failed = 0
        connect, spend = sqlite3.connect, self._spend

        class Connection(sqlite3.Connection):
            def execute(self, statement: str, *more: Any) -> sqlite3.Cursor:
                if not statement.startswith(("SELECT", "PRAGMA synchronous")):
                    spend(self)
                return super().execute(statement, *more)

            def executemany(self, *arguments: Any) -> sqlite3.Cursor:
                spend(self)
                return super().executemany(*arguments)

            def commit(self) -> None:
                spend(self)
                super().commit()

        def connected(path: Path, **more: Any) -> sqlite3.Connection:
            return connect(path, factory=Connection, **more)

        self._patch = mock.patch("phoenix_core.agent.restore.journal.sqlite3.connect", connected)

    def _spend(self, db: sqlite3.Connection) -> None:
        if self._left > 0:
            self._left -= 1
        elif not (self._once and self.failed):
            self.failed += 1
            db.rollback()
            raise sqlite3.OperationalError("database or disk is full")

    def __enter__(self) -> "FullJournal":
        self._patch.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._patch.stop()


class RestoreRounds:
    """One snapshot, restored again and again: with a full disk, sometimes cancelled on the way, and then with space."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stack = ExitStack()
        self._rig: RestoreRig | None = None

    def play(self, dice: random.Random) -> None:
        rig = self._rig or self._begin(dice)
        rule = dice.choice(RULES)
        before = self._put_something_there(dice)
        flushes = dice.randint(1, 12) if dice.random() < 0.5 else 0
        kind = dice.choice(("spools", "journal", "real") if may_mount() else ("spools", "journal"))
        try:
            spooled_from = SPOOLED_FROM_BYTES if kind == "spools" or dice.random() < 0.3 else MEMORY_BYTES
            with mock.patch.dict(Spool.__init__.__kwdefaults__ or {}, memory_bytes=spooled_from):
                self._on_a_full_disk(kind, dice, lambda: self._restore(rule, flushes))
            self._run.counts[f"restore, {kind}: went on"] += 1
        except PhoenixError as error:
            self._run.counts[f"restore, {kind}: {error.code}"] += 1
        self._check_nothing_is_half_done(before)
        self._restore(rule)
        self._check(rule, before)
        left = os.listdir(rig.vault.state_dir / FOLDER)
        assert left == [], f"left in the agent's folder: {left}"

    def close(self) -> None:
        self._stack.close()

    def _begin(self, dice: random.Random) -> RestoreRig:
        folder = fast_folder()
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        rig = self._rig = RestoreRig(folder)
        self._stack.callback(rig.close)
        if may_mount():
            rig.vault.state_dir = self._stack.enter_context(small_disk(folder / "small", "4m"))
        for number in range(FILES):
            at = rig.source / f"folder {number % 7}" / ("deeper" if number % 3 else ".")
            at.mkdir(parents=True, exist_ok=True)
            (at / f"file {number}").write_bytes(dice.randbytes(dice.choice((0, 100, 5000))))
        (rig.source / "folder 1" / "link").symlink_to("file 1")
        (rig.source / "folder 2" / "other name").hardlink_to(rig.source / "folder 0" / "file 0")
        (rig.source / "folder 3").chmod(0o750)
        self._snapshot = rig.backup()
        self._source = walk(rig.source)
        return rig

    def _put_something_there(self, dice: random.Random) -> dict[bytes, Facts]:
        """The destination before: nothing, or some older files."""
        rig = self._rig
        assert rig is not None
        shutil.rmtree(rig.target, ignore_errors=True)
        rig.restored.mkdir(parents=True)
        if dice.random() < 0.5:
            return {}
        for path in dice.sample(sorted(rig.source.rglob("file *")), 6):
            mine = rig.restored / path.relative_to(rig.source)
            mine.parent.mkdir(parents=True, exist_ok=True)
            mine.write_bytes(b"what was there")
            os.utime(mine, (1, 1))
        return _files(walk(rig.restored))

    def _on_a_full_disk(self, kind: str, dice: random.Random, work: Callable[[], None]) -> None:
        assert self._rig is not None
        folder, once = self._rig.vault.state_dir, dice.random() < 0.3
        if kind == "real":
            with filled(folder, dice.randint(0, 50) * 4096):
                work()
            return
        full = (
            FullJournal(dice.randint(0, 60), once=once)
            if kind == "journal"
            else FullDisk(folder, dice.randint(0, 120), error=dice.choice((errno.ENOSPC, errno.EDQUOT)), once=once)
        )
        try:
            with full:
                work()
        finally:
            self._run.counts["writes that failed"] += full.failed

    def _restore(self, rule: ConflictRule, cancelled_at: int = 0) -> None:
        """`cancelled_at`: which window of files, from 1, is the last one."""
        assert self._rig is not None
        order, ports = self._rig.order(self._snapshot, conflict=rule)
        flush, windows = fill.Filler._flush, 0

        def counted(filler: fill.Filler) -> None:
            nonlocal windows
            windows += 1
            if windows == cancelled_at:
                ports.cancelled.set()
            flush(filler)

        try:
            with (
                mock.patch.object(fill, "WINDOW_FILES", WINDOW_FILES),
                mock.patch.object(fill.Filler, "_flush", counted),
            ):
                RestoreJob(order, ports).run()
        finally:
            self._rig.vault.end(ports)

    def _check_nothing_is_half_done(self, before: dict[bytes, Facts]) -> None:
        assert self._rig is not None
        for path, facts in _files(walk(self._rig.restored)).items():
            whole = [each[path].content for each in (before, self._source) if path in each]
            assert facts.content in whole, f"{path!r} is neither what was there nor what was restored"
            self._run.counts["files compared"] += 1

    def _check(self, rule: ConflictRule, before: dict[bytes, Facts]) -> None:
        assert self._rig is not None
        restored, wanted, ignore = walk(self._rig.restored), dict(self._source), frozenset[str]()
        if rule is not ConflictRule.OVERWRITE:  # what was there keeps its links, and folders what they have
            restored, wanted, ignore = _files(restored), _files(wanted), frozenset({"links"})
        if rule is ConflictRule.SKIP:
            wanted |= before
        found = differences(wanted, restored, ignore=ignore)
        assert found == [], f"with space again, {rule}: {found}"
        self._run.counts["restores compared"] += 1


def _files(found: dict[bytes, Facts]) -> dict[bytes, Facts]:
    return {path: facts for path, facts in found.items() if facts.kind == "file"}
