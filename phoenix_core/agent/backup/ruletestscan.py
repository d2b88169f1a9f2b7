"""A scan that reads no file and tells of each entry whether a backup would take it, and why.

It is the scan of a backup, so that it decides the same; only what would be recorded is told instead."""

import os
from collections.abc import Callable

from phoenix_core.agent.backup.content import Content
from phoenix_core.agent.backup.leftout import LeftOut
from phoenix_core.agent.backup.levels import Level
from phoenix_core.agent.backup.records import join
from phoenix_core.agent.backup.ruleverdicts import FILE, FOLDER, Nowhere, Tell, ToldLeftOut, Verdicts, kind_of
from phoenix_core.agent.backup.scan import Scan
from phoenix_core.agent.backup.scanrules import ScanRules
from phoenix_core.agent.backup.sources import canonical
from phoenix_core.vault.entry import Entry


class RuleTestScan(Scan):
    def __init__(self, content: Content, rules: ScanRules, tell: Tell, tick: Callable[[bytes], None]) -> None:
        """`tell` is told each verdict, in the order of the walk."""
        self.verdicts = Verdicts(content, canonical, tell)
        nowhere = Nowhere()
        super().__init__(content.sources, rules, None, nowhere, nowhere, tick)

    def _new_left_out(self) -> LeftOut:
        return ToldLeftOut(self._lose, self.verdicts)

    def _visit_file(self, frame: Level, name: bytes, status: os.stat_result, known: Entry | None) -> None:
        super()._visit_file(frame, name, status, known)
        node = frame.node.below.get(name) if frame.node is not None else None
        takers = self._sift.takers(frame, node)
        why = self.verdicts.why.taken(takers, frame.path, name, status)
        self.verdicts.taken(join(frame.path, name), FILE, why, status.st_size)

    def _visit_other(self, frame: Level, name: bytes, path: bytes, status: os.stat_result, known: Entry | None) -> None:
        before = self.counts.others
        super()._visit_other(frame, name, path, status, known)
        if self.counts.others > before:
            node = frame.node.below.get(name) if frame.node is not None else None
            why = self.verdicts.why.named(self._sift.takers(frame, node), path)
            self.verdicts.taken(path, kind_of(status), why)

    def _enter(self, frame: Level) -> None:
        super()._enter(frame)
        if not frame.partial:
            self.verdicts.taken(frame.path, FOLDER, self.verdicts.why.named(frame.takers, frame.path))

    def _lose(self, path: bytes, reason: str) -> None:
        super()._lose(path, reason)
        self.verdicts.lost(path, reason)
