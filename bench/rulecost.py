"""What content rules cost a scan: `python -m bench.rulecost [FILES]` walks a tree by a rule of a dozen filters and by
one without, in turn, and prints the medians and their ratio. The tree lies in memory: nothing but the walk counts."""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from phoenix_core.agent.backup.mounts import Mounts
from phoenix_core.agent.backup.ruleset import RuleSet
from phoenix_core.agent.backup.ruleverdicts import Nowhere
from phoenix_core.agent.backup.scan import Scan
from phoenix_core.agent.backup.scanrules import ScanCounts, ScanRules
from phoenix_core.agent.backup.sources import source_tree
from phoenix_core.agentlink.ruleorder import RuleOrder

RUNS = 15
FOLDER_FILES = 50
MIXES = {"a third left out": ("txt", "py", "jpg", "log", "tmp", "h"), "nothing left out": ("txt", "py", "jpg", "h")}
"""Endings of the files' names."""
DAY_S = 86_400


def filtered(root: bytes) -> RuleOrder:
    """Twelve: six patterns, three extensions, a size, an age, and caches."""
    return RuleOrder(
        (root,),
        "dozen",
        excludes=("*.tmp", "*.bak", "/**/node_modules/", "~*", "cache-[0-9]*/", "core.*"),
        not_extensions=("iso", "vmdk", "log"),
        largest_bytes=1 << 30,
        changed_within_s=3650 * DAY_S,
        skip_caches=True,
    )


def build(root: Path, files: int, endings: tuple[str, ...]) -> None:
    for number in range(files):
        folder = root / f"folder-{number // FOLDER_FILES // 20}" / f"sub-{number // FOLDER_FILES}"
        if number % FOLDER_FILES == 0:
            folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file-{number}.{endings[number % len(endings)]}").touch()


def walk(root: bytes, rule: RuleOrder) -> tuple[float, ScanCounts]:
    rules = ScanRules(RuleSet((rule,), time.time_ns()), Mounts.current())
    nowhere = Nowhere()
    scan = Scan(source_tree({root: 1}), rules, None, nowhere, nowhere, lambda path: None)
    began = time.perf_counter()
    scan.run()
    return time.perf_counter() - began, scan.counts


def compare(root: bytes) -> str:
    rules = (RuleOrder((root,), "all"), filtered(root))
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(RUNS):
        for rule, each in zip(rules, took, strict=True):
            each.append(walk(root, rule)[0])
    whole, some = map(statistics.median, took)
    return f"{whole:.3f} s without filters, {some:.3f} s with a dozen, ratio {some / whole:.2f}"


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    memory = Path("/dev/shm")
    for mix, endings in MIXES.items():
        with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
            root = Path(folder).resolve()
            build(root, files, endings)
            print(f"{files} files, {mix}: {compare(bytes(root))} ({RUNS} runs each)")


if __name__ == "__main__":
    main()
