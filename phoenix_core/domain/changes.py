"""How an entry differs, between two snapshots or between a snapshot and what is there, and the mark of each kind."""

from enum import StrEnum
from types import MappingProxyType


class Change(StrEnum):
    """In the order in which they are counted."""

    ADDED = "added"
    """Only in the later snapshot, or only there."""
    REMOVED = "removed"
    CONTENT = "content"
    METADATA = "metadata"
    TYPE = "type"


_MARKS = MappingProxyType(
    {
        Change.ADDED: "+",
        Change.REMOVED: "-",
        Change.CONTENT: "M",
        Change.METADATA: "m",
        Change.TYPE: "T",
    }
)
UNKNOWN_MARK = "?"


def change_of(word: str) -> Change | None:
    """None for one that a later release has."""
    return Change(word) if word in set(Change) else None


def mark_of(word: str) -> str:
    """One character; as it is printed and shown everywhere."""
    change = change_of(word)
    return UNKNOWN_MARK if change is None else _MARKS[change]
