"""A core from start to stop: what runs, in which order it begins and ends."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import structlog

from phoenix_core import __version__
from phoenix_core.agentlink.ca import CertificateAuthority
from phoenix_core.agentlink.tlsmemory import use_small_tls_buffers
from phoenix_core.apiparts import api_server
from phoenix_core.catalog.database import Catalog
from phoenix_core.domain.clock import Clock, SystemClock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import StatusView
from phoenix_core.engine.errors import CoreEmbedded
from phoenix_core.engine.events import EventBus
from phoenix_core.engine.peer_directory import AGENT
from phoenix_core.engine.queue import WAITING
from phoenix_core.engine.recovery import recover
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.host.config import EVERYWHERE, CoreConfig
from phoenix_core.host.datadir import CoreLock, DataDirectory
from phoenix_core.host.process import host_facts, own_addresses, raise_open_files_limit
from phoenix_core.parts import Parts
from phoenix_core.storage.node import StorageNode
from phoenix_core.vault.vaultkey import VaultKey

LINK_PORT = "link.port"
"""Fact: the port of the last time, so that agents of an embedded core find it again."""

PART_PAUSE_S = 5.0

log = structlog.get_logger(__name__)


class Core:
    """A core on one data directory. `start`, then `stop`; an instance runs once.

    Without a key, or where the vault can't be opened, the core runs all the same: its status says why, and what needs
    the vault fails with that error."""

    def __init__(
        self,
        data: DataDirectory,
        key: VaultKey | None,
        config: CoreConfig | None = None,
        *,
        key_holder: str = "",
        locked_by: PhoenixError | None = None,
        clock: Clock | None = None,
        may_be_stopped: bool = False,
    ) -> None:
        """`key_holder`: who holds the vault key, for people to read. `locked_by`: why there is no key.
        `may_be_stopped`: operators may ask it to stop, since its owner heeds `stop_requested`."""
        self._data = data
        self._key = key
        self._config = config or CoreConfig()
        self._clock = clock or SystemClock()
        self._started = False
        self._locked_by = locked_by
        self._may_be_stopped = may_be_stopped
        self._seat = VaultSeat(str(self._config.vault_path or data.vault))
        self._seat.key_holder = key_holder
        self._port = 0
        self._addresses: tuple[str, ...] = ()
        self._hostname = ""
        self._ready = False
        self._started_at = self._clock.now()
        self._stack = AsyncExitStack()
        self.stop_requested = asyncio.Event()
        """Set when an operator asked the core to stop; its owner then calls `stop`."""

    @property
    def api_socket(self) -> str:
        return str(self._data.core_socket)

    @property
    def embedded_node(self) -> StorageNode | None:
        """The storage node in this process, where the core keeps the vault itself."""
        access = self._parts.opening.access
        return None if access is None else access.embedded

    @property
    def events(self) -> EventBus:
        """What happens in the core, for those in its own process."""
        return self._parts.events

    async def do_what_is_due(self) -> None:
        """Queue the jobs that are due now, for owners who moved the clock; else the scheduler does so by itself."""
        await self._parts.scheduler.turn()

    @property
    def link_url(self) -> str:
        """How agents on this host reach the core: `https://host:port`."""
        host = self._config.listen_host
        return _url("127.0.0.1" if host == EVERYWHERE else host, self._port)

    def link_urls(self) -> tuple[str, ...]:
        """The addresses that agents dial, in this order."""
        if self._config.urls or self._config.listen_host != EVERYWHERE:
            return self._config.urls or (self.link_url,)
        return tuple(_url(name, self._port) for name in (self._hostname, *self._addresses, "127.0.0.1"))

    async def start(self) -> None:
        """Raises DataDirectoryInUse, CatalogUnusable, PkiDamaged, PortTaken, …; nothing is left behind then."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End everything in this order: the operators' API; the queue and the other background tasks; the agent link;
        the running jobs (they stay `running` in the catalog, to be picked up); the TLS port; the storage node; the
        catalog; the data directory's lock."""
        await self._stack.aclose()
        if self._started:
            log.info("core stopped")

    async def _start(self) -> None:
        await asyncio.to_thread(self._data.create)
        await asyncio.to_thread(raise_open_files_limit)
        use_small_tls_buffers()
        lock = CoreLock(self._data)
        await asyncio.to_thread(lock.acquire)
        self._stack.callback(lock.release)
        catalog = await Catalog.open_file(self._data.catalog)
        self._stack.push_async_callback(catalog.close)
        parts = await self._make_parts(catalog)
        await parts.settings.load()
        await parts.seen.load(await parts.jobs.last_end_seen_s())
        await parts.directory.load()
        await parts.alerts.load()
        self._stack.push_async_callback(parts.opening.close)
        await parts.opening.prepare(self._key)
        self._stack.push_async_callback(parts.lost.close)
        ready = await parts.opening.finish()
        await self._listen(parts, ready)
        self._start_task(parts.progress.run, "progress")
        self._start_task(parts.server_news.run, "server news")
        self._start_task(parts.last_seen.run, "last seen")
        self._start_task(parts.vault_news.run, "vault news")
        self._start_task(parts.prover.run, "proof of new packs")
        self._ready = ready
        self._stack.push_async_callback(parts.alerts.close)
        self._start_task(parts.alerts.watch.run, "alerts")
        self._start_task(parts.alerts.postman.run, "notifications")
        self._start_task(self._serve_jobs, "job queue")
        self._start_task(parts.scheduler.run, "scheduler")
        api = api_server(parts, self._data, self._clock, self._status, self._request_stop)
        self._stack.push_async_callback(api.stop)
        await api.start()
        self._stack.callback(parts.events.close)
        self._started = True
        log.info("core started", data=str(self._data.root), link=self.link_url, version=__version__)

    async def _make_parts(self, catalog: Catalog) -> Parts:
        host = await asyncio.to_thread(host_facts)
        ca = await asyncio.to_thread(CertificateAuthority.open, self._data.pki, self._clock)
        tls = await asyncio.to_thread(ca.server_files)
        self._hostname = host.hostname
        self._parts = Parts(
            self._data,
            self._config,
            catalog,
            ca,
            host,
            self._clock,
            self._seat,
            self._locked_by,
            tls,
            self.link_urls,
        )
        return self._parts

    async def _listen(self, parts: Parts, ready: bool) -> None:
        """Open the TLS port, once the jobs that were running are back: an agent that connects must find its own."""
        link = parts.link_server()
        self._stack.push_async_callback(link.stop)
        remembered = int(await parts.facts.get(LINK_PORT) or 0)
        await asyncio.to_thread(link.listen, self._config.listen_host, self._config.listen_port, remembered)
        self._port = link.port
        self._addresses = tuple(await asyncio.to_thread(own_addresses))
        await parts.facts.put(LINK_PORT, str(self._port))
        self._stack.push_async_callback(parts.runner.stop)
        if ready:
            await recover(parts.jobs, parts.ledger, parts.runner, parts.workflows)
        self._stack.push_async_callback(parts.hub.stop)
        names = (self._hostname, self._config.listen_host, *(urlsplit(url).hostname for url in self.link_urls()))
        await link.start([name for name in dict.fromkeys(names) if name and name != EVERYWHERE])

    async def _serve_jobs(self) -> None:
        """Wait for a storage node that is away, then pick jobs up and serve the queue."""
        parts = self._parts
        if not self._ready:
            await parts.opening.keep_trying()
            await recover(parts.jobs, parts.ledger, parts.runner, parts.workflows)
            parts.prover.poke()
            parts.vault_news.changed()
            self._ready = True
        parts.queue.poke()
        await parts.queue.run()

    async def _status(self) -> StatusView:
        parts = self._parts
        counts = await parts.jobs.counts()
        servers = [peer for peer in parts.directory.of_role(AGENT) if peer.revoked_at is None]
        return StatusView(
            version=__version__,
            data_dir=str(self._data.root),
            pid=os.getpid(),
            started_at=self._started_at,
            edition=parts.settings.text("edition"),
            servers=len(servers),
            servers_connected=sum(parts.directory.connected(peer.id) for peer in servers),
            jobs_running=counts.get(JobState.RUNNING, 0),
            jobs_waiting=sum(counts.get(state, 0) for state in WAITING),
            vault=await parts.views.vault() if self._seat.descriptor is not None else None,
            embedded=self._config.embedded,
            link_address=self.link_url,
        )

    def _request_stop(self) -> None:
        """Raises CoreEmbedded."""
        if not self._may_be_stopped:
            raise CoreEmbedded(pid=os.getpid())
        self.stop_requested.set()

    def _start_task(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Run a part of the core until it stops; one that fails is begun again."""
        task = asyncio.create_task(_kept_running(work, name), name=name)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(end)


async def _kept_running(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
    while True:
        try:
            await work()
        except Exception:
            log.exception("a part of the core failed and begins again", part=name)
            await asyncio.sleep(PART_PAUSE_S)
        else:
            return


def _url(host: str, port: int) -> str:
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
