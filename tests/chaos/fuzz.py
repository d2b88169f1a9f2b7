"""Malformed input for every parser: packs, trees, snapshots, wire messages, tokens, answers of a storage node. Only
typed errors, bounded memory.

Each target runs in a process of its own (`fuzz_process.py`), two of them side by side. An input that fails is made as
small as it can be and goes, with its view, into `fuzz_found.py`, whose inputs stay tests."""

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.campaign import Campaign, Run
from tests.chaos.fuzz_process import GUIDED
from tests.chaos.fuzz_target import REFUSED, SAVED, repeating
from tests.chaos.fuzz_targets import MODULES, named

SIDE_BY_SIDE = 2
_SAID = {
    "inputs": r"^stat::number_of_executed_units:\s*(\d+)",
    "edges": r"^#\d+\s+DONE\s+cov: (\d+)",
    "peak_mib": r"^stat::peak_rss_mb:\s*(\d+)",
}
"""What libFuzzer says at its end."""


def body(run: Run) -> None:
    kind = "inputs" if GUIDED else "inputs without guidance"
    with ThreadPoolExecutor(SIDE_BY_SIDE, "fuzz") as pool:
        results = pool.map(functools.partial(_in_a_process, seed=run.seed, seconds=run.rounds), MODULES)
        for target, counted in zip(MODULES, results, strict=True):
            run.counts[f"{target}: {kind}"] += counted["inputs"]
            run.counts[f"{target}: refused"] += counted["refused"]
            if GUIDED:
                run.counts[f"{target}: edges"] += counted["edges"]
            run.counts["most memory in MiB"] = max(run.counts["most memory in MiB"], counted["peak_mib"])
            edges = f", {counted['edges']:,} edges" if GUIDED else ""
            run.say(f"{target}: {counted['inputs']:,} {kind}{edges}")


def _in_a_process(target: str, *, seed: int, seconds: int) -> Counter[str]:
    """What was counted. Raises AssertionError with the input that ended it, and how to repeat it."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        command = [sys.executable, "-m", "tests.chaos.fuzz_process", target]
        command += ["--seed", str(seed), "--seconds", str(seconds), "--folder", folder]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd=Path(__file__).parents[2],
            env=os.environ | {"TMPDIR": folder},  # libFuzzer ends the process without its clearing up
            timeout=seconds * 3 + 300,
        )
        told = [line for line in done.stderr.splitlines() if not line.startswith("#")]  # those are libFuzzer's progress
        ends = f"{done.stdout[-3000:]}\n{chr(10).join(told)[-20_000:]}\n{_saved_in(Path(folder), target)}"
        assert done.returncode == 0, f"{target}, seed {seed}:\n{ends}"
        if not GUIDED:
            return Counter(json.loads(done.stdout.splitlines()[-1]))
        refused = int.from_bytes((Path(folder) / REFUSED).read_bytes(), "little")
    said = {name: _number(pattern, done.stderr) for name, pattern in _SAID.items()}
    return Counter({**said, "refused": refused})


def _saved_in(folder: Path, target: str) -> str:
    """How to repeat the input that libFuzzer saved as it was stopped: too much memory, too much time, a crash in C."""
    saved = [path.read_bytes() for path in folder.glob(f"{SAVED}*")]
    return "\n".join(repeating(named(target), *named(target).view_of(data)) for data in saved)


def _number(pattern: str, text: str) -> int:
    said = re.search(pattern, text, re.MULTILINE)
    assert said is not None, f"libFuzzer didn't say {pattern}:\n{text[-3000:]}"
    return int(said[1])


CAMPAIGN = Campaign(
    "fuzz",
    "malformed packs, trees, snapshots, records, messages, tokens, descriptors, index objects and answers of a storage "
    "node: only typed errors, bounded memory",
    body,
    quick=1,
    full=600,
    unit="seconds per target",
)
