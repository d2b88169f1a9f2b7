"""The process of one target: guided by coverage where atheris is installed, by our mutator alone elsewhere.

`python -m tests.chaos.fuzz_process TARGET --seed N --seconds N --folder EMPTY`, or one input again:
`python -m tests.chaos.fuzz_process TARGET --view VIEW --input HEX`. It has half a gigabyte of address space more than
at its start, so that an input that asks for more ends it."""

import argparse
import importlib.util
import json
import logging
import resource
from contextlib import nullcontext
from pathlib import Path

from tests.chaos.fuzz_target import Target, measured, warm_up
from tests.chaos.fuzz_targets import named

GUIDED = importlib.util.find_spec("atheris") is not None
MORE_MEMORY_MIB = 512


def main() -> None:
    asked = _arguments()
    logging.disable(logging.CRITICAL)
    target = _target(asked.target)
    if asked.view is not None:
        print("taken" if measured(target.view(asked.view), bytes.fromhex(asked.input)) else "refused")
        return
    warm_up(target)
    memory_mib = _limit_memory()
    if GUIDED:
        from tests.chaos import fuzz_guided

        fuzz_guided.fuzz(target, asked.seed, asked.seconds, asked.folder, memory_mib)
    else:
        from tests.chaos import fuzz_unguided

        counts = fuzz_unguided.fuzz(target, asked.seed, asked.seconds)
        counts["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(json.dumps(counts))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="empty; takes the inputs worth keeping")
    parser.add_argument("--view")
    parser.add_argument("--input", help="in hexadecimal")
    return parser.parse_args()


def _target(name: str) -> Target:
    """What parses is imported here, to be instrumented."""
    if GUIDED:
        from tests.chaos.fuzz_guided import instrumented
    else:
        instrumented = nullcontext
    with instrumented():
        return named(name)


def _limit_memory() -> int:
    """Returns what may have been resident in the end, in MiB: the peak of a process begins with that of its parent."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (MORE_MEMORY_MIB << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10) + MORE_MEMORY_MIB


if __name__ == "__main__":
    main()
