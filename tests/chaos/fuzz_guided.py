"""The fuzzer guided by coverage: atheris (libFuzzer) keeps the inputs that reach code which none before them reached.

An input's first byte says which of the target's views takes the rest. Half of the changes are libFuzzer's own, half are
our mutator's, which knows the structures. libFuzzer takes the process over, and ends it."""

import mmap
import os
import random
import signal
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import atheris

from tests.chaos.fuzz_mutate import LARGEST_BYTES
from tests.chaos.fuzz_target import REFUSED, SAMPLED, SAVED, Crash, Target, attempt, found, measured

INSTRUMENTED = ["phoenix_core", "jwt"]
STUCK_S = 60
"""An input that keeps a parser busy for so long is a finding."""
SEEDS = "seeds"
"""The folder of the first inputs; libFuzzer adds those worth keeping."""


def instrumented() -> AbstractContextManager[None]:
    """The branches of what is imported inside are counted."""
    imports: AbstractContextManager[None] = atheris.instrument_imports(include=INSTRUMENTED)
    return imports


def fuzz(target: Target, seed: int, seconds: int, folder: Path, memory_mib: int) -> None:
    """Doesn't return. An input that ends the process lies in the folder, unless it was reported in words."""
    (folder / SEEDS).mkdir()
    for at, view in enumerate(target.views):
        for number, data in enumerate(view.seeds):
            (folder / SEEDS / f"{at}-{number}").write_bytes(bytes([at]) + data)
    guided = _Guided(target, folder / REFUSED)
    options = {
        "seed": seed % (1 << 32) or 1,  # 0 asks for a seed by chance
        "max_total_time": seconds,
        "max_len": LARGEST_BYTES,
        "timeout": STUCK_S,
        "rss_limit_mb": memory_mib,
        "reload": 0,
        "print_final_stats": 1,
        "artifact_prefix": f"{folder}/{SAVED}",
    }
    arguments = [sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(folder / SEEDS)]
    atheris.Setup(arguments, guided.take, custom_mutator=guided.change)
    atheris.Fuzz()


class _Guided:
    """What libFuzzer calls."""

    def __init__(self, target: Target, refused: Path) -> None:
        self._target = target
        refused.write_bytes(bytes(8))
        with refused.open("r+b") as file:
            self._refused = memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")
        self._dice = random.Random()
        self._taken = 0

    def take(self, data: bytes) -> None:
        view, rest = self._target.view_of(data)
        self._taken += 1
        try:
            taken = measured(view, rest) if self._taken % SAMPLED == 0 else attempt(view, rest)
        except Crash as crash:
            signal.setitimer(signal.ITIMER_REAL, 0)  # libFuzzer's: making the input small takes its time
            print(found(self._target, view, rest, crash), file=sys.stderr, flush=True)
            os._exit(1)
        self._refused[0] += not taken

    def change(self, data: bytes, largest: int, seed: int) -> bytes:
        """The same for the same seed, as libFuzzer wants it."""
        self._dice.seed(seed)
        view, rest = self._target.view_of(data)
        if self._dice.random() < 0.5:
            changed: bytes = atheris.Mutate(rest, largest - 1)
        else:
            changed = view.change(self._dice, [rest])
        return (data[:1] or b"\0") + changed[: largest - 1]
