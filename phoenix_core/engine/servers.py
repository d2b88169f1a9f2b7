"""Protected servers: what happens when one is removed or that is undone, and who is told when one changes."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from phoenix_core.catalog.jobs import ACTIVE, Jobs
from phoenix_core.catalog.rows import PeerRow
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError, UsageError
from phoenix_core.engine.agent_jobs import AgentJobs
from phoenix_core.engine.errors import NotRemoved, RemovalFinal
from phoenix_core.engine.events import EventBus
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.removed_servers import UNDO, undo_left_s
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.vault_view import Views

log = structlog.get_logger(__name__)


class ServerNews:
    """Tells whoever follows the events of servers that changed; `run` does so in the background."""

    def __init__(self, directory: PeerDirectory, views: Views, events: EventBus) -> None:
        self._directory = directory
        self._views = views
        self._events = events
        self._changed: asyncio.Queue[str] = asyncio.Queue()

    def changed(self, peer_id: str) -> None:
        self._changed.put_nowait(peer_id)

    async def run(self) -> None:
        while True:
            peer = self._directory.get(await self._changed.get())
            if peer is not None:
                self._events.publish("server", server=await self._views.server(peer))


class ServerRemoval:
    def __init__(
        self,
        directory: PeerDirectory,
        jobs: Jobs,
        desk: JobDesk,
        agents: AgentJobs,
        drop: Callable[[str], Awaitable[None]],
        changed: Callable[[str], None],
        settings: Settings,
        seen: SeenTime,
        clock: Clock,
    ) -> None:
        """`drop` ends a peer's connection."""
        self._directory = directory
        self._jobs = jobs
        self._desk = desk
        self._agents = agents
        self._drop = drop
        self._changed = changed
        self._settings = settings
        self._seen = seen
        self._clock = clock

    async def remove(self, name: str, who: str, *, typed: str) -> PeerRow:
        """Revoke the server's certificates, cancel its jobs, end its connection. Its snapshots stay.

        `typed` is the server's name, also where `name` is its id. Raises UsageError."""
        peer = self._directory.server_in_use(name)
        if typed != peer.name:
            raise UsageError(detail=f"A server's removal wants {peer.name} typed; this is {typed or 'nothing'}.")
        peer = await self._directory.revoke(peer.id, self._clock.now(), self._seen.now_s)
        log.info("server removed", server=peer.id, name=peer.name, who=who)
        for job in await self._jobs.in_states(ACTIVE):
            if job.agent_id == peer.id:
                try:
                    await self._desk.cancel(job.id, who)
                except PhoenixError as error:
                    log.info("job of a removed server was over", job=job.id, error=error.code)
        await self._drop(peer.id)
        self._agents.removed(peer.id)
        self._changed(peer.id)
        return peer

    async def undo(self, name: str, who: str) -> PeerRow:
        """Take the removal back: the agent, which keeps dialling, is let in again with the certificate that it has.

        Raises NotRemoved, RemovalFinal once the core saw `servers.undo_days` pass, and where another server has its
        name by now."""
        peer = self._directory.server(name)
        if peer.revoked_at is None:
            raise NotRemoved(server=peer.name)
        if not undo_left_s(peer, self._settings, self._seen):
            days = self._settings.whole(UNDO)
            raise RemovalFinal(server=peer.name, detail=f"it was removed more than {amount(days, 'day')} ago")
        if self._directory.free_name(peer.name, peer.role) != peer.name:
            raise RemovalFinal(server=peer.name, detail="another server has its name now")
        peer = await self._directory.readmit(peer.id)
        log.info("removal of a server undone", server=peer.id, name=peer.name, who=who)
        self._changed(peer.id)
        return peer
