"""`python -m bench.timeleft`: how far off the time left is that a job tells; see `make bench-timeleft`.

For every moment of the transfer from its half on: how far the end that was told lies from the real one, as a share of
the transfer's whole time. Above a quarter the command fails. With --traces FOLDER the progress is kept, as data for the
tests."""

import argparse
import asyncio
import contextlib
import json
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from bench.data.dataset import Dataset
from bench.data.diskimage import DiskImage
from bench.data.smallfiles import SmallFiles
from bench.measure import Failed
from bench.memoryfolder import work_folder
from bench.page import machine, put_between, table_head, table_row, today
from bench.tools.phoenix import SERVER, Phoenix
from phoenix_core.client import CoreClient
from phoenix_core.domain.requests import BackupRequest, RestoreRequest
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import JobView, ProgressView

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- timeleft: begin -->", "<!-- timeleft: end -->"
MOVING = frozenset({"transfer", "download"})
MOST = 0.25
Ask = Callable[[CoreClient], Awaitable[JobView]]


@dataclass(frozen=True)
class Told:
    """What was told at one moment, in seconds since the first of them."""

    at_s: float
    progress: ProgressView


class Watched(Phoenix):
    def watch(self, ask: Ask) -> tuple[list[Told], float]:
        """Run a job: what was told while it moved content, and when that was over."""
        told, end_s = asyncio.run(self._watched(ask))
        self._until_proved()
        return told, end_s

    async def _watched(self, ask: Ask) -> tuple[list[Told], float]:
        told: list[Told] = []
        began = end_s = 0.0
        async with self._client() as client, contextlib.aclosing(client.events()) as events:
            await anext(events)
            job = await ask(client)
            while not job.state.is_final:
                event = await anext(events)
                if event.job is None or event.job.id != job.id:
                    continue
                job, progress = event.job, event.job.progress
                began = began or time.monotonic()
                if progress is not None and progress.phase in MOVING:
                    began = time.monotonic() if not told else began
                    told.append(Told(time.monotonic() - began, progress))
                elif told and not end_s:
                    end_s = time.monotonic() - began
            if job.state is not JobState.SUCCESSFUL:
                raise Failed(f"the job ended {job.state}: {job.error}")
        return told, end_s or time.monotonic() - began


@dataclass(frozen=True)
class Case:
    title: str
    data: tuple[tuple[str, Dataset], ...]
    """By the names of their folders."""
    known: tuple[str, ...] = ()
    """Folders that an earlier backup has stored under another path."""
    foreseeable: bool = True
    """False: half-way of a backup nothing can tell that the rest will be faster."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.timeleft", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    parser.add_argument("--traces", type=Path, help="a folder for what was told, as JSON")
    options = parser.parse_args()
    lines = table_head(["from half-way on", "backup", "takes", "restore", "takes"])
    worst = 0.0
    with work_folder("") as folder:
        for case in _cases(0.1 if options.quick else 1):
            cells = []
            for job, (told, end_s) in _jobs(case, folder).items():
                off = _worst(told, end_s)
                if case.foreseeable or job != "backup":
                    worst = max(worst, off)
                cells += [f"{100 * off:.0f} %", f"{end_s:.1f} s"]
                if options.traces:
                    _keep(options.traces, f"{case.title}, {job}", told, end_s)
            lines.append(table_row([case.title, *cells]))
            print(lines[-1], flush=True)
    if options.write:
        put_between(PAGE, BEGIN, END, "\n".join([f"{today()}, {machine()}.", "", *lines]))
    return 0 if worst <= MOST else 1


def _cases(scale: float) -> list[Case]:
    files, image = int(108_000 * scale), int(4e9 * scale)

    def small(key: str, count: int) -> Dataset:
        return SmallFiles(key, count, 11_200, "small files")

    return [
        Case("small files", (("a", small("a", files)),)),
        Case("an image", (("a", DiskImage(image)),)),
        Case("small files, then an image", (("a", small("a", files // 2)), ("b", DiskImage(image // 2)))),
        Case("an image, then small files", (("a", DiskImage(image // 2)), ("b", small("a", files // 2)))),
        Case("stored already, then new", (("a", small("a", files)), ("b", small("b", files // 2))), ("a",)),
        Case(
            "new, then stored already",
            (("a", small("a", files // 2)), ("b", small("b", files))),
            ("b",),
            foreseeable=False,
        ),
    ]


def _jobs(case: Case, folder: Path) -> dict[str, tuple[list[Told], float]]:
    source, work, earlier = folder / "source", folder / "work", folder / "earlier"
    target = work / "restored"
    target.mkdir(parents=True)
    for name, data in case.data:
        data.make(source / name)
    tool = Watched()
    try:
        tool.open(work)
        for name in case.known:
            shutil.copytree(source / name, earlier, symlinks=True)
            tool.backup(earlier)
            shutil.rmtree(earlier)
        backup = tool.watch(lambda client: client.backup(BackupRequest(SERVER, (str(source),))))
        restore = tool.watch(lambda client: client.restore(RestoreRequest(SERVER, destination=str(target))))
        return {"backup": backup, "restore": restore}
    finally:
        tool.close()
        shutil.rmtree(work)
        shutil.rmtree(source)


def _worst(told: list[Told], end_s: float) -> float:
    """The largest share by which the end was told wrongly; all of it where nothing was told."""
    late = [each for each in told if each.at_s >= end_s / 2]
    if not late or any(each.progress.eta_s < 0 for each in late):
        return 1.0
    return max(abs(each.at_s + each.progress.eta_s - end_s) for each in late) / end_s


def _keep(folder: Path, title: str, told: list[Told], end_s: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    last = told[-1].progress
    kept = {
        "title": title,
        "files": last.files_total,
        "bytes": last.bytes_total,
        "end_s": round(end_s, 3),
        "told": [[round(each.at_s, 3), each.progress.files_done, each.progress.bytes_done] for each in told],
    }
    (folder / f"{title.replace(',', '').replace(' ', '-')}.json").write_text(json.dumps(kept) + "\n")


if __name__ == "__main__":
    sys.exit(main())
