"""The folders that a scan is in, from `/` down, and what is recorded of them.

Of a folder in which all is as the parent snapshot has it, nothing is recorded while the scan goes through it: only at
its end one `KeepFolder`, which stands for the whole tree below, so that what doesn't change costs no record. As soon
as something differs, what was passed over is recorded after all, and from then on each entry as it comes.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from phoenix_core.agent.backup.parenttree import ParentFolder, ParentTrees
from phoenix_core.agent.backup.records import Amounts, Enter, Keep, KeepFolder, Leave, Record
from phoenix_core.agent.backup.ruleset import NOBODY, Takers
from phoenix_core.agent.backup.sources import SourceNode
from phoenix_core.agent.errors import ParentUnsteady
from phoenix_core.domain.names import shown
from phoenix_core.vault.entry import Entry


@dataclass(slots=True)
class Level:
    """A folder that the scan is in."""

    path: bytes
    fd: int
    status: os.stat_result
    names: Iterator[bytes]
    parent: ParentFolder | None
    """The folder in the parent snapshot."""
    node: SourceNode | None
    partial: bool
    entry: Entry | None = None
    """Its own entry, whose tree doesn't count; the parent's where nothing of it changed. None for `/`."""
    known: Entry | None = None
    """The parent's entry of it."""
    plain: bool = False
    """Its files need no second look, but for those that are sifted out."""
    takers: Takers = NOBODY
    """The content rules that hold here."""
    suspects: frozenset[bytes] = frozenset()
    """Names that a pattern may exclude."""
    same: bool = False
    """Everything so far is as the parent has it, and nothing of it was recorded."""
    passed: int = 0
    """The first so many of the parent's entries were met and are the same."""
    notes: dict[bytes, Keep | KeepFolder] = field(default_factory=dict)
    """Of those passed: records that say more than the parent's entry."""
    before: Amounts = field(default_factory=Amounts)
    """What the scan had counted when it came here."""

    @property
    def is_taken(self) -> bool:
        """Whether what is in it is taken, but for what rules leave out; else only what leads to a source."""
        return not self.partial and bool(self.takers.mask)

    @property
    def is_sifted(self) -> bool:
        """Whether a file in it may be left out by a rule."""
        return bool(self.suspects or self.takers.filters)


class Levels:
    """The stack of folders, and the writer of the records."""

    def __init__(
        self, append: Callable[[Record], None], parent: ParentTrees | None, counted: Callable[[], Amounts]
    ) -> None:
        """`append` takes a record. `counted` tells what the scan has counted so far."""
        self.stack: list[Level] = []
        self._append = append
        self._parent = parent
        self._counted = counted

    def enter(self, level: Level) -> None:
        """The scan goes down into a folder."""
        if level.entry is not None:
            level.before = self._counted()
            usable = self._parent is not None and self._parent.all_usable
            if usable and level.known is not None and level.known.is_directory and not level.partial:
                level.same = True
            else:
                self.record(Enter(level.entry))
        self.stack.append(level)

    def leave(self) -> Level:
        """The scan goes up again."""
        level = self.stack[-1]
        if level.same and (level.parent is None or level.parent.has_more() or not level.parent.exact):
            self.differs()
        self.stack.pop()
        if not self.stack:
            return level
        if not level.same:
            self._append(Leave())
        elif level.entry is not None and level.known is not None:
            self._keep_folder(level, level.entry, level.known)
        return level

    def record(self, record: Record) -> None:
        """An entry of the current folder that isn't as the parent has it."""
        if self.stack and self.stack[-1].same:
            self.differs()
        self._append(record)

    def keep(self, record: Keep) -> None:
        """An entry of the current folder that is as the parent has it."""
        level = self.stack[-1]
        if not level.same:
            self._append(record)
            return
        level.passed += 1
        if record.identity:
            level.notes[record.entry.name] = record

    def differs(self) -> None:
        """The current folder isn't as the parent has it: record what was passed over, here and above."""
        for level in self.stack:
            if level.same and level.entry is not None:
                level.same = False
                self._append(Enter(level.entry))
                self._record_passed(level)

    def _record_passed(self, level: Level) -> None:
        assert self._parent is not None
        assert level.known is not None
        entries = list(islice(self._parent.entries(level.known.tree), level.passed))
        if len(entries) != level.passed:
            raise ParentUnsteady(path=shown(level.path))
        for entry in entries:
            self._append(level.notes.get(entry.name) or Keep(entry))
        level.notes.clear()

    def _keep_folder(self, level: Level, entry: Entry, known: Entry) -> None:
        """All below the folder that was left is as the parent has it."""
        amounts = self._counted().since(level.before)
        if entry is known:
            self.keep_folder(KeepFolder(known, amounts))
        else:
            self.record(KeepFolder(msgspec.structs.replace(entry, tree=known.tree), amounts))

    def keep_folder(self, record: KeepFolder) -> None:
        """A folder in the current one that is, itself and all below it, as the parent has it."""
        above = self.stack[-1]
        if above.same:
            above.passed += 1
            above.notes[record.entry.name] = record
        else:
            self._append(record)
