"""The console's live picture of a core: read once, kept current by the event stream, with reconnect."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import datetime

from phoenix_core.client import CoreClient, CoreUnreachable
from phoenix_core.domain.errors import ErrorView, PhoenixError, RemoteError
from phoenix_core.domain.views import Event, JobView, LogLineView, VaultView
from phoenix_tui.messages import CoreChanged
from phoenix_tui.model import Connection, CoreModel, Topic

REPAINT_INTERVAL_S = 0.2
REFRESH_INTERVAL_S = 15.0
BACKOFF_S = (0.3, 0.6, 1.2, 2.5, 5.0)
JOBS_READ = 200
ACTIVE_READ = 1000


class LiveCore:
    """Keeps `model` current and tells `deliver` of changes, at most once per `repaint_interval_s`.

    Reads and requests of single screens go through `client`; their errors go to whoever asked."""

    def __init__(
        self,
        client: CoreClient,
        deliver: Callable[[CoreChanged], None],
        now: Callable[[], datetime],
        *,
        repaint_interval_s: float = REPAINT_INTERVAL_S,
        refresh_interval_s: float = REFRESH_INTERVAL_S,
        backoff_s: tuple[float, ...] = BACKOFF_S,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.client = client
        self.model = CoreModel()
        self._deliver = deliver
        self._repaint_interval_s = repaint_interval_s
        self._refresh_interval_s = refresh_interval_s
        self._backoff_s = backoff_s
        self._jitter = jitter
        self._now = now
        self._after: int | None = None
        self._topics: set[Topic] = set()
        self._log: defaultdict[str, list[LogLineView]] = defaultdict(list)
        self._changed = asyncio.Event()
        self._refresh = asyncio.Event()
        self._retry = asyncio.Event()

    async def run(self) -> None:
        """Follow the core until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(), name="console: follow the core's events")
            tasks.create_task(self._keep_fresh(), name="console: read what has no events")
            tasks.create_task(self._tell(), name="console: repaint")

    def retry_now(self) -> None:
        """Don't wait for the next attempt to connect."""
        self._retry.set()

    def refresh_soon(self) -> None:
        """Read what has no events of its own: status, vault, servers' last backups."""
        self._refresh.set()

    async def read_older_jobs(self) -> bool:
        """Read the page of jobs before the oldest known one. False where there are none."""
        oldest = self.model.jobs_newest_first()[-1:]
        page = await self.client.jobs(limit=JOBS_READ, before=oldest[0].id if oldest else "")
        self.model.put_jobs(page)
        self._note(Topic.JOBS)
        return bool(page)

    def know_job(self, job: JobView) -> None:
        """Take in what a request returned, so that it shows before its event comes."""
        known = self.model.jobs.get(job.id)
        if known is None or not known.state.is_final:
            self.model.put_jobs([job])
            self._note(Topic.JOBS)

    # --- the event stream --------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        attempt = 0
        while True:
            try:
                self.model.status = await self.client.status()
                attempt = 0
                await self._session()
            except PhoenixError as error:
                self._disconnected(error.view())
            delay_s = self._backoff_s[min(attempt, len(self._backoff_s) - 1)] * (0.75 + self._jitter() / 2)
            attempt += 1
            self._retry.clear()
            await _set_within(self._retry, delay_s)

    async def _session(self) -> None:
        if self._after is not None and self.model.loaded:
            self._connected()
        async with aclosing(self.client.events(self._after)) as events:
            async for event in events:
                if event.kind == "reset":
                    await self._load()
                    self._connected()
                else:
                    self._take(event)
                self._after = event.number

    def _take(self, event: Event) -> None:
        self._note(*self.model.apply(event))
        if event.log is not None:
            self._log[event.job_id].append(event.log)
        if event.kind == "job" and event.job is not None and event.job.state.is_final:
            self.refresh_soon()

    def _connected(self) -> None:
        self.model.connection = Connection.CONNECTED
        self.model.problem = None
        self._note(Topic.CONNECTION)

    def _disconnected(self, problem: ErrorView) -> None:
        self.model.connection = Connection.DISCONNECTED
        self.model.problem = problem
        self._note(Topic.CONNECTION)

    # --- reading -----------------------------------------------------------------------------------------------------

    async def _load(self) -> None:
        status, servers, settings, recent, active = await asyncio.gather(
            self.client.status(),
            self.client.servers(),
            self.client.settings(),
            self.client.jobs(limit=JOBS_READ),
            self.client.jobs(state="active", limit=ACTIVE_READ),
        )
        await self._read_vault()
        await self._read_alerts()
        self.model.status = status
        self.model.servers = {server.id: server for server in servers}
        self.model.put_settings(settings)
        self.model.put_jobs(recent + active, anew=True)
        self.model.loaded = True
        self._note(*Topic)

    async def _read_vault(self) -> None:
        vault: VaultView | None = None
        problem: ErrorView | None = None
        try:
            vault = await self.client.vault()
        except RemoteError as error:
            problem = error.view()
        self.model.vault, self.model.vault_problem = vault, problem

    async def _read_alerts(self) -> None:
        """Where they can't be read now, what is known of them stays, and is said to be old."""
        try:
            self.model.put_alerts(await self.client.alerts(), self._now())
        except RemoteError as error:
            self.model.alerts_problem = error.view()

    async def _keep_fresh(self) -> None:
        while True:
            await _set_within(self._refresh, self._refresh_interval_s)
            self._refresh.clear()
            if self.model.connection is not Connection.CONNECTED:
                continue
            try:
                self.model.status = await self.client.status()
                self.model.servers = {server.id: server for server in await self.client.servers()}
                self.model.put_settings(await self.client.settings())
                await self._read_vault()
                await self._read_alerts()
            except CoreUnreachable:
                continue  # The event stream finds out as well, and says so.
            except RemoteError as error:
                self.model.problem = error.view()
                self._note(Topic.CONNECTION)
                continue
            if self.model.problem is not None:
                self.model.problem = None
                self._note(Topic.CONNECTION)
            self._note(Topic.STATUS, Topic.SERVERS, Topic.VAULT, Topic.ALERTS)

    # --- telling -----------------------------------------------------------------------------------------------------

    def _note(self, *topics: Topic) -> None:
        self._topics.update(topics)
        if self._topics:
            self._changed.set()

    async def _tell(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            topics, self._topics = frozenset(self._topics), set()
            log = {job_id: tuple(lines) for job_id, lines in self._log.items()}
            self._log.clear()
            self._deliver(CoreChanged(topics, log))
            await asyncio.sleep(self._repaint_interval_s)


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    waiting: Awaitable[bool] = event.wait()
    try:
        async with asyncio.timeout(seconds):
            await waiting
    except TimeoutError:
        return
