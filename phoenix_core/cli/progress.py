"""How a job's progress is shown: a bar with rate and ETA on a terminal, below a restore's checks; else plain lines,
nothing with --json."""

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from phoenix_core.cli.output import seconds, size, warn
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.states import JobKind, StepState
from phoenix_core.domain.views import JobView, ProgressView, StepView

LINE_EVERY_S = 5.0
WORK_GOES_ON = "The work goes on."
CHECKS = frozenset({"WF6.3", "WF6.4", "WF6.5"})
"""Of a restore, before it writes anything."""


class JobDisplay(Protocol):
    """Shows a job as it goes. A context: what was drawn is finished when it ends."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...
    def job(self, view: JobView) -> None: ...
    def progress(self, view: ProgressView) -> None: ...


def job_display(*, as_json: bool, label: str = "") -> JobDisplay:
    """Progress goes to standard error, so that standard output holds the result alone."""
    if as_json:
        return SilentDisplay()
    if sys.stderr.isatty():
        return BarDisplay(label)
    return LineDisplay(label)


class SilentDisplay:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return

    def job(self, view: JobView) -> None:
        return

    def progress(self, view: ProgressView) -> None:
        return


class LineDisplay(SilentDisplay):
    """A line for each step that ends (unless the job has a label, and is one of several), and one each five seconds."""

    def __init__(self, label: str) -> None:
        self._label = f"{label}: " if label else ""
        self._ended = _EndedSteps()
        self._last = time.monotonic()
        self._held_up = ""

    def job(self, view: JobView) -> None:
        if view.held_up != self._held_up and not view.state.is_final:
            warn(f"{self._label}{view.held_up or WORK_GOES_ON}")
            self._held_up = view.held_up
        for line in () if self._label else self._ended.lines(view.steps):
            warn(line)

    def progress(self, view: ProgressView) -> None:
        now = time.monotonic()
        if now - self._last < LINE_EVERY_S:
            return
        self._last = now
        warn(f"{self._label}{describe(view)}")


class BarDisplay(SilentDisplay):
    """Above the bar: a restore's checks, each once it is over."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._ended = _EndedSteps()
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(width=13, no_wrap=True)),
            BarColumn(bar_width=12, table_column=Column(width=12)),
            TextColumn("{task.fields[share]:>4}", table_column=Column(width=4, no_wrap=True)),
            TextColumn("{task.fields[detail]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            console=Console(stderr=True, soft_wrap=False),
            transient=True,
            expand=True,
        )
        self._task: TaskID | None = None
        self._held_up = ""

    def __enter__(self) -> Self:
        self._progress.start()
        self._task = self._progress.add_task(self._label or "waiting", total=None, share="", detail="")
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def job(self, view: JobView) -> None:
        if view.state.is_waiting and self._task is not None:
            self._progress.update(self._task, detail=view.state.replace("_", " "))
        if view.held_up != self._held_up and not view.state.is_final:
            self._print(view.held_up or WORK_GOES_ON)
            self._held_up = view.held_up
        if view.kind is JobKind.FILE_RESTORE and not self._label:
            for line in self._ended.lines(step for step in view.steps if step.id in CHECKS):
                self._print(line)

    def _print(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def progress(self, view: ProgressView) -> None:
        if self._task is None:
            return
        done, total = (view.bytes_done, view.bytes_total) if view.bytes_total else (view.files_done, view.files_total)
        self._progress.update(
            self._task,
            description=self._label or view.phase,
            completed=done,
            total=total or None,
            share=f"{done / total:.0%}" if total else "",
            detail=_brief(view),
        )


class _EndedSteps:
    """The lines of steps that are over, each once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def lines(self, steps: Iterable[StepView]) -> Iterator[str]:
        for step in steps:
            if step.state in {StepState.DONE, StepState.FAILED} and step.id not in self._told:
                self._told.add(step.id)
                yield f"{step.id}  {step.title}{f': {step.detail}' if step.detail else ''}"


def describe(view: ProgressView) -> str:
    """Such as `transfer 12 of 345 files, 1.2 GiB of 3.4 GiB, 210.0 MiB/s, 12 s left`."""
    return f"{view.phase} {', '.join([*_counts(view), *_rates(view)])}".rstrip()


def _brief(view: ProgressView) -> str:
    """The same beside a bar: what matters most comes first, since a narrow terminal cuts the end off."""
    return ", ".join([*_rates(view), *reversed(_counts(view))])


def _counts(view: ProgressView) -> list[str]:
    parts = []
    if view.files_total:
        parts.append(f"{view.files_done} of {amount(view.files_total, 'file')}")
    elif view.files_done:
        parts.append(amount(view.files_done, "file"))
    if view.bytes_total:
        parts.append(f"{size(view.bytes_done)} of {size(view.bytes_total)}")
    return parts


def _rates(view: ProgressView) -> list[str]:
    parts = []
    if view.bytes_per_s:
        parts.append(f"{size(view.bytes_per_s)}/s")
    if view.eta_s > 0:
        parts.append(f"{seconds(view.eta_s)} left")
    return parts
