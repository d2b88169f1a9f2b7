"""The agent process: keeps the link to the core and works on what is ordered."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from phoenix_core.agent import workerstart
from phoenix_core.agent.handedstreams import HandedStreams
from phoenix_core.agent.hostjobs import jobs_of_this_host
from phoenix_core.agent.jobs import AgentJobs, JobMaker
from phoenix_core.agent.keycache import KeyCache
from phoenix_core.agent.restoredoor import RestoreDoor
from phoenix_core.agent.ruletests import RuleTests
from phoenix_core.agent.scripts import DEFAULT_FOLDER
from phoenix_core.agent.state import AgentLock, AgentState
from phoenix_core.agent.streamdoor import StreamDoor
from phoenix_core.agent.upgrading import Upgrading
from phoenix_core.agentlink import features
from phoenix_core.agentlink.connection import Order
from phoenix_core.agentlink.link import Link
from phoenix_core.agentlink.messages import BackupOrder, CancelOrder, JobKnown, RestoreOrder, SnapshotRecorded, Welcome
from phoenix_core.agentlink.reports import LogReport
from phoenix_core.agentlink.ruletest import RuleTestOrder
from phoenix_core.agentlink.upgradeorder import UpgradeOrder
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.host.process import IS_WINDOWS
from phoenix_core.host.stopsignals import stop_on_signals
from phoenix_core.vault.malloc import keep_large_buffers

if TYPE_CHECKING:  # on Windows there are no versions side by side
    from phoenix_core.agent.versionwatch import VersionWatch

FLUSH_S = 2.0
log = structlog.get_logger(__name__)


class LinkNews(Protocol):
    """Told of the link, for whoever started the agent."""

    def connected(self, name: str) -> None:
        """`name`: what the core calls this server."""

    def down(self, reason: PhoenixError) -> None:
        """No connection came to be, or it ended; told again with each try."""


async def run_agent(
    state_dir: Path,
    *,
    stop: asyncio.Event,
    news: LinkNews | None = None,
    scripts: Path = DEFAULT_FOLDER,
    versions: "VersionWatch | None" = None,
    maker: JobMaker | None = None,
    upgrade_command: Sequence[str] = (),
) -> None:
    """Work until `stop` is set; then the jobs end, with a report that the agent stopped, within seconds. `scripts`:
    the folder of the administrator's scripts. `versions`: it ends as well, between two jobs, for another version.
    `maker`: what makes jobs of orders; by itself that of this host's system. `upgrade_command`: what its core's
    operators may have run here; empty: nothing.

    Raises `AgentRunning`, `StateUnusable`, `NotGreeted`, and `NotEnrolled` where the folder holds no identity."""
    keep_large_buffers()
    await asyncio.to_thread(workerstart.get_ready)
    lock = AgentLock(state_dir)
    await asyncio.to_thread(lock.acquire)
    try:
        cache = await asyncio.to_thread(KeyCache, state_dir)
        try:
            handed = HandedStreams()
            if maker is None:
                maker = await asyncio.to_thread(jobs_of_this_host, state_dir, scripts, handed)
            await asyncio.to_thread(maker.started)
            state = await asyncio.to_thread(AgentState, state_dir)
            await _Agent(state_dir, state, cache, news, maker, handed, versions, upgrade_command).run(stop)
        finally:
            await asyncio.to_thread(cache.close)
    finally:
        lock.release()


async def run_until_signalled(state_dir: Path) -> None:
    """`run_agent` until SIGTERM or SIGINT."""
    await run_agent(state_dir, stop=stop_on_signals())


class _Agent:
    """The handler behind the link."""

    def __init__(
        self,
        state_dir: Path,
        state: AgentState,
        cache: KeyCache,
        news: LinkNews | None,
        jobs: JobMaker,
        handed: HandedStreams,
        versions: "VersionWatch | None",
        upgrade_command: Sequence[str],
    ) -> None:
        self._news = news
        self._versions = versions
        self._state = state
        self._maker = jobs
        can = (*features.ALL, features.UPGRADES) if upgrade_command else features.ALL
        self._link = Link(state_dir, self, can=can)
        self._upgrading = Upgrading(self._link, upgrade_command) if upgrade_command else None
        self._jobs = AgentJobs(self._link, state_dir, cache, make=jobs.make, check=self._check)
        self._tests = RuleTests(self._link, state_dir, jobs.test_rules)
        self._door = None if IS_WINDOWS else StreamDoor(self._link, handed, state_dir)
        self._restores = None if IS_WINDOWS else RestoreDoor(self._link, state_dir)
        self._named: set[str] = set()
        self._told = ""

    async def run(self, stop: asyncio.Event) -> None:
        """The jobs end first and their last reports go out, then the link."""
        if self._door is not None:
            await asyncio.to_thread(self._door.open)
        if self._restores is not None:
            await self._restores.open()
        link_stop = asyncio.Event()
        sweeping = asyncio.create_task(asyncio.to_thread(self._sweep), name="sweep of source snapshots")
        link = asyncio.create_task(self._link.run(link_stop), name="agent link")
        ends: set[asyncio.Task[Any]] = {asyncio.create_task(stop.wait(), name="agent stop")}
        if self._versions is not None:
            switched = self._versions.until_switched(self._busy)
            ends.add(asyncio.create_task(switched, name="agent version"))
        try:
            done, _ = await asyncio.wait({link, *ends}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            log.info("agent stops", jobs=len(self._jobs.running()))
            await asyncio.to_thread(self._tests.stop)
            await asyncio.to_thread(self._jobs.stop)
            await self._link.flush(FLUSH_S)
        finally:
            if self._restores is not None:
                await self._restores.close()
            if self._door is not None:
                await asyncio.to_thread(self._door.close)
            link_stop.set()
            for task in ends:
                task.cancel()
            await asyncio.gather(link, sweeping, *ends, return_exceptions=True)

    def _busy(self) -> bool:
        """A stream can't be sent again by itself: who hands one over is told first how it ended."""
        return bool(self._jobs.running()) or (self._door is not None and self._door.has_senders)

    def _sweep(self) -> None:
        """Beside the link, since a command of LVM, ZFS or Windows may take its time."""
        try:
            self._maker.sweep()
        except Exception:
            log.exception("source snapshots that were left could not be looked for")

    def running_jobs(self) -> Iterable[str]:
        self._named = set(self._jobs.running())
        return tuple(self._named)

    async def on_connect(self, welcome: Welcome) -> None:
        if self._news is not None:
            self._news.connected(welcome.name)
        if self._versions is not None:
            await asyncio.to_thread(self._versions.greeted)
        if self._door is not None:
            self._door.welcomed(welcome)
        if self._restores is not None:
            self._restores.welcomed(welcome)
        wrong = self._state.roll_back(welcome.last_record, welcome.vault)
        self._jobs.notice = wrong
        if wrong and wrong != self._told:
            self._told = wrong
            log.error("the vault was rolled back", newest=welcome.last_record, seen=self._state.seen.last_record)
            report = LogReport(level="error", text=wrong)
            await asyncio.to_thread(self._link.report, self._state.seen.last_job, report)

    def _check(self, order: BackupOrder) -> None:
        """Raises `VaultBehind`, `StateUnusable`."""
        self._state.check(order)
        if order.last_record >= 0:
            self._jobs.notice = ""

    async def on_order(self, order: Order) -> None:
        if isinstance(order, BackupOrder | RestoreOrder):
            self._jobs.start(order)
        elif isinstance(order, RuleTestOrder):
            self._tests.start(order)
        elif isinstance(order, UpgradeOrder):
            if self._upgrading is not None:
                self._upgrading.start(order)
        elif isinstance(order, CancelOrder):
            self._jobs.cancel(order.job, order.who)
        elif isinstance(order, JobKnown):
            self._jobs.give_up(self._named - set(order.wanted))
        elif isinstance(order, SnapshotRecorded):
            self._jobs.notice = ""
            await asyncio.to_thread(self._state.recorded, order.job, order.record, order.vault)

    async def on_disconnect(self, reason: PhoenixError) -> None:
        """Jobs go on without the core; the link waits and dials again."""
        if self._news is not None:
            self._news.down(reason)
