"""The live files of a Linux server as the source of a backup (WF5)."""

import os
from collections.abc import Callable, Sequence

from phoenix_core.agent.backup import aheadmessages
from phoenix_core.agent.backup.filesource import ScanParts, StepIds
from phoenix_core.agent.backup.mounts import Mounts
from phoenix_core.agent.backup.scan import Scan
from phoenix_core.agent.backup.scanahead import Ahead, Alone, ScanAhead
from phoenix_core.agent.backup.scanrules import ScanRules
from phoenix_core.agent.backup.sources import canonical
from phoenix_core.agent.backup.views import LIVE
from phoenix_core.agent.backup.worker import encode_views, worker_main
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.sourcesnapshots.hostkinds import Kinds
from phoenix_core.agent.sourcesnapshots.ofbackup import BackupSnapshots
from phoenix_core.agent.steps import Steps
from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.agentlink.ruleorder import RuleOrder


class LiveFiles:
    """See `FileSource`."""

    steps = StepIds(request="WF5.1", kind="WF5.3", scan="WF5.4", estimate="WF5.5", settle="WF5.6")
    worker_main = staticmethod(worker_main)
    ignores_case = False
    problems: tuple[str, ...] = ()

    def __init__(self, order: BackupOrder, ports: JobPorts, kinds: Kinds | None = None) -> None:
        """`kinds`: of snapshots; None: the host's."""
        self._order = order
        self._ports = ports
        self._kinds = kinds
        self._snapshots: BackupSnapshots | None = None
        self._ahead: Ahead = Alone()

    def prepared(self, rules: Sequence[RuleOrder]) -> tuple[RuleOrder, ...]:
        return tuple(rules)

    def canonical(self, path: bytes) -> bytes:
        """Without links above the last name. Raises `PathNotAbsolute`."""
        return canonical(path)

    def begin(self, paths: Sequence[bytes], steps: Steps, tick: Callable[[], None]) -> None:
        self._snapshots = BackupSnapshots(self._order, self._ports.state_dir, steps.log, tick, self._kinds)

    def scanner(self, parts: ScanParts, steps: Steps) -> Scan:
        order = self._order
        own = (*order.never_write_under, bytes(self._ports.state_dir))
        never = tuple(os.path.realpath(path) for path in own)
        assert self._snapshots is not None
        views = self._snapshots.make(parts.content)
        rules = ScanRules(parts.content.rules, Mounts.current(), never, views, self._snapshots.places())
        self._ahead = self._scan_ahead(rules, parts, steps)
        return Scan(parts.content.sources, rules, parts.parent, parts.records, parts.reads, parts.tick, self._ahead)

    def _scan_ahead(self, rules: ScanRules, parts: ScanParts, steps: Steps) -> Ahead:
        """A second process where there is something to compare with, and a processor for it."""
        order, parent, meta = self._order, parts.parent, parts.meta
        if parent is None or not parent.all_usable or parts.workers_most < 2:
            return Alone()

        def setup() -> aheadmessages.Setup:
            keys = meta.copies_keys()
            state_dir = bytes(self._ports.state_dir)
            content, views = rules.content, rules.views.all
            return aheadmessages.Setup(
                state_dir, order.domain, keys, rules.never, order.nice, content.orders, content.now_ns, views
            )

        return ScanAhead(setup, lambda text: steps.log("warning", text))

    def scanned(self) -> None:
        self._ahead.close()

    def settled(self) -> str:
        """Raises SourceSnapshotLost."""
        self.before_commit()
        return self._snapshots.said if self._snapshots else ""

    @property
    def worker_part(self) -> bytes:
        return encode_views(self._snapshots.views if self._snapshots else LIVE)

    @property
    def snapshots(self) -> tuple[str, ...]:
        return self._snapshots.made if self._snapshots else ()

    def before_commit(self) -> None:
        """Raises SourceSnapshotLost."""
        if self._snapshots is not None:
            self._snapshots.check()

    def end(self, steps: Steps) -> None:
        if self._snapshots is not None:
            self._snapshots.delete()
