"""A progress bar as text: full and empty parts differ in shape, so that it reads without colour."""

from textual.content import Content

from phoenix_core.domain.views import ProgressView
from phoenix_tui.tones import DIM, LIVE


def fraction_done(progress: ProgressView | None) -> float | None:
    """From 0 to 1, by bytes where they are known, else by files; None where neither total is known yet."""
    if progress is None:
        return None
    for done, total in ((progress.bytes_done, progress.bytes_total), (progress.files_done, progress.files_total)):
        if total > 0:
            return min(1.0, done / total)
    return None


def bar(fraction: float | None, width: int, tone: str = LIVE) -> Content:
    """`━━━━━╸─────`, `width` cells wide; None: nothing known yet."""
    if fraction is None:
        return Content.assemble(("─" * width, DIM))
    halves = round(max(0.0, min(1.0, fraction)) * width * 2)
    full = "━" * (halves // 2) + ("╸" if halves % 2 else "")
    return Content.assemble((full, tone), ("─" * (width - len(full)), DIM))


def percent_done(fraction: float | None) -> str:
    """`47 %`; never 100 before it is all done."""
    return "" if fraction is None else f"{int(fraction * 100):d} %"
