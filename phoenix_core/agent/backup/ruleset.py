"""The content rules of a backup together: which of them hold at a place, and what they take there.

A rule holds at and below its paths, but not in a tagged cache that it skips, nor beyond a mount point that it doesn't
cross. What any rule that holds takes is taken; what `excludes` of any rule means is left out, wherever it lies.
"""

from collections.abc import Sequence

from phoenix_core.agent.backup.filefilter import FileFilter
from phoenix_core.agent.backup.sources import SourceNode, sources_in
from phoenix_core.agentlink.ruleorder import RuleOrder
from phoenix_core.domain.patterns import Patterns
from phoenix_core.domain.sieve import NameSieve


class Takers:
    """The rules that hold at a place. One object for each set of rules, so that it is made but once."""

    __slots__ = ("beyond_mount", "filters", "in_cache", "mask", "skips_caches")

    def __init__(self, mask: int, filters: Sequence[FileFilter], *, all_cross: bool = False) -> None:
        """Bit n of `mask`: rule n holds."""
        held = [(1 << at, each) for at, each in enumerate(filters) if mask >> at & 1]
        self.mask = sum(bit for bit, _ in held)
        self.filters = () if any(each.takes_all for _, each in held) else tuple(each for _, each in held)
        """Asked in turn; none: all files are taken."""
        self.in_cache = sum(bit for bit, each in held if not each.rule.skip_caches)
        """Of these rules those that hold in a tagged cache, too."""
        self.skips_caches = self.in_cache != self.mask
        self.beyond_mount = sum(bit for bit, each in held if all_cross or each.rule.cross_mounts)
        """Those that hold on a file system mounted here, too."""

    def objection(self, folder: bytes, name: bytes, size: int, mtime_ns: int) -> str:
        """The field by which the first of the rules leaves a file out; empty: one of the rules takes it."""
        first = ""
        for each in self.filters:
            field = each.objection(folder, name, size, mtime_ns)
            if not field:
                return ""
            first = first or field
        return first


NOBODY = Takers(0, ())


class RuleSet:
    """Not thread-safe."""

    def __init__(
        self, rules: Sequence[RuleOrder], now_ns: int = 0, *, all_cross: bool = False, ignore_case: bool = False
    ) -> None:
        """`all_cross`: each rule crosses mount points, whatever it says. Raises PatternInvalid."""
        self.orders = tuple(rules)
        self.now_ns = now_ns
        self.all_cross = all_cross
        self.filters = tuple(FileFilter(rule, now_ns, ignore_case=ignore_case) for rule in rules)
        self.excludes = tuple(Patterns(rule.excludes, ignore_case=ignore_case) for rule in rules)
        """In the order of the rules."""
        self.sieve = NameSieve(self.excludes)
        self._takers = {0: NOBODY}

    @classmethod
    def whole(cls, *excludes: str, cross_mounts: bool = False) -> "RuleSet":
        """One rule that takes all but what is excluded."""
        return cls((RuleOrder((b"/",), excludes=excludes, cross_mounts=cross_mounts),))

    def at(self, mask: int) -> Takers:
        found = self._takers.get(mask)
        if found is None:
            found = self._takers[mask] = Takers(mask, self.filters, all_cross=self.all_cross)
        return found

    def excludes_path(self, path: bytes, *, is_folder: bool) -> bool:
        """Whether a pattern of any rule means the path, or a folder above it."""
        return any(patterns.match(path, is_folder=is_folder) for patterns in self.excludes)

    def leads_on(self, path: bytes, node: SourceNode) -> bool:
        """Whether a source below a path is one that no pattern means, as a file or as a folder: a line that begins with
        `!` may take back what is in an excluded folder."""
        return any(
            not self.excludes_path(at, is_folder=is_folder)
            for at in sources_in(path, node)
            if at != path
            for is_folder in (True, False)
        )
