"""Backups of an agent whose own folder is full: spools, the remembered throughput, the cache of pack keys."""

import errno
import os
import random
import shutil
from pathlib import Path
from unittest import mock

from phoenix_core.agent.backup.spool import Spool
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.domain.errors import PhoenixError
from tests.agent.backup.running import back_up
from tests.agent.vault_rig import VaultRig
from tests.chaos.campaign import Run
from tests.chaos.full_disk import FullDisk
from tests.chaos.shared_vault import fast_folder

SPOOLED_FROM_BYTES = 300
"""So that a small tree's spools go to disk."""
FILES = 30


class AgentRounds:
    """One agent with its vault, over all rounds."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._folder: Path | None = None
        self._last: BackupResult | None = None

    def play(self, dice: random.Random) -> None:
        if self._folder is None:
            self._folder = fast_folder()
            self._source = self._folder / "source"
            self._source.mkdir()
            self._rig = VaultRig(self._folder / "rig")
            self._back_up(dice)
        kind = dice.choice(("files", "files", "cache"))
        try:
            if kind == "files":
                self._on_a_full_disk(dice)
            else:
                self._with_a_full_cache(dice)
            self._run.counts[f"agent, {kind}: went on"] += 1
        except PhoenixError as error:
            self._run.counts[f"agent, {kind}: {error.code}"] += 1
        left = sorted(os.listdir(self._rig.state_dir))
        assert not [
            name for name in left if not name.startswith(("packkeys.sqlite", "throughput.json", "metapacks"))
        ], left
        self._back_up(dice)

    def _on_a_full_disk(self, dice: random.Random) -> None:
        full = FullDisk(self._rig.state_dir, dice.randint(0, 30), error=dice.choice((errno.ENOSPC, errno.EDQUOT)))
        spools = mock.patch.dict(Spool.__init__.__kwdefaults__ or {}, memory_bytes=SPOOLED_FROM_BYTES)
        with spools, full:
            self._back_up(dice)
        self._run.counts["writes that failed"] += full.failed

    def _with_a_full_cache(self, dice: random.Random) -> None:
        """SQLite itself is told that there is no more space."""
        db = self._rig.cache._db
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        usual = db.execute("PRAGMA max_page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
        try:
            self._rig.cache.remember({os.urandom(32): os.urandom(32) for _ in range(500)})
        except PhoenixError:
            self._run.counts["writes that failed"] += 1
        try:
            self._back_up(dice)
        finally:
            db.execute(f"PRAGMA max_page_count = {usual}")

    def _back_up(self, dice: random.Random) -> None:
        for number in dice.sample(range(FILES), 10):
            (self._source / f"a file with quite a long name {number}").write_bytes(dice.randbytes(2000))
        self._last, _ = back_up(self._rig, self._source, parent=self._last)
        entries = self._rig.entries(self._last.snapshot_id)
        for path in self._source.iterdir():
            assert self._rig.content(entries[os.fsencode(path)]) == path.read_bytes()
            self._run.counts["files compared"] += 1

    def close(self) -> None:
        if self._folder is not None:
            self._rig.close()
            shutil.rmtree(self._folder)
