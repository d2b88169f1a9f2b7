"""Snapshots as the source of a backup, as its order wants them."""

from collections.abc import Callable
from pathlib import Path

from phoenix_core.agent.backup.content import Content
from phoenix_core.agent.backup.views import LIVE, Views
from phoenix_core.agent.sourcesnapshots.hostkinds import Kinds, host_kinds
from phoenix_core.agent.sourcesnapshots.marks import Marks
from phoenix_core.agent.sourcesnapshots.snapshots import Log, SourceSnapshots, sweep
from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.domain.sourcesnapshot import SourceSnapshot


class BackupSnapshots:
    """Does nothing where the order wants live files."""

    def __init__(
        self, order: BackupOrder, state_dir: Path, log: Log, tick: Callable[[], None], kinds: Kinds | None = None
    ) -> None:
        """`tick` is called between two snapshots; what it raises ends the making. `kinds`: None: the host's."""
        self._order = order
        self._log = log
        self._marks = Marks(state_dir)
        wanted = order.source_snapshot
        self._mode = wanted.mode if wanted is not None else SourceSnapshot.OFF
        self._kinds = kinds or host_kinds(state_dir, *((wanted.lvm_percent,) if wanted else ()))
        self._snapshots = SourceSnapshots(order.server_id, order.job, self._marks, self._kinds, log, tick)
        self.views = LIVE

    @property
    def said(self) -> str:
        """For a step's detail: what is read from where; empty: nothing is to be said."""
        return "" if self._mode is SourceSnapshot.OFF else str(self._snapshots.said)

    @property
    def made(self) -> tuple[str, ...]:
        return tuple(self._snapshots.said.snapshots)

    def make(self, content: Content) -> Views:
        """What other backups have left is deleted first.

        Raises SourceSnapshotNotMade, and what `tick` raises."""
        sweep(self._marks, self._kinds, self._log)
        if self._mode is not SourceSnapshot.OFF:
            self.views = self._snapshots.make(
                content.paths,
                content.crossing,
                required=self._mode is SourceSnapshot.REQUIRED,
                left_out=lambda path: content.rules.excludes_path(path, is_folder=True),
                trial=self._order.dry_run,
            )
        return self.views

    def places(self) -> frozenset[bytes]:
        """Where snapshots lie: no backup takes them for files of the server."""
        return frozenset(self._marks.places())

    def check(self) -> None:
        """Raises SourceSnapshotLost."""
        self._snapshots.check()

    def delete(self) -> None:
        self._snapshots.delete()
