"""The progress of running jobs: in memory, with rates over the last seconds, published a few times a second."""

import asyncio
from collections import deque

import msgspec

from phoenix_core.agentlink.reports import Progress
from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.views import JobView, ProgressView
from phoenix_core.engine.events import EventBus

RATE_WINDOW_S = 5.0
PUBLISH_INTERVAL_S = 0.2
SCAN = "scan"
"""The phase of an agent that looks at its files."""


class _Meter:
    def __init__(self) -> None:
        self.samples: deque[tuple[float, int, int]] = deque()
        self.phase = ""
        self.view: ProgressView | None = None
        self.held_up = ""

    def rates(self, now: float, done: int, sent: int) -> tuple[float, float]:
        """Bytes per second, done and sent, over the window."""
        while self.samples and now - self.samples[0][0] > RATE_WINDOW_S:
            self.samples.popleft()
        self.samples.append((now, done, sent))
        first = self.samples[0]
        span = now - first[0]
        if span <= 0:
            return (0.0, 0.0)
        return (max(0.0, (done - first[1]) / span), max(0.0, (sent - first[2]) / span))


class ProgressBoard:
    """Used from the event loop only. `run` publishes; `update` is cheap and may be called as often as messages come."""

    def __init__(self, events: EventBus, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self._meters: dict[str, _Meter] = {}
        self._jobs: dict[str, JobRow] = {}
        self._changed: set[str] = set()
        self._wake = asyncio.Event()

    def begin(self, job: JobRow) -> None:
        self._jobs[job.id] = job
        self._meters.setdefault(job.id, _Meter())

    def end(self, job_id: str) -> None:
        self._jobs.pop(job_id, None)
        self._meters.pop(job_id, None)
        self._changed.discard(job_id)

    def of(self, job_id: str) -> ProgressView | None:
        meter = self._meters.get(job_id)
        return None if meter is None else meter.view

    def held_up(self, job_id: str) -> str:
        """What outside of it the job's work stands still for; empty: nothing."""
        meter = self._meters.get(job_id)
        return "" if meter is None else meter.held_up

    def update(self, progress: Progress) -> None:
        meter = self._meters.get(progress.job)
        if meter is None:
            return
        if progress.phase != meter.phase:
            meter.phase = progress.phase
            meter.samples.clear()
        done = 0 if progress.phase == SCAN else progress.bytes_done  # sizes of files of which nothing was read
        bytes_per_s, sent_per_s = meter.rates(self._clock.monotonic_s(), done, progress.sent_bytes)
        meter.view = ProgressView(
            phase=progress.phase,
            files_done=progress.files_done,
            files_total=progress.files_total,
            bytes_done=progress.bytes_done,
            bytes_total=progress.bytes_total,
            sent_bytes=progress.sent_bytes,
            bytes_per_s=bytes_per_s,
            sent_bytes_per_s=sent_per_s,
            elapsed_s=progress.elapsed_s,
            eta_s=progress.eta_s,
            current=progress.current,
        )
        self._changed.add(progress.job)
        self._wake.set()

    def stall(self, job_id: str, held_up: str) -> None:
        """Nothing is heard of the work: no rate and no time left, until there is progress again. `held_up`: why the
        work stands still; empty: it goes on."""
        meter = self._meters.get(job_id)
        if meter is None:
            return
        meter.held_up = held_up
        if meter.view is None:
            return
        meter.samples.clear()
        meter.view = msgspec.structs.replace(meter.view, bytes_per_s=0.0, sent_bytes_per_s=0.0, eta_s=-1.0)
        self._changed.add(job_id)
        self._wake.set()

    async def run(self) -> None:
        """Publish what changed, each job at most once per interval, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for job_id in sorted(self._changed):
                job = self._jobs[job_id]
                self._events.publish(
                    "progress",
                    job_id=job_id,
                    job=JobView(
                        id=job.id,
                        kind=job.kind,
                        state=job.state,
                        title=job.title,
                        server_id=job.server_id,
                        progress=self.of(job_id),
                        held_up=self.held_up(job_id),
                    ),
                )
            self._changed.clear()
            await asyncio.sleep(PUBLISH_INTERVAL_S)
