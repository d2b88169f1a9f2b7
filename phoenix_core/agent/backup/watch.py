"""What a job does several times a second whatever else: heed cancellation, tell progress, use fresh tokens."""

import time
from collections.abc import Callable

from phoenix_core.agent.backup.estimate import Throughput
from phoenix_core.agent.backup.timeleft import TimeLeft
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agentlink.reports import Progress
from phoenix_core.domain.errors import Cancelled
from phoenix_core.domain.names import shown

PROGRESS_S = 0.5


class Watch:
    def __init__(self, job: str, ports: JobPorts, each_time: Callable[[], None], *, began: float) -> None:
        """`each_time` is called at every tick. `began` is a reading of the monotonic clock."""
        self._job = job
        self._ports = ports
        self._each_time = each_time
        self._began = began
        self._told = 0.0
        self._phase_began = began
        self.phase = ""
        self.files_done = self.files_total = 0
        self.bytes_done = self.bytes_total = self.sent_bytes = 0
        self.current = b""
        self.left: TimeLeft | None = None

    def enter(self, phase: str) -> None:
        """A phase that moves no content, so that no time left can be told."""
        self._enter(phase, None)

    def enter_moving(self, phase: str, files: int, size: int, cost: Throughput, expected_s: float = -1.0) -> None:
        """One that moves so many files and bytes; see `TimeLeft`."""
        self.files_done = self.bytes_done = 0
        self.files_total, self.bytes_total = files, size
        self._enter(phase, TimeLeft(cost, files, size, expected_s))

    def _enter(self, phase: str, left: TimeLeft | None) -> None:
        self.phase, self.left = phase, left
        self._phase_began = time.monotonic()
        self.tell()

    def check(self) -> None:
        """Raises `Cancelled`."""
        if self._ports.cancelled.is_set():
            raise Cancelled(who=self._ports.cancelled_by)

    def tick(self) -> None:
        """Raises `Cancelled`, and what `each_time` does."""
        self.check()
        now = time.monotonic()
        if now - self._told >= PROGRESS_S:
            self.tell()
        self._each_time()

    def tell(self) -> None:
        now = time.monotonic()
        self._told = now
        self._ports.progress(
            Progress(
                job=self._job,
                phase=self.phase,
                files_done=self.files_done,
                files_total=self.files_total,
                bytes_done=self.bytes_done,
                bytes_total=self.bytes_total,
                sent_bytes=self.sent_bytes,
                elapsed_s=now - self._began,
                eta_s=self._eta_s(now - self._phase_began),
                current=shown(self.current),
            )
        )

    def _eta_s(self, elapsed_s: float) -> float:
        left = self.left
        return -1.0 if left is None else left.after(elapsed_s, self.files_done, self.bytes_done)
