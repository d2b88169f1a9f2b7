"""An agent beside other versions of itself: it stays once its core has greeted it, ends where it is on trial and isn't
greeted, and ends between two jobs when another version was put in use.
"""

import asyncio
from collections.abc import Callable

import structlog

from phoenix_core.agent.errors import NotGreeted
from phoenix_core.rollout.program import Program

LOOK_S = 1.0
TRIAL_S = 120.0
"""So long a version on trial may take until its core greets it."""

log = structlog.get_logger(__name__)


class VersionWatch:
    def __init__(self, program: Program, *, look_s: float = LOOK_S, trial_s: float = TRIAL_S) -> None:
        self._program = program
        self._look_s = look_s
        self._trial_s = trial_s
        self.restart = False
        """The agent ended for another version."""

    def greeted(self) -> None:
        """The core let the agent in. Reads and writes files: not on an event loop."""
        versions = self._program.versions
        if versions is not None and versions.confirm(self._program.name):
            log.info("the new version stays", version=self._program.name)

    async def until_switched(self, busy: Callable[[], bool]) -> None:
        """Return when another version is in use and nothing is being worked on. Without versions: never.

        Raises NotGreeted."""
        if self._program.versions is None:
            await asyncio.Event().wait()
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._trial_s
        on_trial = await asyncio.to_thread(self._on_trial)
        while not (await asyncio.to_thread(lambda: self._program.switched) and not busy()):
            if on_trial and loop.time() > end_s:
                if await asyncio.to_thread(self._on_trial):
                    raise NotGreeted(version=self._program.name, seconds=round(self._trial_s))
                on_trial = False
            await asyncio.sleep(self._look_s)
        self.restart = True
        log.info("another version was put in use", version=self._program.name)

    def _on_trial(self) -> bool:
        versions = self._program.versions
        trial = None if versions is None else versions.trial()
        return trial is not None and trial[0] == self._program.name
