"""Tags, notes and holds of snapshots: what they look like, and what is refused."""

import re
from collections.abc import Iterable
from datetime import datetime

import msgspec

from phoenix_core.domain.errors import UsageError

TAG = re.compile(r"\w[\w.:=@/+-]{0,39}")
TAGS_MAX = 20
NOTE_CHARS = 1000
REASON_CHARS = 200


class Hold(msgspec.Struct, frozen=True):
    """While it holds, neither retention nor anybody's command removes the snapshot."""

    reason: str
    who: str
    since: datetime
    until: datetime | None = None
    """None: for ever."""


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """In lower case, ascending, each once. Raises UsageError."""
    found = sorted({tag.lower() for tag in tags})
    for tag in found:
        if TAG.fullmatch(tag) is None:
            what = "a tag is a word of at most 40 letters, digits and . : = @ / + - _"
            raise UsageError(detail=f"{tag[:60] or 'Nothing'} is no tag: {what}.")
    if len(found) > TAGS_MAX:
        raise UsageError(detail=f"A snapshot has at most {TAGS_MAX} tags; these would be {len(found)}.")
    return tuple(found)


def checked_note(text: str) -> str:
    """Raises UsageError."""
    return _checked(text, "A note", NOTE_CHARS, lines=True)


def checked_reason(text: str) -> str:
    """Why a snapshot is held; one line, not empty. Raises UsageError."""
    reason = _checked(text, "The reason for a hold", REASON_CHARS, lines=False)
    if not reason:
        raise UsageError(detail="A hold needs a reason, so that whoever meets it knows whether it may end.")
    return reason


def _checked(text: str, what: str, most: int, *, lines: bool) -> str:
    found = text.strip()
    if len(found) > most:
        raise UsageError(detail=f"{what} has at most {most} characters; this one has {len(found)}.")
    if any(not (char.isprintable() or (lines and char in "\n\t")) for char in found):
        raise UsageError(detail=f"{what} holds a character that can't be shown.")
    return found
