"""The paths that were selected in a snapshot, and where a restore of them writes."""

from collections.abc import Sequence

from phoenix_core.agent.restore.damage import damage_reason
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.tree import read_tree
from phoenix_core.vault.treewalk import parts


def uncovered(paths: Sequence[bytes]) -> list[tuple[bytes, ...]]:
    """The names of each path, sorted as trees are, those below another one left out; none, or `/`: everything."""
    kept: list[tuple[bytes, ...]] = []
    for way in sorted({parts(path) for path in paths} or {()}):
        if not kept or way[: len(kept[-1])] != kept[-1]:
            kept.append(way)
    return kept


def tops(source: ChunkSource, root: bytes, paths: Sequence[bytes]) -> list[bytes]:
    """The paths that a restore writes to: those selected, or the folders with what was backed up. Raises
    `PathNotInSnapshot`, and what the node and the core raise."""
    selected = [b"/" + b"/".join(way) for way in uncovered(paths)]
    if selected != [b"/"]:
        return selected
    found: list[bytes] = []
    pending = [(b"", root)]
    while pending:
        path, tree = pending.pop()
        try:
            entries = list(read_tree(source, tree))
        except PhoenixError as error:
            if not damage_reason(error):
                raise
            continue  # the plan meets it again, and tells it
        pending += [(path + b"/" + entry.name, entry.tree) for entry in entries if entry.is_directory and entry.partial]
        if not all(entry.is_directory and entry.partial for entry in entries):
            found.append(path or b"/")
    return sorted(found) or [b"/"]
