"""`python -m bench.phases [a|b|c]`: what each step of Phoenix's jobs takes, and which process works in it.

For docs/internals/performance.md. Processor seconds are those of the processes as sampled, every 20 ms."""

import argparse
import asyncio
import shutil
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import psutil

from bench.memoryfolder import work_folder
from bench.plan import parts
from bench.tools.phoenix import SERVER, Phoenix
from phoenix_core.client import CoreClient
from phoenix_core.domain.requests import BackupRequest, RestoreRequest, VerifyRequest
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.domain.views import JobView

SAMPLE_S = 0.02
ROLES = ("core", "agent", "workers")
Ask = Callable[[CoreClient], Awaitable[JobView]]


@dataclass
class Sampler:
    """Processor seconds by role, over time."""

    core: int
    agent: int
    samples: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    _last: dict[int, tuple[str, float]] = field(default_factory=dict)
    _ended: bool = False

    def run(self) -> None:
        while not self._ended:
            for role, process in self._processes():
                try:
                    times = process.cpu_times()
                except psutil.Error:
                    continue
                self._last[process.pid] = (role, times.user + times.system)
            totals = dict.fromkeys(ROLES, 0.0)
            for role, seconds in self._last.values():
                totals[role] += seconds
            self.samples.append((time.time(), totals))
            time.sleep(SAMPLE_S)

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        yield "core", psutil.Process(self.core)
        agent = psutil.Process(self.agent)
        yield "agent", agent
        for child in agent.children(recursive=True):
            yield "workers", child

    def end(self) -> None:
        self._ended = True

    def between(self, start: float, end: float) -> list[float]:
        """Processor seconds of each role."""
        return [self._at(end)[role] - self._at(start)[role] for role in ROLES]

    def _at(self, moment: float) -> dict[str, float]:
        return next((totals for at, totals in self.samples if at >= moment), self.samples[-1][1])


class Profiled(Phoenix):
    def profile(self, title: str, ask: Ask) -> None:
        """Run a job, and print its steps."""
        core, agent = (child.pid for child in self._children)
        sampler = Sampler(core, agent)
        thread = threading.Thread(target=sampler.run, name="sampler")
        thread.start()
        try:
            wall_s, job = asyncio.run(self._timed(ask))
        finally:
            sampler.end()
            thread.join()
        print(f"\n{title}: {wall_s:.2f} s\n{'step':44} {'wall':>6} " + " ".join(f"{role:>8}" for role in ROLES))
        for step in job.steps:
            if step.started_at is not None and step.finished_at is not None:
                start, end = step.started_at.timestamp(), step.finished_at.timestamp()
                used = " ".join(f"{seconds:8.2f}" for seconds in sampler.between(start, end))
                print(f"{f'{step.id} {step.title}':44.44} {end - start:6.2f} {used}")
        first, last = sampler.samples[0][0], sampler.samples[-1][0]
        print(f"{'all':44} {last - first:6.2f} " + " ".join(f"{each:8.2f}" for each in sampler.between(first, last)))
        self._until_proved()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.phases", description=__doc__)
    parser.add_argument("part", nargs="?", default="a", help="a, b or c")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data")
    options = parser.parse_args()
    part = next(each for each in parts(0.1 if options.quick else 1) if each.data.key == options.part)
    with work_folder("") as folder:
        source, work = folder / "source", folder / "work"
        part.data.make(source)
        (work / "restored").mkdir(parents=True)
        tool = Profiled()
        try:
            tool.open(work)
            backup = BackupRequest(SERVER, (str(source),))
            tool.profile("first", lambda client: client.backup(backup))
            tool.profile("unchanged", lambda client: client.backup(backup))
            if options.part != "c":
                part.data.change(source, 1)
                tool.profile("1 % changed", lambda client: client.backup(backup))
            restore = RestoreRequest(SERVER, destination=str(work / "restored"))
            tool.profile("restore", lambda client: client.restore(restore))
            tool.profile("check", lambda client: client.verify(VerifyRequest(VerifyDepth.CHUNKS)))
        finally:
            tool.close()
            shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
