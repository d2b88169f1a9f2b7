"""What a scan doesn't take: what can't be read, recorded as missing; and what nobody wants, counted."""

import os
from collections import Counter
from collections.abc import Callable, Iterable

from phoenix_core.agent.backup.filesystem_errors import VANISHED
from phoenix_core.agent.backup.levels import Level
from phoenix_core.agent.backup.records import join
from phoenix_core.agent.backup.ruleset import Takers
from phoenix_core.agent.backup.sources import SourceNode, sources_in

NOT_FOUND = "not_found"
EXCLUDED = "excluded"
FILTERED = "filtered"
VIRTUAL = "virtual_file_system"
OWN_DATA = "own_data"
TOO_DEEP = "too_deep"
TOLD_MAX = 100


class LeftOut:
    """Told by the scan."""

    def __init__(self, lost: Callable[[bytes, str], None]) -> None:
        """`lost` is told of each entry that can't be read, and why."""
        self._lost = lost
        self.source_problems: dict[bytes, str] = {}
        """Sources that are not in the snapshot, and why."""
        self.counts: Counter[str] = Counter()
        """Entries that rules left out, by the field that decided."""
        self.own_data: list[bytes] = []
        """The first entries of Phoenix's own that were met."""

    # --- nobody wants it ---------------------------------------------------------------------------------------------

    def excluded(self, level: Level, name: bytes, status: os.stat_result, node: SourceNode | None) -> None:
        """A pattern of a rule means the entry."""
        self.counts["excludes"] += 1
        self._unwanted(join(level.path, name), node, EXCLUDED)

    def filtered(
        self, level: Level, name: bytes, status: os.stat_result, node: SourceNode | None, takers: Takers, field: str
    ) -> None:
        """None of the rules that hold takes the file; the first of them because of this field."""
        self.counts[field] += 1
        self._unwanted(join(level.path, name), node, FILTERED)

    def cached(self, level: Level) -> None:
        """The folder is a tagged cache, of which only the tag is taken."""
        self.counts["skip_caches"] += 1

    def own(self, path: bytes, node: SourceNode | None) -> None:
        """Phoenix keeps its own data there."""
        if len(self.own_data) < TOLD_MAX:
            self.own_data.append(path)
        self._unwanted(path, node, OWN_DATA)

    def closed(self, path: bytes, *, is_virtual: bool) -> None:
        """A folder on another file system is taken without what is in it."""

    # --- it can't be read --------------------------------------------------------------------------------------------

    def folder(self, path: bytes, node: SourceNode | None, reason: str) -> None:
        """A folder, or what isn't known not to be one, can't be read."""
        if node is not None:
            self.source(path, node, NOT_FOUND if reason == VANISHED else reason)
        else:
            self._lost(path, reason)

    def source(self, path: bytes, node: SourceNode, reason: str) -> None:
        """The sources at and below a path can't be read."""
        for at in sources_in(path, node):
            self.source_problems[at] = reason
            self._lost(at, reason)

    def absent(self, path: bytes, node: SourceNode, names: Iterable[bytes]) -> None:
        """Sources named below a folder that is taken whole, but aren't among its names."""
        for name in sorted(node.below.keys() - set(names)):
            self.source(join(path, name), node.below[name], NOT_FOUND)

    def _unwanted(self, path: bytes, node: SourceNode | None, reason: str) -> None:
        """Sources that are left out because someone wanted it: no missing files."""
        for at in sources_in(path, node) if node is not None else ():
            self.source_problems[at] = reason
