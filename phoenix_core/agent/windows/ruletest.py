"""A test of content rules on a Windows server: walks its live files as a backup would its shadow copies, reads none of
them, and says what of each."""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from phoenix_core.agent.backup.content import Content, content_of
from phoenix_core.agent.backup.leftout import LeftOut
from phoenix_core.agent.backup.levels import Level
from phoenix_core.agent.backup.records import join
from phoenix_core.agent.backup.ruleset import Takers
from phoenix_core.agent.backup.ruleverdicts import FILE, FOLDER, LINK, Nowhere, Tell, ToldLeftOut, Verdicts, totals_of
from phoenix_core.agent.backup.saidofscan import nothing_there
from phoenix_core.agent.backup.sources import SourceNode
from phoenix_core.agent.errors import AgentStopping
from phoenix_core.agent.ruletests import Pages
from phoenix_core.agent.windows.attributes import as_status
from phoenix_core.agent.windows.canonical import canonical
from phoenix_core.agent.windows.paths import live_root
from phoenix_core.agent.windows.scan import Folder, WindowsScan
from phoenix_core.agent.windows.scanrules import VolumeSource, WindowsRules, own_folders
from phoenix_core.agent.windows.seam import Details, FileFacts, ReadFiles, StreamFacts, Windows
from phoenix_core.agent.windows.volumes import wanted_volumes, with_all_drives
from phoenix_core.agentlink.ruletest import RuleTestOrder
from phoenix_core.vault.entry import Entry


class WindowsRuleTestScan(WindowsScan):
    def __init__(
        self,
        windows: ReadFiles,
        content: Content,
        volumes: Mapping[bytes, VolumeSource],
        rules: WindowsRules,
        tell: Tell,
        tick: Callable[[bytes], None],
        canonical: Callable[[bytes], bytes],
    ) -> None:
        """`tell` is told each verdict, in the order of the walk. `canonical`: a path in its one form."""
        self.verdicts = Verdicts(content, canonical, tell)
        nowhere = Nowhere()
        super().__init__(windows, content.sources, volumes, rules, None, nowhere, nowhere, tick)

    def _new_left_out(self) -> LeftOut:
        return ToldLeftOut(self._lose, self.verdicts)

    def _visit_file(
        self,
        level: Level,
        folder: Folder,
        name: bytes,
        path: bytes,
        native: str,
        details: Details,
        known: Entry | None,
        node: SourceNode | None,
    ) -> None:
        before = self.counts.files
        super()._visit_file(level, folder, name, path, native, details, known, node)
        if self.counts.files > before:  # else it can't be read
            why = self.verdicts.why.taken(self._takers(level, node), level.path, name, as_status(details.facts))
            self.verdicts.taken(path, FILE, why, details.facts.size)

    def _visit_link(
        self, folder: Folder, name: bytes, native: str, facts: FileFacts, known: Entry | None, node: SourceNode | None
    ) -> None:
        level = self._stack[-1]
        super()._visit_link(folder, name, native, facts, known, node)
        path = join(level.path, name)
        self.verdicts.taken(path, LINK, self.verdicts.why.named(self._takers(level, node), path))

    def _add_stream(self, level: Level, name: bytes, stream: StreamFacts) -> None:
        super()._add_stream(level, name, stream)
        path = join(level.path, name)
        self.verdicts.taken(path, FILE, self.verdicts.why.named(level.takers, path), stream.size)

    def _enter(
        self,
        path: bytes,
        native: str,
        entry: Entry,
        listing: list[FileFacts],
        node: SourceNode | None,
        known: Entry | None,
        takers: Takers,
    ) -> None:
        if not entry.partial:
            self.verdicts.taken(path, FOLDER, self.verdicts.why.named(takers, path))
        super()._enter(path, native, entry, listing, node, known, takers)

    def _lose(self, path: bytes, reason: str) -> None:
        super()._lose(path, reason)
        self.verdicts.lost(path, reason)


def run_test(order: RuleTestOrder, state_dir: Path, windows: Windows, pages: Pages, stopping: threading.Event) -> None:
    """Raises what a backup by these rules would before it reads a file, what `pages` raises, and WindowsFailure."""
    windows.take_rights()
    known = windows.volumes()
    in_one_form = partial(canonical, windows)
    orders = with_all_drives(order.rules, known)
    wanted = wanted_volumes([path for rule in orders for path in rule.paths], known)
    content = content_of(orders, in_one_form, ignore_case=True)
    volumes = {each.letter.encode(): VolumeSource(live_root(each.letter), each.file_system) for each in wanted}

    def tick(path: bytes) -> None:
        if stopping.is_set():
            raise AgentStopping()
        pages.tick()

    rules = WindowsRules(content.rules, own_folders(order.never_write_under, state_dir))
    scan = WindowsRuleTestScan(windows, content, volumes, rules, pages.add, tick, in_one_form)
    scan.run()
    if not scan.sources_found:
        raise nothing_there(scan.left_out.source_problems)
    pages.finish(totals_of(order, content, scan))
