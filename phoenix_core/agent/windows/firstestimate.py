"""How long a backup will take, before anything was scanned (WF4.5): from the last one, else from what the volumes
hold."""

from collections.abc import Sequence
from pathlib import Path

from phoenix_core.agent.backup import estimate
from phoenix_core.agent.windows.seam import Volume
from phoenix_core.domain.amounts import size


def first_estimate(state_dir: Path, volumes: Sequence[Volume], *, is_full: bool) -> str:
    """In words, for the step; the scan's own follows in its place."""
    used_bytes = sum(volume.total_bytes - volume.free_bytes for volume in volumes)
    seconds = estimate.load(state_dir).estimate_s(0, used_bytes)
    letters = ", ".join(f"{volume.letter}:" for volume in volumes)
    what = "at most" if is_full else "less than the full"
    return f"{what} {_words(seconds)}, for the {size(used_bytes)} on {letters}; told anew after the scan"


def _words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
