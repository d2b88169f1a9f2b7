"""Does a test of content rules on this host's live files: walks as a backup would, and says what of each entry."""

import os
import threading
from pathlib import Path

from phoenix_core.agent.backup.content import content_of
from phoenix_core.agent.backup.mounts import Mounts
from phoenix_core.agent.backup.ruletestscan import RuleTestScan
from phoenix_core.agent.backup.ruleverdicts import totals_of
from phoenix_core.agent.backup.saidofscan import nothing_there
from phoenix_core.agent.backup.scanrules import ScanRules
from phoenix_core.agent.errors import AgentStopping
from phoenix_core.agent.ruletests import Pages
from phoenix_core.agent.sourcesnapshots.marks import Marks
from phoenix_core.agent.sourcesnapshots.trial import told_of
from phoenix_core.agentlink.ruletest import RuleTestOrder


def run_test(order: RuleTestOrder, state_dir: Path, pages: Pages, stopping: threading.Event) -> None:
    """Raises what a backup by these rules would raise before it reads a file, and what `pages` raises."""
    content = content_of(order.rules)
    never = tuple(os.path.realpath(path) for path in (*order.never_write_under, bytes(state_dir)))

    def tick(path: bytes) -> None:
        if stopping.is_set():
            raise AgentStopping()
        pages.tick()

    notes = told_of(order.source_snapshot, content, state_dir)
    snapshots = frozenset(Marks(state_dir).places())
    rules = ScanRules(content.rules, Mounts.current(), never, snapshots=snapshots)
    scan = RuleTestScan(content, rules, pages.add, tick)
    scan.run()
    if not scan.sources_found:
        raise nothing_there(scan.left_out.source_problems)
    pages.finish(totals_of(order, content, scan, notes))
