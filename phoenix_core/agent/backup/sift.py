"""What content rules mean for a folder that the scan goes into: which hold, and which names need a closer look."""

import os

from phoenix_core.agent.backup.leftout import LeftOut
from phoenix_core.agent.backup.levels import Level
from phoenix_core.agent.backup.marks import CACHE_TAG, half_restored, is_cache
from phoenix_core.agent.backup.records import join
from phoenix_core.agent.backup.ruleset import RuleSet, Takers
from phoenix_core.agent.backup.sources import SourceNode


class Sift:
    def __init__(self, content: RuleSet, left_out: LeftOut) -> None:
        self._content = content
        self._left_out = left_out

    def takers(self, above: Level, node: SourceNode | None, *, beyond_mount: bool = False) -> Takers:
        """The rules that hold for an entry: those that name it, and those that hold in the folder that it is in."""
        if not beyond_mount and (node is None or not node.is_source):
            return above.takers
        mask = above.takers.beyond_mount if beyond_mount else above.takers.mask
        return self._content.at(mask | _named(node))

    def enter(self, level: Level, names: list[bytes]) -> None:
        """Of a folder that is taken whole, by its sorted names: what in it needs no look, and what a closer one."""
        temporary = half_restored(names)
        if temporary:
            for name in temporary:
                self._left_out.own(join(level.path, name), None)
            names = sorted(set(names) - set(temporary))
            level.names = iter(names)
        if level.takers.skips_caches and is_cache(level.fd, names):
            level.takers = self._content.at(level.takers.in_cache | _named(level.node))
            if not level.takers.mask:
                self._left_out.cached(level)
                below = level.node.below.keys() if level.node is not None else set()
                names = [name for name in names if name == CACHE_TAG or name in below]
                level.names = iter(names)
        level.suspects = self._content.sieve.suspects(level.path, names)


def may_be_out(level: Level, name: bytes, status: os.stat_result) -> bool:
    """Whether a rule may leave the file out."""
    return name in level.suspects or bool(
        level.takers.filters and level.takers.objection(level.path, name, status.st_size, status.st_mtime_ns)
    )


def _named(node: SourceNode | None) -> int:
    return node.rules if node is not None else 0
