"""`make simulate`: fortnights of a fleet, each from a seed of its own."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import structlog

from tests.simulation.fleet import beginning, live
from tests.simulation.plan import Fortnight


def main() -> None:
    words = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    words.add_argument("--seed", type=int, default=int(time.time()))
    words.add_argument("--servers", type=int, default=50)
    words.add_argument("--rounds", type=int, default=1)
    given = words.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    for seed in range(given.seed, given.seed + given.rounds):
        began = time.monotonic()
        _say(f"{given.servers} servers for a fortnight, seed {seed}")
        with tempfile.TemporaryDirectory(prefix="phoenix-simulation-") as folder:
            asyncio.run(live(Path(folder), Fortnight(seed, beginning(), given.servers), _say))
        _say(f"as predicted, in {time.monotonic() - began:.0f} s")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
