"""The jobs that this agent works on: a thread each, two at once; more wait their turn.

A job ends with exactly one last report: its result, `JobFailed` or `JobCancelled`.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from phoenix_core.agent.errors import AgentStopping
from phoenix_core.agent.keycache import KeyCache
from phoenix_core.agent.linkports import JobLink, LinkPorts
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.ruletests import Pages
from phoenix_core.agentlink.messages import BackupOrder, RestoreOrder
from phoenix_core.agentlink.reports import BackupResult, JobCancelled, JobFailed, LogReport, ReportBody, RestoreResult
from phoenix_core.agentlink.ruletest import RuleTestOrder
from phoenix_core.domain.errors import Cancelled, PhoenixError
from phoenix_core.host.courtesy import yield_thread
from phoenix_core.vault.malloc import give_back_memory

AT_ONCE = 2
STOP_WAIT_S = 5.0
log = structlog.get_logger(__name__)
WorkOrder = BackupOrder | RestoreOrder


class Runnable(Protocol):
    def run(self) -> BackupResult | RestoreResult: ...

    def after(self) -> None:
        """What is to be done once the result is reported."""


class JobMaker(Protocol):
    """Makes the jobs of one kind of host."""

    def make(self, order: WorkOrder, ports: JobPorts) -> Runnable:
        """The job that does what the order says. Raises a PhoenixError where it can't be done at all."""

    def test_rules(self, order: RuleTestOrder, state_dir: Path, pages: Pages, stopping: threading.Event) -> None:
        """Say of each entry whether content rules take it. Raises a PhoenixError, and what `pages` raises."""

    def started(self) -> None:
        """The agent starts. Before anything else is done; raises what keeps it from starting."""

    def sweep(self) -> None:
        """Clear away what an agent that crashed may have left. May take its time, beside the link and jobs."""


MakeJob = Callable[[WorkOrder, JobPorts], Runnable]
CheckOrder = Callable[[BackupOrder], None]


@dataclass
class _Running:
    ports: LinkPorts
    thread: threading.Thread


class AgentJobs:
    """`start`, `cancel` and `keep_only` return at once and may be called on an event loop."""

    def __init__(
        self,
        link: JobLink,
        state_dir: Path,
        cache: KeyCache,
        *,
        make: MakeJob,
        check: CheckOrder = lambda order: None,
        at_once: int = AT_ONCE,
    ) -> None:
        """`check` is called in a backup's thread before it begins; what it raises fails the backup."""
        self._link = link
        self._state_dir = state_dir
        self._cache = cache
        self._make = make
        self._check = check
        self._turns = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._stopping = False
        self.notice = ""
        """An error that each job's log is to show at its start."""

    def running(self) -> list[str]:
        """Jobs that have not made their last report."""
        with self._lock:
            return list(self._running)

    def start(self, order: WorkOrder) -> None:
        """Begin a job in a thread of its own; one that runs already is left alone."""
        with self._lock:
            if order.job in self._running or self._stopping:
                return
            ports = LinkPorts(order.job, self._link, self._state_dir, self._cache)
            thread = threading.Thread(target=self._work, args=(order, ports), name=f"job {order.job}", daemon=True)
            self._running[order.job] = _Running(ports, thread)
        thread.start()

    def cancel(self, job: str, who: str) -> None:
        """Have a job stop; one that doesn't run is no error."""
        with self._lock:
            running = self._running.get(job)
        if running is not None:
            running.ports.cancel(who)

    def give_up(self, jobs: Iterable[str]) -> None:
        """Stop jobs that the core no longer wants to hear of."""
        for job in jobs:
            with self._lock:
                running = self._running.get(job)
            if running is not None:
                log.warning("the core has given a job up", job=job)
                running.ports.muted.set()
                running.ports.cancel("the core")

    def stop(self, timeout_s: float = STOP_WAIT_S) -> None:
        """End all jobs, each with a report that the agent stopped. Blocks until they have, or for `timeout_s`."""
        with self._lock:
            self._stopping = True
            running = list(self._running.values())
        for each in running:
            each.ports.cancel("the agent")
        until = time.monotonic() + timeout_s
        for each in running:
            each.thread.join(max(0.0, until - time.monotonic()))

    def _work(self, order: WorkOrder, ports: LinkPorts) -> None:
        try:
            afterwards: list[Callable[[], None]] = []
            last = self._outcome(order, ports, afterwards)
            try:
                ports.report(last)
            except PhoenixError:
                log.exception("a job's last report could not be kept", job=order.job)
            for do in afterwards:
                do()
        finally:
            with self._lock:
                del self._running[order.job]
            give_back_memory()

    def _outcome(self, order: WorkOrder, ports: LinkPorts, afterwards: list[Callable[[], None]]) -> ReportBody:
        """Do the job; what is to be its last report. `afterwards` gets what is to be done once that is kept."""
        log.info("job begins", job=order.job, kind=type(order).__name__)
        try:
            if isinstance(order, BackupOrder):
                self._check(order)
            self._await_turn(ports)
            try:
                if self.notice:
                    ports.report(LogReport(level="error", text=self.notice, at_ns=time.time_ns()))
                yield_thread(order.nice)
                job = self._make(order, ports)
                result = job.run()
                afterwards.append(job.after)
            finally:
                self._turns.release()
        except Cancelled as error:
            log.info("job cancelled", job=order.job, who=ports.cancelled_by)
            if self._stopping:
                return JobFailed(AgentStopping().view())
            return JobCancelled(who=str(error.fields.get("who", ports.cancelled_by)))
        except PhoenixError as error:
            log.warning("job failed", job=order.job, code=error.view().code, error=error.message)
            return JobFailed(error.view())
        except Exception as error:
            log.exception("job failed", job=order.job)
            return JobFailed(PhoenixError(detail=f"{type(error).__name__}: {error}").view())
        log.info("job done", job=order.job)
        return result

    def _await_turn(self, ports: LinkPorts) -> None:
        waited = False
        while not self._turns.acquire(timeout=0.2):
            if ports.cancelled.is_set():
                raise Cancelled(who=ports.cancelled_by)
            if not waited:
                waited = True
                text = f"Waits for its turn: the agent works on {AT_ONCE} jobs at once."
                ports.report(LogReport(level="info", text=text, at_ns=time.time_ns()))
