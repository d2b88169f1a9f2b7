"""One Markdown table of all that was measured through the line."""

import statistics
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
class Turn:
    """One job, through the line and on one host."""

    far: tuple[Measured, Passed]
    local: Measured
    raw_bytes_per_s: float | None


@dataclass(frozen=True)
class Row:
    """Medians of some rounds; round trips and connections are the most of any round."""

    what: str
    size_bytes: int
    """That crosses the line; 0: too little to speak of a rate."""
    turns: list[Turn]

    def as_markdown(self) -> str:
        far_s = statistics.median(turn.far[0].wall_s for turn in self.turns)
        local_s = statistics.median(turn.local.wall_s for turn in self.turns)
        raw = statistics.median(turn.raw_bytes_per_s or 0.0 for turn in self.turns)
        passed = [turn.far[1] for turn in self.turns]
        rate = self.size_bytes / far_s
        cells = (
            self.what,
            f"{far_s:.2f}",
            f"{rate / 1e6:.0f}" if self.size_bytes else "–",
            f"{rate / raw:.2f} of {raw / 1e6:.0f} MB/s" if self.size_bytes and raw else "–",
            f"{local_s:.2f}",
            f"{local_s / far_s:.2f}",
            f"{max(each.round_trips for each in passed):,}",
            f"{max(each.connections for each in passed)}",
        )
        return _row(cells)


def table(rows: list[Row]) -> str:
    return "\n".join([_row(HEAD), "|" + "---|" * len(HEAD), *(row.as_markdown() for row in rows)])


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
