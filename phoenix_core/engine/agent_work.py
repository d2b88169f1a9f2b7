"""The part of a job that an agent does: the order, what becomes of the connection meanwhile, and the outcome.

order sent ──► working ──► outcome stored
                │    ▲
  disconnected  ▼    │  connected again, names the job
               lost ──── grace over ──► aborted
                │
                └─ connected again without the job: no sign of it yet ──► the order is sent again
                                                    it had begun ──► short wait for a report under way, aborted
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from phoenix_core.agentlink.messages import BackupOrder, CancelOrder, Message, RestoreOrder
from phoenix_core.agentlink.reports import JobCancelled, ReportBody
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import Cancelled, PhoenixError
from phoenix_core.engine.errors import AgentLost, JobAborted

SETTLE_S = 10.0
"""How long a report may be under way after a connection that no longer names its job."""

log = structlog.get_logger(__name__)

Order = BackupOrder | RestoreOrder


class Sender(Protocol):
    """The core's end of the agent link."""

    async def send(self, peer_id: str, message: Message) -> None:
        """Raises a PhoenixError where the peer is not connected."""


class AgentWork:
    """Used from the event loop only. `outcome` runs it; the other methods tell it what happens."""

    def __init__(
        self,
        job_id: str,
        peer_id: str,
        name: str,
        sender: Sender,
        make_order: Callable[[], Awaitable[Order]],
        clock: Clock,
        *,
        grace_s: Callable[[], float],
        cancel_grace_s: Callable[[], float],
        tell: Callable[[str, bool], Awaitable[None]],
    ) -> None:
        """`name`: the server's. `grace_s`: how long a lost agent is waited for; `cancel_grace_s`: how long it has to
        stop a cancelled job. `tell`: for the job's log, that the agent is away or back, and whether the job stands
        still for that."""
        self.job_id = job_id
        self.peer_id = peer_id
        self._name = name
        self._sender = sender
        self._make_order = make_order
        self._clock = clock
        self._grace_s = grace_s
        self._cancel_grace_s = cancel_grace_s
        self._tell = tell
        self._news: list[tuple[str, bool]] = []
        self._wake = asyncio.Event()
        self._outcome: ReportBody | None = None
        self._must_order = False
        self._alive = False
        self._connected = False
        self._lost_until: float | None = None
        self._loss: JobAborted | None = None
        self._cancelled_by = ""
        self._must_cancel = False
        self._cancel_until: float | None = None

    # --- what happens ------------------------------------------------------------------------------------------------

    def reported(self, outcome: ReportBody) -> None:
        """The agent's last report is in the catalog."""
        self._outcome = outcome
        self._wake.set()

    def sign_of_life(self) -> None:
        """The agent spoke of the job, so it has the order."""
        self._alive = True

    def connected(self, *, named: bool) -> None:
        """The agent connected, and named the job as running or not."""
        if not self._connected and self._lost_until is not None:
            back = f"The agent of {self._name} is back"
            self._news.append((f"{back}.", False) if named else (f"{back}, without the job.", True))
        self._connected = True
        if named:
            self._alive = True
            self._lost_until = None
            self._must_cancel = bool(self._cancelled_by)
        elif self._alive:
            restarted = JobAborted(detail=f"The agent of {self._name} was started again and no longer works on it")
            self._lose(min(SETTLE_S, self._grace_s()), restarted)
        else:
            self._lost_until = None
            self._must_order = True
        self._wake.set()

    def disconnected(self) -> None:
        self._connected = False
        grace_s = self._grace_s()
        lost = f"The connection to the agent of {self._name} is lost; it is waited for up to {grace_s:g} s."
        self._news.append((lost, True))
        self._lose(grace_s, AgentLost(server=self._name, seconds=f"{grace_s:g}"))

    def gone_for_good(self) -> None:
        """The agent may not come back."""
        self._connected = False
        self._lose(0, JobAborted(detail=f"The server {self._name} was removed"))

    def cancel(self, who: str) -> None:
        self._cancelled_by = who
        self._must_cancel = True
        self._cancel_until = self._clock.monotonic_s() + self._cancel_grace_s()
        self._wake.set()

    def _lose(self, wait_s: float, loss: JobAborted) -> None:
        self._lost_until = self._clock.monotonic_s() + wait_s
        self._loss = loss
        self._wake.set()

    # --- the work ----------------------------------------------------------------------------------------------------

    async def outcome(self, *, order: bool) -> ReportBody:
        """Send the order (unless the agent has it since before a restart of the core) and wait for the last report.

        Raises AgentLost or JobAborted where the agent is lost, Cancelled where it was to stop."""
        self._must_order = self._must_order or order
        if not order and self._lost_until is None and not self._connected:
            self.disconnected()
        while self._outcome is None:
            if self._must_order and self._cancelled_by:
                raise Cancelled(who=self._cancelled_by)  # The agent has no order: there is nothing to stop.
            self._wake.clear()
            while self._news:
                await self._tell(*self._news.pop(0))
            await self._speak()
            await self._pause()
        if isinstance(self._outcome, JobCancelled):
            raise Cancelled(who=self._cancelled_by or self._outcome.who)
        return self._outcome

    async def _speak(self) -> None:
        try:
            if self._must_order:
                await self._sender.send(self.peer_id, await self._make_order())
                self._must_order = False
            if self._must_cancel:
                await self._sender.send(self.peer_id, CancelOrder(job=self.job_id, who=self._cancelled_by))
                self._must_cancel = False
        except PhoenixError as error:
            # Not connected (any more): `connected` comes, or the grace ends.
            log.info("agent not reached", job=self.job_id, peer=self.peer_id, error=error.code)
            if self._lost_until is None:
                self.disconnected()
            self._wake.clear()

    async def _pause(self) -> None:
        now = self._clock.monotonic_s()
        if self._cancel_until is not None and now >= self._cancel_until:
            raise Cancelled(who=self._cancelled_by)
        if self._lost_until is not None and now >= self._lost_until:
            if self._cancelled_by:
                raise Cancelled(who=self._cancelled_by)
            assert self._loss is not None
            raise self._loss
        ends = [end for end in (self._cancel_until, self._lost_until) if end is not None]
        try:
            async with asyncio.timeout(max(0.0, min(ends) - now) if ends else None):
                await self._wake.wait()
        except TimeoutError:
            return
