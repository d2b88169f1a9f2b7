"""Upgrades this agent at the word of its core's operators, where its administrator allowed that: by the same command
that he would type here. The core brings no code and no address: what is fetched, and from whom, the agent knows itself.
"""

import subprocess
import threading
from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog

from phoenix_core.agentlink.upgradeorder import UpgradeNoted, UpgradeOrder, UpgradeOutcome
from phoenix_core.domain.errors import ErrorView, PhoenixError

TELL_S = 600.0
COMMAND_S = 3600.0

log = structlog.get_logger(__name__)


class OutcomeLink(Protocol):
    def request_blocking(self, request: UpgradeOutcome, timeout_s: float) -> UpgradeNoted: ...


class _Done(msgspec.Struct):
    """What the command prints."""

    version: str = ""
    error: ErrorView | None = None


class Upgrading:
    """`start` returns at once and may be called on an event loop."""

    def __init__(self, link: OutcomeLink, command: Sequence[str]) -> None:
        """`command`: `phoenix agent upgrade` with all that it needs, printing JSON."""
        self._link = link
        self._command = list(command)
        self._working = threading.Lock()

    def start(self, order: UpgradeOrder) -> None:
        """One at a time: an order that comes while one is carried out says nothing new."""
        if self._working.acquire(blocking=False):
            threading.Thread(target=self._work, args=(order,), name="upgrade", daemon=True).start()

    def _work(self, order: UpgradeOrder) -> None:
        try:
            log.info("upgrade begins", who=order.who)
            done = self._run()
            log.info("upgrade through", version=done.version, error=done.error.code if done.error else "")
            self._link.request_blocking(UpgradeOutcome(number=0, version=done.version, error=done.error), TELL_S)
        except PhoenixError as error:
            log.warning("the core isn't told of the upgrade", error=error.message)
        finally:
            self._working.release()

    def _run(self) -> _Done:
        try:
            done = subprocess.run(
                self._command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=COMMAND_S, check=False
            )
            return msgspec.json.decode(done.stdout, type=_Done)
        except (OSError, subprocess.SubprocessError, msgspec.MsgspecError) as error:
            return _Done(error=PhoenixError(detail=f"{' '.join(self._command)}: {error}").view())
