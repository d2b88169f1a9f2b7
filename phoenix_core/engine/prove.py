"""The background proof: each new pack is read back, decrypted and re-hashed, soon after it was made.

Until then its chunks count as present only for the server that wrote them, so that no agent can poison another's
backups. The node keeps what is proved, so a restart goes on where the last run ended.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import PackId
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.snapshot_news import SnapshotNews
from phoenix_core.engine.vault import OpenVault, VaultSeat
from phoenix_core.host.courtesy import NICE_LOWEST, SpareProcessor, yield_thread
from phoenix_core.storage.errors import ObjectMissing, StorageFailed
from phoenix_core.storage.node_api import PackInfo, PackState
from phoenix_core.vault.errors import PackDamaged, UnknownVersion, UnsealFailed
from phoenix_core.vault.malloc import trim_memory
from phoenix_core.vault.packreader import check_pack

BUSY_PAUSE_S = 0.5
"""Between two packs while jobs run, at least."""
BUSY_SHARE = 0.05
"""Of one processor, or of the line to a storage node elsewhere: what the proof takes while jobs run and none is to
spare."""
LONGEST_PAUSE_S = 10.0
RETRY_S = 60.0

log = structlog.get_logger(__name__)


class Prover:
    """`run` proves until cancelled; `poke` tells it that there is something new."""

    def __init__(
        self,
        seat: VaultSeat,
        snapshots: Snapshots,
        settings: Settings,
        news: SnapshotNews,
        busy: Callable[[], bool],
        changed: Callable[[], None],
        far: Callable[[], bool],
    ) -> None:
        """`busy`: whether jobs run. `changed` is called after each round that proved or damaged a pack. `far`: packs
        come over a network, of which jobs want all that it carries."""
        self._seat = seat
        self._snapshots = snapshots
        self._settings = settings
        self._news = news
        self._busy = busy
        self._changed = changed
        self._far = far
        self._wake = asyncio.Event()
        self._thread: ThreadPoolExecutor | None = None
        self._spare = SpareProcessor()
        self._last_s = 0.0
        """What the last pack took."""

    def poke(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Prove whenever poked, until cancelled; first of all what an earlier run left."""
        self._wake.set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prove", initializer=_give_way)
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._round()
        finally:
            self._thread.shutdown(wait=False)

    async def _round(self) -> None:
        vault = self._seat.opened
        if vault is None or not self._settings.flag("prove.enabled"):
            return
        try:
            unproved = await asyncio.to_thread(_unproved, vault)
            failed = [pack for pack in unproved if not await self._tried(vault, pack)]
            await self._mark_snapshots(vault)
        except PhoenixError as error:
            log.warning("the proof of new packs was interrupted", error=error.message)
            asyncio.get_running_loop().call_later(RETRY_S, self._wake.set)
            return
        if failed:
            asyncio.get_running_loop().call_later(RETRY_S, self._wake.set)
        if unproved:
            self._changed()
            await asyncio.to_thread(trim_memory)

    async def _tried(self, vault: OpenVault, pack: PackInfo) -> bool:
        """Whether the pack was proved or found damaged. One that can't be read now doesn't keep the others waiting."""
        await self._give_way()
        began = time.monotonic()
        try:
            await self._prove(vault, pack)
        except StorageFailed as error:
            log.warning("a pack can't be read for its proof", pack=pack.pack_id.hex(), error=error.message)
            return False
        self._last_s = time.monotonic() - began
        return True

    async def _give_way(self) -> None:
        left = pause_s(self._last_s, spare=self._spare.look() and not self._far())
        while self._busy() and left > 0:
            await asyncio.sleep(min(left, BUSY_PAUSE_S))
            left -= BUSY_PAUSE_S

    async def _prove(self, vault: OpenVault, pack: PackInfo) -> None:
        task = asyncio.get_running_loop().run_in_executor(self._thread, prove_pack, vault, pack)
        try:
            sound = await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait((task,))  # The node must not be closed under a reading thread.
            raise
        if not sound:
            log.error("a pack is damaged", pack=pack.pack_id.hex())

    async def _mark_snapshots(self, vault: OpenVault) -> None:
        waiting = [row for row in await self._snapshots.listed(readable_only=True, removed=None) if not row.proved]
        if not waiting:
            return
        proved = await asyncio.to_thread(lambda: {info.pack_id.hex() for info in vault.node.packs() if info.proved})
        for row in waiting:
            if proved.issuperset(row.packs):
                await self._snapshots.mark([row.id], proved=True)
                now = await self._snapshots.get(row.id)
                if now is not None:
                    self._news.changed(now)


def pause_s(last_s: float, *, spare: bool) -> float:
    """How long the next pack waits while jobs run, after one that took `last_s`; `spare`: a processor is idle, and no
    network lies between."""
    return BUSY_PAUSE_S if spare else max(BUSY_PAUSE_S, min(last_s / BUSY_SHARE, LONGEST_PAUSE_S))


def _give_way() -> None:
    yield_thread(NICE_LOWEST, idle_disk=True)


def _unproved(vault: OpenVault) -> list[PackInfo]:
    if not vault.node.status().unproved_packs:
        return []
    return [info for info in vault.node.packs() if not info.proved and info.state is PackState.USABLE]


def prove_pack(vault: OpenVault, info: PackInfo) -> bool:
    """Read one pack in full and mark it proved or damaged. Blocks; True where it is sound (or was pruned meanwhile)."""
    pack_id = PackId(info.pack_id)
    keys = vault.key.domain_keys(info.domain, info.epoch)
    if vault.node.pack_info(pack_id) is None:
        return True
    try:
        pack_key = vault.pack_keys().pack_key(pack_id)
        with vault.node.open_pack(pack_id) as pack:
            sound = check_pack(pack, info.bytes, pack_id, pack_key, keys).ok
    except (PackDamaged, UnknownVersion, UnsealFailed) as error:
        log.error("a pack can't be proved", pack=pack_id.hex(), error=error.message)  # noqa: TRY400
        sound = False
    except ObjectMissing:
        if vault.node.pack_info(pack_id) is None:
            return True
        log.error("a pack is gone", pack=pack_id.hex())  # noqa: TRY400
        vault.node.mark_damaged(pack_id, PackState.LOST)
        return False
    if sound:
        vault.node.mark_proved(pack_id)
    else:
        vault.node.mark_damaged(pack_id, PackState.DAMAGED)
    return sound
