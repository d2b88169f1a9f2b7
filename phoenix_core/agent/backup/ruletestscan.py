"""A scan that reads no file and tells of each entry whether a backup would take it, and why.

It is the scan of a backup, so that it decides the same; only what would be recorded is told instead."""

import os
import stat
from collections import Counter
from collections.abc import Callable

from phoenix_core.agent.backup.content import Content
from phoenix_core.agent.backup.filefilter import FileFilter, ends_so
from phoenix_core.agent.backup.leftout import OWN_DATA, VIRTUAL, LeftOut
from phoenix_core.agent.backup.levels import Level
from phoenix_core.agent.backup.records import join
from phoenix_core.agent.backup.ruleset import Takers
from phoenix_core.agent.backup.scan import Scan
from phoenix_core.agent.backup.scanrules import ScanRules
from phoenix_core.agent.backup.sources import SourceNode, canonical
from phoenix_core.agentlink.ruletest import LeftOut as Reason
from phoenix_core.agentlink.ruletest import Verdict
from phoenix_core.domain.names import shown
from phoenix_core.vault.entry import Entry

FILE, FOLDER, LINK, OTHER = "file", "folder", "link", "other"
CONTENTS = "contents"
"""All that is in a folder, which itself is taken."""
Tell = Callable[[Verdict], None]


class RuleTestScan(Scan):
    def __init__(self, content: Content, rules: ScanRules, tell: Tell, tick: Callable[[bytes], None]) -> None:
        """`tell` is told each verdict, in the order of the walk."""
        self._tell = tell
        self._why = _Why(content)
        self.reasons: Counter[tuple[str, str, str]] = Counter()
        """Entries left out, by rule, field and value."""
        self.reason_bytes: Counter[tuple[str, str, str]] = Counter()
        nowhere = _Nowhere()
        super().__init__(content.sources, rules, None, nowhere, nowhere, tick)

    def left_out_reasons(self) -> tuple[Reason, ...]:
        """The most frequent first."""
        return tuple(Reason(*key, count, self.reason_bytes[key]) for key, count in self.reasons.most_common())

    def out(self, path: bytes, kind: str, why: tuple[str, str, str], size: int = 0) -> None:
        """The entry is left out."""
        self.reasons[why] += 1
        self.reason_bytes[why] += size
        self._tell(Verdict(path, kind, False, size, *why))

    def _new_left_out(self) -> LeftOut:
        return _Told(self._lose, self.out, self._why)

    def _visit_file(self, frame: Level, name: bytes, status: os.stat_result, known: Entry | None) -> None:
        super()._visit_file(frame, name, status, known)
        node = frame.node.below.get(name) if frame.node is not None else None
        takers = self._sift.takers(frame, node)
        why = self._why.taken(takers, frame.path, name, status)
        self._tell(Verdict(join(frame.path, name), FILE, True, status.st_size, *why))

    def _visit_other(self, frame: Level, name: bytes, path: bytes, status: os.stat_result, known: Entry | None) -> None:
        before = self.counts.others
        super()._visit_other(frame, name, path, status, known)
        if self.counts.others > before:
            node = frame.node.below.get(name) if frame.node is not None else None
            why = self._why.named(self._sift.takers(frame, node), path)
            self._tell(Verdict(path, kind_of(status), True, 0, *why))

    def _enter(self, frame: Level) -> None:
        super()._enter(frame)
        if not frame.partial:
            self._tell(Verdict(frame.path, FOLDER, True, 0, *self._why.named(frame.takers, frame.path)))

    def _lose(self, path: bytes, reason: str) -> None:
        super()._lose(path, reason)
        self.out(path, "", ("", reason, ""))


class _Told(LeftOut):
    """Tells of what is left out."""

    def __init__(
        self,
        lost: Callable[[bytes, str], None],
        out: Callable[[bytes, str, tuple[str, str, str], int], None],
        why: "_Why",
    ) -> None:
        super().__init__(lost)
        self._out = out
        self._why = why

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


class _Why:
    """Finds the words for what the rules decided: rule, field and value."""

    def __init__(self, content: Content) -> None:
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


class _Nowhere:
    """In place of a spool."""

    def append(self, item: object) -> None:
        pass
