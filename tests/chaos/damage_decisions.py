"""What is decided about the snapshots of the vault that is damaged, and what a core remembers of it: where a record is
damaged or gone, it tells what that loses, and goes by what it knows."""

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.clock import SystemClock
from phoenix_core.domain.ids import SHORT_ID_DIGITS, SnapshotId
from phoenix_core.engine.reconcile import reconcile
from phoenix_core.engine.vault import OpenVault
from phoenix_core.engine.vault_errors import RecordsBroken, RecordsNewer, VaultRolledBack
from phoenix_core.vault.annotation import Annotation, Aside, Hold, seal
from phoenix_core.vault.layout import record_name
from phoenix_core.vault.record import RecordKind, SealedRecord, parse, sign
from tests.vault_maintenance.rig import Rig

CATALOG = "catalog.sqlite"
UNDO_S = 7 * 86400
Shown = dict[str, tuple[Any, ...]]
"""What is shown to be decided about each snapshot."""


@dataclass(frozen=True)
class _Decision:
    sequence: int
    """Of its record."""
    snapshot: SnapshotId
    word: str
    """By which a core names it."""
    undoes: int = 0
    """Number of the record without which it says nothing."""


@dataclass
class Decisions:
    """Of the whole vault."""

    commits: dict[SnapshotId, tuple[int, bytes]] = field(default_factory=dict)
    """Number and bytes of each one's record."""
    older: dict[str, bytes] = field(default_factory=dict)
    """Of some records, by name, another version without the hold: as where an older copy of a vault was written to."""
    held: set[SnapshotId] = field(default_factory=set)
    shown: Shown = field(default_factory=dict)
    last: int = 0
    """Number of the newest record."""
    _made: list[_Decision] = field(default_factory=list)

    def decide(self, rig: Rig, snapshots: list[SnapshotId]) -> None:
        """About one server's snapshots: one is put aside, one held, one brought back, one tagged."""
        chain = rig.chain()
        committed = chain.live()
        aside, back, tagged, held = (committed[each] for each in snapshots)
        undone = chain.set_aside(back, Aside("bob", UNDO_S))
        for record, word in (
            (chain.annotate(tagged, Annotation(("yearly",), "kept")), "tags and note"),
            (chain.set_aside(aside, Aside("bob", UNDO_S)), "the removal"),
            (chain.annotate(held, Annotation((), "", Hold("audit", "anna", 5))), "the hold"),
        ):
            self._made.append(_Decision(record.sequence, record.snapshot_id, word))
        self.held.add(held.snapshot_id)
        record = chain.bring_back(back, "anna")
        self._made.append(_Decision(record.sequence, record.snapshot_id, "the undone removal", undone.sequence))

    def remember(self, rig: Rig) -> None:
        """Once all is decided: a core takes it over into its catalog."""
        for sequence, encoded in rig.node.records():
            record = parse(encoded)
            if record.kind is RecordKind.COMMIT:
                self.commits[record.snapshot_id] = sequence, encoded
            if isinstance(record, SealedRecord) and record.snapshot_id in self.held:
                less = seal(rig.key, record.kind, record.snapshot, Annotation())
                other = sign(msgspec.structs.replace(record, sealed=less), rig.key.record_signing_key())
                self.older[record_name(sequence)] = other
            self.last = sequence
        problem, self.shown = look(rig)
        assert problem is None

    def check_told(self, rig: Rig, harmed: set[int]) -> None:
        """A core looks at the vault, whose records with these numbers are damaged: it names each decision that is lost
        if they are, and still goes by it."""
        problem, shown = look(rig)
        assert problem is not None, "the core believes the records"
        assert shown == self.shown, "damaged records changed what is shown to be decided"
        if isinstance(problem, RecordsNewer):
            return  # nothing is given up: a newer core is to read them
        end, named = min(harmed), re.split("[:,.] ", str(problem.fields["gives_up"]))
        for each in self._made:
            if each.undoes < end <= each.sequence:
                commit, _ = self.commits[each.snapshot]
                wanted = each.word if commit < end else ""
                told = [text for text in named if each.snapshot[:SHORT_ID_DIGITS] in text and wanted in text]
                assert told, f"{each.word} of {each.snapshot[:12]} is lost, and isn't told: {named}"

    def check_healed(self, rig: Rig, given_up: set[SnapshotId]) -> None:
        problem, shown = look(rig)
        assert problem is None, f"the core doesn't believe the records: {problem}"
        left = {name: said for name, said in self.shown.items() if name not in given_up}
        assert {name: shown.get(name) for name in left} == left, "what was decided isn't what it was"


def look(rig: Rig) -> tuple[RecordsBroken | VaultRolledBack | None, Shown]:
    """A core starts, with the catalog in the vault's folder."""
    return asyncio.run(_look(rig, rig.folder / CATALOG))


async def _look(rig: Rig, file: Path) -> tuple[RecordsBroken | VaultRolledBack | None, Shown]:
    catalog = await Catalog.open_file(file)
    try:
        vault, snapshots = OpenVault(rig.descriptor, rig.key, rig.node, SystemClock()), Snapshots(catalog)
        problem = await reconcile(vault, snapshots, Facts(catalog), lambda server: server)
        return problem, {row.id: _decided(row) for row in await snapshots.listed(removed=None)}
    finally:
        await catalog.close()


def _decided(row: SnapshotRow) -> tuple[Any, ...]:
    return row.tags, row.note, row.hold, row.removed_at, row.removed_by
