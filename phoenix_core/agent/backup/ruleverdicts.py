"""What a test of content rules tells of each entry: whether a backup would take it, and why, in words."""

import os
import stat
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from phoenix_core.agent.backup.content import Content, remarks
from phoenix_core.agent.backup.filefilter import FileFilter, ends_so
from phoenix_core.agent.backup.leftout import OWN_DATA, VIRTUAL, LeftOut
from phoenix_core.agent.backup.levels import Level
from phoenix_core.agent.backup.records import join
from phoenix_core.agent.backup.ruleset import Takers
from phoenix_core.agent.backup.saidofscan import said_of
from phoenix_core.agent.backup.scanrules import ScanCounts
from phoenix_core.agent.backup.sources import SourceNode
from phoenix_core.agentlink.ruletest import LeftOut as Reason
from phoenix_core.agentlink.ruletest import RuleTestOrder, RuleTestTotals, Verdict
from phoenix_core.domain.names import shown

FILE, FOLDER, LINK, OTHER = "file", "folder", "link", "other"
CONTENTS = "contents"
"""All that is in a folder, which itself is taken."""
Tell = Callable[[Verdict], None]


class Verdicts:
    """Tells them, and counts what is left out."""

    def __init__(self, content: Content, canonical: Callable[[bytes], bytes], tell: Tell) -> None:
        """`canonical`: a path in its one form. `tell` is told each verdict, in the order of the walk."""
        self.why = Why(content, canonical)
        self._tell = tell
        self._reasons: Counter[tuple[str, str, str]] = Counter()
        """Entries left out, by rule, field and value."""
        self._reason_bytes: Counter[tuple[str, str, str]] = Counter()

    def taken(self, path: bytes, kind: str, why: tuple[str, str, str], size: int = 0) -> None:
        self._tell(Verdict(path, kind, True, size, *why))

    def out(self, path: bytes, kind: str, why: tuple[str, str, str], size: int = 0) -> None:
        """The entry is left out."""
        self._reasons[why] += 1
        self._reason_bytes[why] += size
        self._tell(Verdict(path, kind, False, size, *why))

    def lost(self, path: bytes, reason: str) -> None:
        """It can't be read."""
        self.out(path, "", ("", reason, ""))

    def reasons(self) -> tuple[Reason, ...]:
        """The most frequent first."""
        return tuple(Reason(*key, count, self._reason_bytes[key]) for key, count in self._reasons.most_common())


class TellingScan(Protocol):
    """A scan that tells verdicts."""

    @property
    def counts(self) -> ScanCounts: ...

    @property
    def left_out(self) -> LeftOut: ...

    @property
    def verdicts(self) -> Verdicts: ...


def totals_of(order: RuleTestOrder, content: Content, scan: TellingScan, notes: tuple[str, ...] = ()) -> RuleTestTotals:
    """`notes`: beside those on the rules."""
    counts = scan.counts
    said = [text for level, text in said_of(scan.left_out, counts, content.rules) if level == "warning"]
    return RuleTestTotals(
        files=counts.files,
        folders=counts.folders,
        others=counts.others,
        bytes=counts.bytes,
        left_out=scan.verdicts.reasons(),
        notes=(*remarks(content, order.core_time_ns), *said, *notes),
    )


class ToldLeftOut(LeftOut):
    """Tells of what is left out."""

    def __init__(self, lost: Callable[[bytes, str], None], verdicts: Verdicts) -> None:
        super().__init__(lost)
        self._out = verdicts.out
        self._why = verdicts.why

    def excluded(self, level: Level, name: bytes, status: os.stat_result, node: SourceNode | None) -> None:
        super().excluded(level, name, status, node)
        path = join(level.path, name)
        size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        why = self._why.excluded(path, is_folder=stat.S_ISDIR(status.st_mode))
        self._out(path, kind_of(status), why, size)

    def filtered(
        self, level: Level, name: bytes, status: os.stat_result, node: SourceNode | None, takers: Takers, field: str
    ) -> None:
        super().filtered(level, name, status, node, takers, field)
        why = self._why.filtered(takers, level.path, name, status)
        self._out(join(level.path, name), FILE, why, status.st_size)

    def cached(self, level: Level) -> None:
        super().cached(level)
        self._out(level.path, CONTENTS, (self._why.first_of(level.path), "skip_caches", "CACHEDIR.TAG"), 0)

    def own(self, path: bytes, node: SourceNode | None) -> None:
        super().own(path, node)
        self._out(path, FOLDER, ("", OWN_DATA, ""), 0)

    def closed(self, path: bytes, *, is_virtual: bool) -> None:
        super().closed(path, is_virtual=is_virtual)
        why = ("", VIRTUAL, "") if is_virtual else (self._why.first_of(path), "cross_mounts", "no")
        self._out(path, CONTENTS, why, 0)


class Why:
    """Finds the words for what the rules decided: rule, field and value."""

    def __init__(self, content: Content, canonical: Callable[[bytes], bytes]) -> None:
        self._content = content
        self._filters = content.rules.filters
        self._named = [sorted(map(canonical, rule.paths), key=len, reverse=True) for rule in content.rules.orders]

    def taken(self, takers: Takers, folder: bytes, name: bytes, status: os.stat_result) -> tuple[str, str, str]:
        """By the first rule that takes the file."""
        path = join(folder, name)
        for at, each in self._held(takers):
            if each.objection(folder, name, status.st_size, status.st_mtime_ns):
                continue
            if each.rule.includes:
                return each.name, "includes", each.includes.which(path)
            if each.only:
                return each.name, "only_extensions", _extension(each.rule.only_extensions, name)
            return each.name, "paths", self._path_of(at, path)
        return self.named(takers, path)

    def named(self, takers: Takers, path: bytes) -> tuple[str, str, str]:
        """By the first rule that names the path or a folder above it."""
        for at, each in self._held(takers):
            return each.name, "paths", self._path_of(at, path)
        return self.first_of(path), "skip_caches", "CACHEDIR.TAG"  # of a tagged cache that is left out

    def first_of(self, path: bytes) -> str:
        """The name of the first rule that names the path or a folder above it."""
        return next((each.name for at, each in enumerate(self._filters) if self._path_of(at, path)), "")

    def excluded(self, path: bytes, *, is_folder: bool) -> tuple[str, str, str]:
        rules = self._content.rules
        for rule, patterns in zip(rules.orders, rules.excludes, strict=True):
            line = patterns.which(path, is_folder=is_folder)
            if line:
                return rule.name, "excludes", line
        return "", "excludes", ""

    def filtered(self, takers: Takers, folder: bytes, name: bytes, status: os.stat_result) -> tuple[str, str, str]:
        """By the first of the rules that hold; they all leave the file out."""
        for each in takers.filters:
            field = each.objection(folder, name, status.st_size, status.st_mtime_ns)
            if field:
                return each.name, field, _value(each, field, name)
        return "", "", ""

    def _held(self, takers: Takers) -> list[tuple[int, FileFilter]]:
        return [(at, each) for at, each in enumerate(self._filters) if takers.mask >> at & 1]

    def _path_of(self, at: int, path: bytes) -> str:
        """Which of a rule's paths names a path: the nearest one."""
        for named in self._named[at]:
            if path == named or path.startswith(named if named == b"/" else named + b"/"):
                return shown(named)
        return ""


def kind_of(status: os.stat_result) -> str:
    if stat.S_ISREG(status.st_mode):
        return FILE
    if stat.S_ISDIR(status.st_mode):
        return FOLDER
    return LINK if stat.S_ISLNK(status.st_mode) else OTHER


def _value(each: FileFilter, field: str, name: bytes) -> str:
    value = getattr(each.rule, field)
    if field == "not_extensions":
        return _extension(value, name)
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _extension(extensions: tuple[str, ...], name: bytes) -> str:
    return next((each for each in extensions if ends_so(name, (b"." + each.encode("utf-8", "surrogateescape"),))), "")


class Nowhere:
    """In place of a spool."""

    def append(self, item: object) -> None:
        pass
