"""One Markdown table of all that was measured through the line."""

from dataclasses import dataclass

from bench.measure import Measured
from bench.remote.line import Passed

HEAD = (
    "through the line",
    "seconds",
    "MB/s",
    "of the raw line",
    "local run, s",
    "of the local run",
    "round trips",
    "connections",
)


@dataclass(frozen=True)
class Row:
    what: str
    size_bytes: int
    """That crosses the line; 0: too little to speak of a rate."""
    far: tuple[Measured, Passed]
    raw_bytes_per_s: float | None
    local: Measured

    def as_markdown(self) -> str:
        measured, passed = self.far
        rate = self.size_bytes / measured.wall_s
        raw = self.raw_bytes_per_s
        cells = (
            self.what,
            f"{measured.wall_s:.2f}",
            f"{rate / 1e6:.0f}" if self.size_bytes else "–",
            f"{rate / raw:.2f} of {raw / 1e6:.0f} MB/s" if self.size_bytes and raw else "–",
            f"{self.local.wall_s:.2f}",
            f"{self.local.wall_s / measured.wall_s:.2f}",
            f"{passed.round_trips:,}",
            f"{passed.connections}",
        )
        return _row(cells)


def table(rows: list[Row]) -> str:
    return "\n".join([_row(HEAD), "|" + "---|" * len(HEAD), *(row.as_markdown() for row in rows)])


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
