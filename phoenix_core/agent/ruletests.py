"""Tests of content rules that the core orders: a thread each, which walks as a backup would and hands over pages.

The next page is made once the core has taken the last one, so that neither end holds more than one.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import structlog

from phoenix_core.agent.errors import AgentBusy
from phoenix_core.agentlink.ruletest import RuleTestAnswer, RuleTestOrder, RuleTestPage, RuleTestTotals, Verdict
from phoenix_core.domain.errors import Cancelled, PhoenixError
from phoenix_core.host.courtesy import yield_thread

AT_ONCE = 2
PAGE_VERDICTS = 1000
PAGE_S = 2.0
"""So often a page is handed over at least, so that the core sees that the test goes on."""
TAKEN_WITHIN_S = 900.0
"""So long a page may wait until whoever reads it has room."""
log = structlog.get_logger(__name__)


class PageLink(Protocol):
    def request_blocking(self, request: RuleTestPage, timeout_s: float) -> RuleTestAnswer: ...


class Pages(Protocol):
    """What a test finds, on its way to the core."""

    def add(self, verdict: Verdict) -> None: ...

    def tick(self) -> None: ...

    def finish(self, totals: RuleTestTotals) -> None: ...


RunTest = Callable[[RuleTestOrder, Path, Pages, threading.Event], None]


class RuleTests:
    """`start` returns at once and may be called on an event loop; `stop` blocks."""

    def __init__(self, link: PageLink, state_dir: Path, run_test: RunTest) -> None:
        """`run_test` does a test: what it raises ends it, and goes to the core."""
        self._link = link
        self._state_dir = state_dir
        self._run_test = run_test
        self._lock = threading.Lock()
        self._running: dict[str, threading.Thread] = {}
        self._stopping = threading.Event()

    def start(self, order: RuleTestOrder) -> None:
        with self._lock:
            if order.test in self._running or self._stopping.is_set():
                return
            work = self._refuse if len(self._running) >= AT_ONCE else self._work
            thread = threading.Thread(target=work, args=(order,), name=f"rule test {order.test}", daemon=True)
            self._running[order.test] = thread
        thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        self._stopping.set()
        with self._lock:
            running = list(self._running.values())
        for thread in running:
            thread.join(timeout_s)

    def _refuse(self, order: RuleTestOrder) -> None:
        self._end(order, LinkPages(order, self._link), AgentBusy(count=AT_ONCE))

    def _work(self, order: RuleTestOrder) -> None:
        pages = LinkPages(order, self._link)
        try:
            yield_thread(order.nice)
            self._run_test(order, self._state_dir, pages, self._stopping)
        except Cancelled:
            log.info("nobody wants the rest of a rule test", test=order.test)
            self._forget(order)
        except PhoenixError as error:
            self._end(order, pages, error)
        except Exception as error:
            log.exception("rule test failed", test=order.test)
            self._end(order, pages, PhoenixError(detail=f"{type(error).__name__}: {error}"))
        else:
            self._forget(order)

    def _end(self, order: RuleTestOrder, pages: "LinkPages", error: PhoenixError) -> None:
        try:
            pages.fail(error)
        except PhoenixError as lost:
            log.info("the core did not hear how a rule test ended", test=order.test, error=lost.message)
        finally:
            self._forget(order)

    def _forget(self, order: RuleTestOrder) -> None:
        with self._lock:
            self._running.pop(order.test, None)


class LinkPages:
    """Collects verdicts, and hands them over. They raise Cancelled where nobody wants more, and what the link does."""

    def __init__(self, order: RuleTestOrder, link: PageLink, now: Callable[[], float] = time.monotonic) -> None:
        self._order = order
        self._link = link
        self._now = now
        self._sent = now()
        self._page = 0
        self._verdicts: list[Verdict] = []
        self._wants = {"all": (True, False), "in": (True,), "out": (False,)}.get(order.show, ())

    def add(self, verdict: Verdict) -> None:
        if verdict.taken in self._wants:
            self._verdicts.append(verdict)
            if len(self._verdicts) >= PAGE_VERDICTS:
                self._send()

    def tick(self) -> None:
        if self._now() - self._sent >= PAGE_S:
            self._send()

    def finish(self, totals: RuleTestTotals) -> None:
        self._send(totals=totals)

    def fail(self, error: PhoenixError) -> None:
        self._send(error=error)

    def _send(self, totals: RuleTestTotals | None = None, error: PhoenixError | None = None) -> None:
        self._page += 1
        page = RuleTestPage(
            number=0,
            test=self._order.test,
            page=self._page,
            verdicts=tuple(self._verdicts),
            totals=totals,
            error=error.view() if error else None,
        )
        self._verdicts.clear()
        answer = self._link.request_blocking(page, TAKEN_WITHIN_S)
        self._sent = self._now()
        if not answer.go_on:
            raise Cancelled(who="the core")
