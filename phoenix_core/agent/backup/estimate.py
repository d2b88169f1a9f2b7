"""How long a backup will take (WF5.5), from what the scan found and how fast this server was before."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from phoenix_core.host.atomicfile import write_atomic

FILE_NAME = "throughput.json"
Cost = Annotated[float, Meta(gt=0, lt=1e6)]
LEARNING = 0.5
"""How much of a misjudgement is corrected at once, as an exponent."""
LEAST_S = 1.0
"""A transfer shorter than this teaches nothing."""


class Throughput(msgspec.Struct, frozen=True):
    """What a file and a byte cost. Remembered in the agent's state folder; at first a cautious guess."""

    seconds_per_file: Cost = 2e-4
    seconds_per_byte: Cost = 1 / 80e6

    def estimate_s(self, files: int, size: int) -> float:
        return files * self.seconds_per_file + size * self.seconds_per_byte

    def learned(self, files: int, size: int, seconds: float) -> "Throughput":
        """With the experience of a transfer that took so long. A cost that hardly mattered is hardly moved."""
        expected = self.estimate_s(files, size)
        if seconds < LEAST_S or expected <= 0:
            return self
        by_files = files * self.seconds_per_file / expected
        ratio = seconds / expected
        return Throughput(
            _bounded(self.seconds_per_file * ratio ** (LEARNING * by_files)),
            _bounded(self.seconds_per_byte * ratio ** (LEARNING * (1 - by_files))),
        )


def load(state_dir: Path) -> Throughput:
    """What is remembered; the first guess where nothing is, or it can't be read."""
    try:
        return msgspec.json.decode((state_dir / FILE_NAME).read_bytes(), type=Throughput)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Throughput()


def save(state_dir: Path, throughput: Throughput) -> None:
    """Raises OSError."""
    write_atomic(state_dir / FILE_NAME, msgspec.json.encode(throughput))


def _bounded(cost: float) -> float:
    return min(max(cost, 1e-11), 1e3)
