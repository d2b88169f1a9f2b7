"""`python -m bench`: measure Phoenix beside the peers that are installed; see `make bench`.

Every round measures each program in turn, each with a fresh repository, on the same data; programs take turns in being
first. Data, repositories and restored files lie in memory, or in --folder, and are removed at the end."""

import argparse
import gc
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import page
from bench.figures import NO_PROOF, PHOENIX, Figures
from bench.measure import Failed, Measured
from bench.memoryfolder import work_folder
from bench.plan import FIRST, Part, parts, run_part
from bench.tools.borg import Borg
from bench.tools.kopia import Kopia
from bench.tools.phoenix import Phoenix
from bench.tools.restic import Restic
from bench.tools.rustic import Rustic
from bench.tools.tool import Tool

PEERS: dict[str, Callable[[str], Tool]] = {"restic": Restic, "rustic": Rustic, "kopia": Kopia, "borg": Borg}
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
Make = Callable[[], Tool]


def main() -> int:
    options = _options()
    makers: dict[str, Make] = {PHOENIX: Phoenix}
    for name in options.peers.split(",") if options.peers else PEERS:
        program = shutil.which(name)
        if program:
            makers[name] = partial(PEERS[name], program)
        else:
            print(f"{name} is not installed; it is left out")
    figures = Figures()
    with work_folder(options.folder) as folder:
        for part in parts(0.1 if options.quick else 1):
            if part.data.key in options.parts:
                _measure(part, makers, folder, figures, options)
                print(page.part(figures, part.data.key), flush=True)
    if options.write:
        page.write(PAGE, figures)
    return 0


def _measure(part: Part, makers: dict[str, Make], folder: Path, figures: Figures, options: argparse.Namespace) -> None:
    source = folder / "source"
    began = time.monotonic()
    part.data.make(source)
    figures.begin(part)
    print(f"({part.data.key}) {part.data.title}, made in {time.monotonic() - began:.0f} s", flush=True)
    turns = {name: make for name, make in makers.items() if name == PHOENIX or not part.peers or name in part.peers}
    turns[NO_PROOF] = lambda: Phoenix(prove=False)
    names = list(turns)
    for number in range(options.rounds):
        for at in range(len(names)):
            name = names[(at + number) % len(names)]
            part.data.change(source, 0)
            _one(part, name, turns[name](), source, folder / "work", figures)
    shutil.rmtree(source)


def _one(part: Part, name: str, tool: Tool, source: Path, work: Path, figures: Figures) -> None:
    gc.collect()
    taken: list[str] = []

    def keep(row: str, measured: Measured) -> None:
        figures.add(part.data.key, row, name, measured)
        if row == FIRST:
            figures.stored(part.data.key, name, tool.stored_bytes())
        taken.append(f"{row} {measured.without_start_s:.2f}")

    only_first = name == NO_PROOF
    try:
        run_part(part, tool, source, work, keep, only_first=only_first)
    except Failed as error:
        print(f"  {name} failed: {error}", flush=True)
        if name.startswith(PHOENIX):
            raise
    if isinstance(tool, Phoenix) and tool.proof and not only_first:
        figures.proved(part.data.key, tool.proof[0])
    figures.version(name, tool.version)
    print(f"  {name}: {', '.join(taken)}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, one round")
    parser.add_argument("--rounds", type=int, help="default 3; 1 with --quick")
    parser.add_argument("--parts", default="abcd", help="some of a, b, c, d")
    parser.add_argument("--peers", default="", help=f"some of {','.join(PEERS)}; default: all that are on the PATH")
    parser.add_argument("--folder", default="", help="default: in memory")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.name}")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


if __name__ == "__main__":
    sys.exit(main())
