"""One measurement, and how a command that ends is measured."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import PeakMemory, tree


class Failed(Exception):
    """A program that is measured failed; the message has its last words."""


@dataclass(frozen=True)
class Measured:
    wall_s: float
    cpu_s: float
    start_s: float = 0.0
    """What starting up takes, which `wall_s` holds in a command and doesn't hold where the program was running."""
    included: bool = True
    """Whether `wall_s` holds `start_s`."""
    peaks: Mapping[str, int] = field(default_factory=dict)
    """Bytes, by role."""
    peak_bytes: int = 0
    """The highest sum over all roles."""

    def then(self, other: "Measured") -> "Measured":
        """Both, one after the other."""
        return Measured(
            self.wall_s + other.wall_s,
            self.cpu_s + other.cpu_s,
            self.start_s + other.start_s if self.included else self.start_s,
            self.included,
            {role: max(peak, other.peaks.get(role, 0)) for role, peak in self.peaks.items()} or other.peaks,
            max(self.peak_bytes, other.peak_bytes),
        )

    @property
    def with_start_s(self) -> float:
        return self.wall_s if self.included else self.wall_s + self.start_s

    @property
    def without_start_s(self) -> float:
        return max(self.wall_s - self.start_s, 0.001) if self.included else self.wall_s


def run_command(
    command: Sequence[str], environment: Mapping[str, str], log: Path, *, start_s: float = 0.0, cwd: Path | None = None
) -> Measured:
    """Run a command to its end. Raises Failed."""
    with log.open("ab") as out:
        began = time.monotonic()
        child = subprocess.Popen(
            command, env=dict(environment), stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=cwd
        )
        with PeakMemory(lambda: {"command": tree(child.pid)}) as memory:
            _, status, usage = os.wait4(child.pid, 0)
            wall_s = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        last = log.read_text(errors="replace")[-2000:]
        raise Failed(f"{' '.join(map(str, command[:4]))} … ended with {child.returncode}:\n{last}")
    return Measured(wall_s, usage.ru_utime + usage.ru_stime, start_s, True, memory.peaks, memory.total)
