"""What could truly be said of each path during a backup, from the logs of those who changed it."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from phoenix_core.vault.entry import Entry, EntryType
from tests.chaos.moving_contents import PAGE, Mixed, versions
from tests.chaos.moving_writer import WRITE_BYTES

Fact = list[Any] | None
KINDS = {EntryType.DIRECTORY: "folder", EntryType.FIFO: "fifo", EntryType.SYMLINK: "link", EntryType.FILE: "file"}
TELLING_BYTES = 8
"""A shorter content doesn't say what it is of."""


class History:
    """Of the tree of one writer."""

    def __init__(self, log: Path) -> None:
        self._events: dict[str, list[tuple[int, int, Fact]]] = defaultdict(list)
        lines = [line for line in log.read_text().splitlines() if line]
        self.operations = len(lines)
        for line in lines:
            began, ended, facts = json.loads(line)
            for path, fact in facts.items():
                self._events[path].append((began, ended, fact))

    def paths(self) -> Iterable[str]:
        return self._events

    def places(self, content: bytes) -> list[str]:
        """Paths that ever had a file of these versions."""
        try:
            numbers = {file for file, _ in versions(content)}
        except Mixed:
            return []
        return [path for path, events in self._events.items() if any(_number(fact) in numbers for _, _, fact in events)]

    def during(self, path: str, begin_ns: int, end_ns: int) -> list[Fact]:
        """All that was true of a path at some moment between, in its order."""
        found: list[Fact] = [None]
        for began, ended, fact in self._events.get(path, ()):
            if ended <= begin_ns:
                found = [fact]
            elif began <= end_ns:
                found.append(fact)
        return found

    def files_during(self, number: int, begin_ns: int, end_ns: int) -> list[list[Any]]:
        """All that was true of a file at some moment between, whatever its name was. A hard link is read by one of its
        names, when it may have lost the others."""
        everywhere = (fact for path in self._events for fact in self.during(path, begin_ns, end_ns))
        return [fact for fact in everywhere if fact is not None and fact[:2] == ["file", number]]


def _number(fact: Fact) -> int:
    return int(fact[1]) if fact is not None and fact[0] == "file" else 0


AllOf = Callable[[int], list[list[Any]]]


def objection(entry: Entry | None, content: bytes, possible: list[Fact], all_of: AllOf) -> str:
    """Why what a snapshot has of a path was true at no moment; empty where it was. `all_of`: see `files_during`."""
    if entry is None:
        return "" if None in possible else "it is left out without a word"
    kind = KINDS[entry.type]
    facts = [fact for fact in possible if fact is not None and fact[0] == kind]
    if kind == "link":
        facts = [fact for fact in facts if fact[1].encode() == entry.target]
    if not facts:
        return f"it is a {kind}, which it never was"
    return _objection_to_content(content, facts, all_of) if kind == "file" else ""


def _objection_to_content(content: bytes, facts: list[list[Any]], all_of: AllOf) -> str:
    try:
        found = versions(content)
    except Mixed as mixed:
        return str(mixed)
    if len(content) >= TELLING_BYTES:
        numbers = {file for file, _ in found}
        if not any({fact[1]} == numbers for fact in facts):
            return f"it has the content of file {numbers}, which was never there"
        facts = all_of(found[0][0])
        known = {fact[2] for fact in facts}
        if len(found) > 2 or (len(found) == 2 and found[0][1] != found[1][1] + 1):
            return f"it is a mixture of the versions {found}"
        if not {version for _, version in found} <= known | {min(known) - 1}:
            return f"it has versions {found}, and had {known}"
    sizes = {fact[3] for fact in facts}
    if len(content) not in sizes and len(content) % WRITE_BYTES and len(content) % PAGE:
        return f"it has {len(content)} bytes, and had {sizes}"
    return ""
