"""What one content rule says of the files below what it names."""

from phoenix_core.agent.backup.records import join
from phoenix_core.agentlink.ruleorder import RuleOrder
from phoenix_core.domain.patterns import Patterns
from phoenix_core.domain.sieve import NameSieve

_NO_LIMIT = 1 << 64
_S = 1_000_000_000


class FileFilter:
    """`objection` costs some comparisons of numbers where a rule limits size or age, and less than a microsecond more
    for the end of a name. Not thread-safe."""

    def __init__(self, rule: RuleOrder, now_ns: int, *, ignore_case: bool = False) -> None:
        """`now_ns`: what ages are counted from. Raises PatternInvalid."""
        self.name = rule.name
        self.rule = rule
        self.includes = Patterns(rule.includes, ignore_case=ignore_case)
        self.only = _endings(rule.only_extensions)
        self.never = _endings(rule.not_extensions)
        self._smallest = rule.smallest_bytes
        self._largest = rule.largest_bytes or _NO_LIMIT
        self._not_before = now_ns - rule.changed_within_s * _S if rule.changed_within_s else -_NO_LIMIT
        self._not_after = now_ns - rule.older_than_s * _S if rule.older_than_s else _NO_LIMIT
        self._sieve = NameSieve([self.includes])
        self._folder = b""
        self._whole = False
        """Whether all in that folder is included."""
        limits = (rule.smallest_bytes, rule.largest_bytes, rule.changed_within_s, rule.older_than_s)
        self._looks_at_names = bool(self.only or self.never or rule.includes)
        self.takes_all = not (any(limits) or self._looks_at_names)

    def objection(self, folder: bytes, name: bytes, size: int, mtime_ns: int) -> str:
        """The field of the rule that leaves the file out; empty: the rule takes it."""
        if not self._smallest <= size <= self._largest:
            return "smallest_bytes" if size < self._smallest else "largest_bytes"
        if not self._not_before <= mtime_ns <= self._not_after:
            return "changed_within_s" if mtime_ns < self._not_before else "older_than_s"
        return self._objection_to_name(folder, name) if self._looks_at_names else ""

    def _objection_to_name(self, folder: bytes, name: bytes) -> str:
        if self.only and not ends_so(name, self.only):
            return "only_extensions"
        if self.never and ends_so(name, self.never):
            return "not_extensions"
        return "includes" if self.rule.includes and not self._is_included(folder, name) else ""

    def _is_included(self, folder: bytes, name: bytes) -> bool:
        if self.includes.takes_back:
            return self.includes.match(join(folder, name))
        if folder != self._folder:
            self._folder, self._whole = folder, self.includes.match(folder, is_folder=True)
        if self._whole:
            return True
        return bool(self._sieve.suspects(folder, (name,))) and self.includes.match(join(folder, name))


def ends_so(name: bytes, endings: tuple[bytes, ...]) -> bool:
    """Whether a name has one of these extensions; what begins with a dot and has no other has none."""
    return name.lstrip(b".").lower().endswith(endings)


def _endings(extensions: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(b"." + extension.encode("utf-8", "surrogateescape").lower() for extension in extensions)
