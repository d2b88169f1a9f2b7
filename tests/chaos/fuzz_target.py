"""One thing to fuzz, and what an input may do to it: be taken, or be refused by a typed error, within bounds."""

import random
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

from phoenix_core.domain.errors import PhoenixError

Make = Callable[[random.Random], bytes]
Take = Callable[[bytes], None]
SAMPLED = 32
"""Memory is looked at for one input of so many: it costs several times the rest."""
MAX_PEAK_BYTES = 32 << 20
PEAK_PER_BYTE = 256
"""What reading an input may take at most: so much, and so much for each of its bytes."""
MINIMISE_STEPS = 3000


@dataclass(frozen=True)
class View:
    """One way in of a target."""

    name: str
    make: Make
    take: Take


@dataclass(frozen=True)
class Target:
    name: str
    views: tuple[View, ...]


class Crash(AssertionError):
    """What an input did that it must not."""


def attempt(view: View, data: bytes) -> bool:
    """Whether the input was taken. Raises Crash for anything but a typed error."""
    try:
        view.take(data)
    except PhoenixError:
        return False
    except Exception as error:
        raise Crash(f"{type(error).__name__}: {error}") from error
    return True


def measured(view: View, data: bytes) -> bool:
    """The same, and its memory is within bounds."""
    tracemalloc.start()
    try:
        taken = attempt(view, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    bound = MAX_PEAK_BYTES + PEAK_PER_BYTE * len(data)
    if peak > bound:
        raise Crash(f"MemoryPeak: {peak:,} bytes for an input of {len(data):,}")
    return taken


def smallest(view: View, data: bytes, crash: Crash) -> bytes:
    """The input with what the crash doesn't need taken out."""
    kind = str(crash).partition(":")[0]
    steps, size = 0, max(1, len(data) // 2)
    while size:
        at = 0
        while at < len(data) and steps < MINIMISE_STEPS:
            steps += 1
            shorter = data[:at] + data[at + size :]
            if _fails(view, shorter, kind):
                data = shorter
            else:
                at += size
        size //= 2
    return data


def _fails(view: View, data: bytes, kind: str) -> bool:
    try:
        attempt(view, data)
    except Crash as again:
        return str(again).partition(":")[0] == kind
    return False
