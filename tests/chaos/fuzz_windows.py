"""Trees as a restore to Windows reads them: names, streams, and what lies in the reserved attributes."""

from collections.abc import Iterable
from typing import Any

from phoenix_core.agent.windows.descriptor import is_descriptor, owner_of, to_be_set
from phoenix_core.agent.windows.errors import ABSENT
from phoenix_core.agent.windows.reparse import target_of
from phoenix_core.agent.windows.restore.destination import SpaceNeeds
from phoenix_core.agent.windows.restore.plan import PlanRecords, WindowsPlanner
from phoenix_core.agent.windows.restore.writer import _settable
from phoenix_core.agent.windows.seam import WindowsFailure
from phoenix_core.domain.errors import Cancelled
from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.errors import HostileTree
from phoenix_core.vault.windowsentry import REPARSE, SECURITY, attribute

ROOT = bytes(32)


class _Empty:
    """A Windows on which there is nothing."""

    def __getattr__(self, name: str) -> Any:
        def absent(*arguments: object) -> None:
            raise WindowsFailure(min(ABSENT), name)

        return absent


def plan(source: ChunkSource, root: str) -> None:
    """The set of files of a restore into a folder; without one, to the original place. It ends with the first tick,
    since the trees may go round in circles. Raises HostileTree where nothing of them can be restored."""
    windows: Any = _Empty()
    files: Any = []
    folders: Any = []
    late: Any = []
    planner = WindowsPlanner(
        windows,
        source,
        lambda ids: None,
        PlanRecords(files, folders, late),
        SpaceNeeds(windows),
        ConflictRule.OVERWRITE,
        "2026-03-01",
        root=root,
        exists=not root,
        lose=lambda path, reason: None,
        tick=_end,
    )
    planner.run(ROOT, (b"/C/odd\xed\xa0\x80.txt", b"/"))
    if not (files or folders or late):
        raise HostileTree(detail="nothing of it can be restored")


def _end(path: bytes) -> None:
    raise Cancelled(who="the fuzzer")


def metadata(entries: Iterable[Entry]) -> None:
    """What is set of entries in place."""
    for entry in entries:
        _settable(entry)
        target_of(attribute(entry, REPARSE) or b"")
        security = attribute(entry, SECURITY) or b""
        owner_of(security)
        if is_descriptor(security):
            to_be_set(security)
