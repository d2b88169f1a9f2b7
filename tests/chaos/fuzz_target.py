"""One thing to fuzz, and what an input may do to it: be taken, or be refused by a typed error, within bounds."""

import random
import shlex
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from phoenix_core.domain.errors import PhoenixError

Change = Callable[[random.Random, Sequence[bytes]], bytes]
"""Makes malformed input from one of the inputs that it is given."""
Take = Callable[[bytes], None]
SAMPLED = 32
"""Memory is looked at for one input of so many: it costs several times the rest."""
MAX_PEAK_BYTES = 32 << 20
PEAK_PER_BYTE = 256
"""What reading an input may take at most: so much, and so much for each of its bytes."""
MINIMISE_STEPS = 3000
WARM_UP_S = 0.2
"""At most, per view."""
REFUSED = "refused"
"""How many inputs were refused, eight bytes, little-endian: libFuzzer ends the process without a word to Python."""
SAVED = "saved-"
"""Begins the name of an input during which libFuzzer ended the process."""


@dataclass(frozen=True)
class View:
    """One way in of a target."""

    name: str
    change: Change
    seeds: Sequence[bytes]
    take: Take

    def make(self, dice: random.Random) -> bytes:
        return self.change(dice, self.seeds)


@dataclass(frozen=True)
class Target:
    name: str
    views: tuple[View, ...]

    def view(self, name: str) -> View:
        return next(each for each in self.views if each.name == name)

    def view_of(self, data: bytes) -> tuple[View, bytes]:
        """Who takes an input of the guided fuzzer, and what of it: the first byte chooses."""
        return self.views[(data[0] if data else 0) % len(self.views)], data[1:]


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


def warm_up(target: Target) -> None:
    """Not everything is refused: such a target would find nothing. Raises Crash as `attempt`, with the input."""
    taken = 0
    for view in target.views:
        dice = random.Random(view.name)
        end = time.monotonic() + WARM_UP_S
        for data in (view.make(dice) for _ in range(200)):
            if time.monotonic() > end:
                break
            try:
                taken += attempt(view, data)
            except Crash as crash:
                raise found(target, view, data, crash) from crash
    assert taken, f"{target.name} refuses all"


def found(target: Target, view: View, data: bytes, crash: Crash) -> Crash:
    """The crash with the smallest input that shows it, for `fuzz_found.py` and for a command that repeats it."""
    least = smallest(view, data, crash)
    return Crash(f'{crash}\n    ("{target.name}", "{view.name}", {least!r}),\n{repeating(target, view, least)}')


def repeating(target: Target, view: View, data: bytes) -> str:
    names = f"{shlex.quote(target.name)} --view {shlex.quote(view.name)}"
    return f"To repeat it: python -m tests.chaos.fuzz_process {names} --input {data.hex() or chr(39) * 2}"


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
