"""The core's catalog beside a vault's life: what it was at each moment at which it said that something was durable.

SQLite writes without Python, in WAL mode with `synchronous=FULL`: a commit is appended to the log file and synced
before it returns. So a power cut leaves the log of the last commit, and of the next one some pages."""

import asyncio
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.migrate import migrate_file
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.clock import SystemClock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.engine.reconcile import reconcile
from phoenix_core.engine.standing import as_recorded
from phoenix_core.engine.vault import OpenVault
from tests.chaos.disk_log import PAGE, DiskLog
from tests.vault_maintenance.rig import Rig

FILE, LOG = "catalog.sqlite", "catalog.sqlite-wal"
FULL = 2
"""As `PRAGMA synchronous` says it."""


@dataclass(frozen=True)
class _State:
    begun: int
    at: int
    file: bytes
    log: bytes


class CatalogHistory:
    def __init__(self, log: DiskLog, folder: Path) -> None:
        """`folder`: where the catalog lies, outside of the disk log's."""
        self._disk = log
        self._folder = folder
        self._states: list[_State] = []
        self._loop = asyncio.Runner()
        self._catalog: Catalog

    def begin(self) -> None:
        migrate_file(self._folder / FILE)
        self._catalog = self._loop.run(Catalog.open_file(self._folder / FILE))
        assert self._loop.run(_synchronous(self._catalog)) == FULL

    def takes_over(self, rig: Rig) -> None:
        """The catalog says what the records say, durably, and how far they go."""
        begun = self._disk.now
        assert self._loop.run(_reconciled(self._catalog, _vault(rig))) is None
        files = ((self._folder / name).read_bytes() for name in (FILE, LOG))
        self._states.append(_State(begun, self._disk.now, *files))

    def end(self) -> None:
        self._loop.run(self._catalog.close())
        self._loop.close()

    def check(self, rig: Rig, live: set[SnapshotId], cut: int, dice: random.Random, folder: Path) -> None:
        """A core starts on that vault with a catalog that lost power behind an event, or with an older one, as from a
        backup of its folder: it shows just what the records say, of the snapshots (`live`) and of what is decided about
        them."""
        known = [number for number, state in enumerate(self._states) if state.at <= cut]
        if not known:
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        number = dice.choice((known[-1], known[-1], dice.choice(known)))
        self._make(folder, number, cut, dice)
        rolled_back, shown = asyncio.run(_started(folder / FILE, rig))
        assert rolled_back is None, f"the core says that the vault was rolled back: {rolled_back}"
        assert shown == live, f"shown, or not shown, against the records: {sorted(shown ^ live)}"

    def _make(self, folder: Path, number: int, cut: int, dice: random.Random) -> None:
        now = self._states[number]
        log = bytearray(now.log)
        following = self._states[number + 1 :][:1]
        if following and following[0].begun <= cut and following[0].file == now.file:
            later = following[0].log
            for at in range(0, len(later), PAGE):
                if later[at : at + PAGE] != log[at : at + PAGE] and dice.random() < 0.5:
                    log.extend(bytes(max(0, at - len(log))))
                    log[at : at + PAGE] = later[at : at + PAGE]
        (folder / FILE).write_bytes(now.file)
        (folder / LOG).write_bytes(log)


async def _synchronous(catalog: Catalog) -> int:
    async with catalog.writing() as connection:
        return int(await connection.scalar(sa.text("PRAGMA synchronous")) or 0)


def _vault(rig: Rig) -> OpenVault:
    return OpenVault(rig.descriptor, rig.key, rig.node, SystemClock())


async def _reconciled(catalog: Catalog, vault: OpenVault) -> PhoenixError | None:
    return await reconcile(vault, Snapshots(catalog), Facts(catalog), lambda server: server)


async def _started(file: Path, rig: Rig) -> tuple[PhoenixError | None, set[SnapshotId]]:
    catalog = await Catalog.open_file(file)
    try:
        vault = _vault(rig)
        rolled_back = await _reconciled(catalog, vault)
        rows = await Snapshots(catalog).listed(removed=None)
        unread = [row.id for row in rows if not row.readable]
        assert not unread, f"shown as lost: {unread}"
        standings = {row.id: vault.chain.standing(SnapshotId(row.id)) for row in rows}
        wrong = [row.id for row in rows if as_recorded(row, standings[row.id], 0) != row]
        assert not wrong, f"what is decided about these is shown otherwise: {wrong}"
        return rolled_back, {SnapshotId(row.id) for row in rows}
    finally:
        await catalog.close()
