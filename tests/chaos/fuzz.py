"""Malformed input for every parser: packs, trees, snapshots, wire messages, tokens. Only typed errors, bounded memory.

Each target runs in a process of its own with an address space of half a gigabyte more than it has at its start, so
that an input that asks for more ends it. `python -m tests.chaos.fuzz TARGET SEED SECONDS` is such a process. An input
that fails is made as small as it can be and goes, with its view, into `fuzz_found.py`, whose inputs stay tests."""

import faulthandler
import json
import logging
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.chaos.campaign import Campaign, Run
from tests.chaos.fuzz_target import SAMPLED, Crash, Target, View, attempt, measured, smallest
from tests.chaos.fuzz_vault import DESCRIPTORS, MERGED, PACKS, SNAPSHOTS, TREES
from tests.chaos.fuzz_wire import TOKENS, WIRE

TARGETS: tuple[Target, ...] = (PACKS, TREES, SNAPSHOTS, WIRE, TOKENS, DESCRIPTORS, MERGED)
MORE_MEMORY_BYTES = 512 << 20
STUCK_S = 60
"""An input that keeps a parser busy for so long ends the process with a traceback."""


def body(run: Run) -> None:
    for target in TARGETS:
        found = _in_a_process(target, run.seed, run.rounds)
        run.counts[f"{target.name}: inputs"] += found["inputs"]
        run.counts[f"{target.name}: refused"] += found["refused"]
        run.counts["highest peak in KiB"] = max(run.counts["highest peak in KiB"], found["grown_kib"])
        run.say(f"{target.name}: {found['inputs']:,} inputs")


def _in_a_process(target: Target, seed: int, seconds: int) -> Counter[str]:
    command = [sys.executable, "-m", "tests.chaos.fuzz", target.name, str(seed), str(seconds)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2], timeout=seconds * 3 + 300
    )
    assert done.returncode == 0, f"{target.name}, seed {seed}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return Counter(json.loads(done.stdout.splitlines()[-1]))


def fuzz(target: Target, seed: int, seconds: float) -> Counter[str]:
    """Inputs for the target's views in turn. Raises Crash with the smallest input that fails."""
    dice = random.Random(f"{seed}/{target.name}")
    counts: Counter[str] = Counter()
    _warm_up(target)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for view in target.views:
            counts["inputs"] += 1
            data = view.make(dice)
            counts["refused"] += not _tried(view, data, sampled=counts["inputs"] % SAMPLED == 0)
            faulthandler.cancel_dump_traceback_later()
    counts["grown_kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return counts


def _warm_up(target: Target) -> None:
    """Not everything is refused: such a target would find nothing."""
    taken = 0
    for view in target.views:
        dice = random.Random(view.name)
        taken += sum(_tried(view, view.make(dice), sampled=False) for _ in range(200))
    assert taken, f"{target.name} refuses all"


def _tried(view: View, data: bytes, *, sampled: bool) -> bool:
    faulthandler.dump_traceback_later(STUCK_S, exit=True)
    try:
        return measured(view, data) if sampled else attempt(view, data)
    except Crash as crash:
        faulthandler.cancel_dump_traceback_later()  # this takes its time
        least = smallest(view, data, crash)
        raise Crash(f'{view.name}: {crash}\n    ("{view.name}", {least!r}),') from crash
    finally:
        faulthandler.cancel_dump_traceback_later()


def main() -> None:
    name, seed, seconds = sys.argv[1:]
    target = next(each for each in TARGETS if each.name == name)
    logging.disable(logging.CRITICAL)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MORE_MEMORY_BYTES, used + MORE_MEMORY_BYTES))
    print(json.dumps(fuzz(target, int(seed), float(seconds))))


CAMPAIGN = Campaign(
    "fuzz",
    "malformed packs, trees, snapshots, messages, tokens, descriptors and index objects: only typed errors, bounded "
    "memory",
    body,
    quick=1,
    full=600,
    unit="seconds per target",
)

if __name__ == "__main__":
    main()
