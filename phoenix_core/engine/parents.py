"""Which snapshot an incremental backup compares with, and what of it can't be relied on (WF5.3)."""

import threading
from collections.abc import Iterator, Sequence
from itertools import islice

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.ids import ChunkId
from phoenix_core.engine.vault import OpenVault
from phoenix_core.storage.node_api import PackState
from phoenix_core.vault.filelists import entry_chunks
from phoenix_core.vault.treewalk import RecordingSource, walk

BATCH = 4096


def choose_parent(
    candidates: Sequence[SnapshotRow], paths: tuple[str, ...], domain: str, epoch: int
) -> SnapshotRow | None:
    """The newest readable snapshot of the same paths, else the newest that shares one, else the newest.

    `candidates`: the server's snapshots, newest first. A snapshot of another domain or epoch has other chunk ids."""
    usable = [each for each in candidates if each.readable and (each.domain, each.epoch) == (domain, epoch)]
    same = [row for row in usable if set(row.paths) == set(paths)]
    sharing = [row for row in usable if any(_covers(path, other) for path in row.paths for other in paths)]
    return next(iter(same or sharing or usable), None)


def _covers(path: str, other: str) -> bool:
    above, below = sorted((path.rstrip("/"), other.rstrip("/")), key=len)
    return below == above or below.startswith(above + "/")


def unusable_chunks(vault: OpenVault, parent: SnapshotRow, stop: threading.Event) -> list[bytes]:
    """Chunks of the parent of which no usable copy is left. Blocks; reads the parent's trees only where some pack is
    condemned, damaged or lost at all."""
    status = vault.node.status()
    if not status.condemned_packs and not status.damaged_packs:
        return []
    bad_packs = {pack.pack_id for pack in vault.node.packs() if pack.state is not PackState.USABLE}
    found: list[bytes] = []
    ids = iter(set(_chunks(vault, parent)))
    while not stop.is_set() and (batch := list(islice(ids, BATCH))):
        for chunk, place in zip(batch, vault.node.locate(batch), strict=True):
            if place is None or place.pack_id in bad_packs:
                found.append(chunk)
    return found


def _chunks(vault: OpenVault, parent: SnapshotRow) -> Iterator[ChunkId]:
    source = RecordingSource(vault.reader(parent.domain, parent.epoch))
    for _, entry in walk(source, parent.root):
        if entry.is_file:
            for ref in entry_chunks(source, entry):
                yield ChunkId(ref.id)
    yield from source.ids
