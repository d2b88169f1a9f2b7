"""What the patterns of content rules mean for an entry that a scan meets."""

import os
from enum import Enum, auto

from phoenix_core.agent.backup.leftout import LeftOut
from phoenix_core.agent.backup.levels import Level
from phoenix_core.agent.backup.records import join
from phoenix_core.agent.backup.ruleset import RuleSet
from phoenix_core.agent.backup.sources import SourceNode


class Fate(Enum):
    TAKEN = auto()
    OUT = auto()
    WAY = auto()
    """A folder that is left out, but for what in it leads to a source that is taken all the same: a line that begins
    with `!` may take back what is in an excluded folder."""


class Fates:
    def __init__(self, content: RuleSet, left_out: LeftOut) -> None:
        """`left_out` is told of what patterns leave out."""
        self._content = content
        self._left_out = left_out

    def of(
        self, above: Level, name: bytes, node: SourceNode | None, status: os.stat_result, *, is_folder: bool
    ) -> Fate:
        """Of an entry in a folder that the scan is in."""
        if node is None and name not in above.suspects:
            return Fate.TAKEN
        path = join(above.path, name)
        if not self._content.excludes_path(path, is_folder=is_folder):
            return Fate.TAKEN
        if node is None or not is_folder or not self._content.leads_on(path, node):
            self._left_out.excluded(above, name, status, node)
            return Fate.OUT
        if node.is_source or above.is_taken:
            self._left_out.excluded(above, name, status, SourceNode(node.is_source))
        return Fate.WAY
