"""How a verify on schedule gives way while it reads packs in turn: to jobs that run, and to those that wait for it."""

import threading
import time
from collections.abc import Callable, Iterable

from phoenix_core.domain.ids import PackId
from phoenix_core.engine.prove import pause_s
from phoenix_core.host.courtesy import SpareProcessor
from phoenix_core.vault.packinfo import PackInfo
from phoenix_core.vault.readturn import ReadTurn

LOOK_S = 0.5


class GentleTurns:
    """Implements `vault.packproof.Turns`; `others_wait` may be set from anywhere."""

    def __init__(self, turn: ReadTurn | None, busy: Callable[[], bool], stop: threading.Event, *, far: bool) -> None:
        """`turn`: None where no pack is to be read. `busy`: whether other jobs run. `far`: packs come over a network,
        of which jobs want all that it carries."""
        self._turn = turn
        self._busy = busy
        self._stop = stop
        self._far = far
        self._spare = SpareProcessor()
        self._last_at_s = 0.0
        self.others_wait = threading.Event()
        """A job waits that can't run beside this one: what is left of the packs has its turn next time."""

    def choose(self, packs: Iterable[PackInfo]) -> set[PackId]:
        return set() if self._turn is None else self._turn.choose(packs)

    def may_read(self) -> bool:
        last_s = time.monotonic() - self._last_at_s if self._last_at_s else 0.0
        if self._busy():
            pause = pause_s(last_s, spare=self._spare.look() and not self._far)
            until_s = time.monotonic() + pause
            while self._busy() and time.monotonic() < until_s and not self.others_wait.is_set():
                if self._stop.wait(min(LOOK_S, max(0.0, until_s - time.monotonic()))):
                    return False
        self._last_at_s = time.monotonic()
        return not (self._stop.is_set() or self.others_wait.is_set())
