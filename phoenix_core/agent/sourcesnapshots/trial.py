"""What snapshots as the source of a backup would mean for it, without one being made."""

from pathlib import Path

from phoenix_core.agent.backup.content import Content
from phoenix_core.agent.sourcesnapshots.errors import SourceSnapshotNotMade
from phoenix_core.agent.sourcesnapshots.hostkinds import Kinds, host_kinds
from phoenix_core.agent.sourcesnapshots.marks import Marks
from phoenix_core.agent.sourcesnapshots.snapshots import SourceSnapshots
from phoenix_core.agentlink.sourcesnapshots import SourceSnapshotOrder
from phoenix_core.domain.sourcesnapshot import SourceSnapshot


def told_of(
    wanted: SourceSnapshotOrder | None, content: Content, state_dir: Path, kinds: Kinds | None = None
) -> tuple[str, ...]:
    """What is read from a snapshot and what live, and why, in sentences. `kinds`: of snapshots; None: the host's."""
    if wanted is None or wanted.mode is SourceSnapshot.OFF:
        return ()
    told: list[str] = []
    kinds = kinds or host_kinds(state_dir, wanted.lvm_percent)
    snapshots = SourceSnapshots("", "", Marks(state_dir), kinds, lambda level, text: told.append(text), lambda: None)
    try:
        snapshots.make(
            content.paths,
            content.crossing,
            required=wanted.mode is SourceSnapshot.REQUIRED,
            left_out=lambda path: content.rules.excludes_path(path, is_folder=True),
            trial=True,
        )
    except SourceSnapshotNotMade as error:
        told.append(f"A backup would fail: {error.message}")
    return tuple(told)
