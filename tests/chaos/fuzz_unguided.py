"""The fuzzer where atheris isn't installed: our mutator on the golden files, and nothing that steers it."""

import faulthandler
import random
import time
from collections import Counter

from tests.chaos.fuzz_target import SAMPLED, Crash, Target, View, attempt, found, measured

STUCK_S = 60
"""An input that keeps a parser busy for so long ends the process with a traceback."""


def fuzz(target: Target, seed: int, seconds: float) -> Counter[str]:
    """Inputs for the target's views in turn. Raises Crash with the smallest input that fails."""
    dice = random.Random(f"{seed}/{target.name}")
    counts: Counter[str] = Counter()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for view in target.views:
            counts["inputs"] += 1
            data = view.make(dice)
            counts["refused"] += not _tried(target, view, data, sampled=counts["inputs"] % SAMPLED == 0)
    return counts


def _tried(target: Target, view: View, data: bytes, *, sampled: bool) -> bool:
    faulthandler.dump_traceback_later(STUCK_S, exit=True)
    try:
        return measured(view, data) if sampled else attempt(view, data)
    except Crash as crash:
        faulthandler.cancel_dump_traceback_later()  # making it small takes its time
        raise found(target, view, data, crash) from crash
    finally:
        faulthandler.cancel_dump_traceback_later()
