"""All measurements of a run, and the medians and ratios drawn from them."""

import statistics
from collections import defaultdict
from collections.abc import Callable

from bench.measure import Measured
from bench.plan import Part

PHOENIX = "phoenix"
NO_PROOF = "phoenix, no proof"


class Figures:
    def __init__(self) -> None:
        self.parts: dict[str, Part] = {}
        self.versions: dict[str, str] = {}
        self._measured: dict[tuple[str, str, str], list[Measured]] = defaultdict(list)
        self._stored: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._proofs: dict[str, list[Measured]] = defaultdict(list)

    def begin(self, part: Part) -> None:
        self.parts[part.data.key] = part

    def add(self, key: str, row: str, tool: str, measured: Measured) -> None:
        self._measured[key, row, tool].append(measured)

    def stored(self, key: str, tool: str, stored_bytes: int) -> None:
        """After the first backup."""
        self._stored[key, tool].append(stored_bytes)

    def proved(self, key: str, measured: Measured) -> None:
        """What the proof of the first backup's packs took after it."""
        self._proofs[key].append(measured)

    def version(self, tool: str, version: str) -> None:
        self.versions[tool] = version

    # --- drawn from them ---------------------------------------------------------------------------------------------

    def tools(self, key: str) -> list[str]:
        return list(dict.fromkeys(tool for at, _, tool in self._measured if at == key))

    def peers(self, key: str) -> list[str]:
        return [tool for tool in self.tools(key) if not tool.startswith(PHOENIX)]

    def all(self, key: str, row: str, tool: str) -> list[Measured]:
        return self._measured.get((key, row, tool), [])

    def median(self, key: str, row: str, tool: str, of: Callable[[Measured], float]) -> float | None:
        found = self.all(key, row, tool)
        return statistics.median(map(of, found)) if found else None

    def ratio(self, key: str, row: str, of: Callable[[Measured], float]) -> tuple[float, str] | None:
        """How many times as long the fastest peer takes, and which one that is."""
        own = self.median(key, row, PHOENIX, of)
        peers = [(value, tool) for tool in self.peers(key) if (value := self.median(key, row, tool, of)) is not None]
        if own is None or not peers:
            return None
        value, tool = min(peers)
        return value / own, tool

    def stored_bytes(self, key: str, tool: str) -> int | None:
        found = self._stored.get((key, tool))
        return round(statistics.median(found)) if found else None

    def proof(self, key: str) -> tuple[float, float] | None:
        """Seconds on the clock and of the processors that the proof took after the first backup; medians."""
        found = self._proofs.get(key)
        if not found:
            return None
        return statistics.median(each.wall_s for each in found), statistics.median(each.cpu_s for each in found)

    def peak_bytes(self, key: str, row: str, tool: str, role: str = "") -> int:
        """The highest of all rounds; `role`: of one role only."""
        return max(
            (each.peaks.get(role, 0) if role else each.peak_bytes for each in self.all(key, row, tool)), default=0
        )
