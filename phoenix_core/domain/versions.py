"""Releases beside each other: which agents a core serves, and which of them are behind."""

import re
from enum import StrEnum

_FORM = re.compile(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?")


class Standing(StrEnum):
    """An agent's version as its core sees it."""

    CURRENT = "current"
    BEHIND = "behind"
    """Served; to be upgraded before the core's next minor version."""
    TOO_OLD = "too_old"
    """Not served."""
    AHEAD = "ahead"
    """Newer than the core: served as far as it goes; the core is to be upgraded first."""
    UNKNOWN = "unknown"
    """Its version can't be read; served."""

    @property
    def is_served(self) -> bool:
        return self is not Standing.TOO_OLD


def parsed(version: str) -> tuple[int, int, int] | None:
    """Major, minor and patch; None for what is no version."""
    match = _FORM.match(version)
    return None if match is None else (int(match[1]), int(match[2]), int(match[3] or 0))


def standing(agent: str, core: str) -> Standing:
    """A core serves its own minor version and the one before; the last ones of a major version count as the one before
    the next major version's first."""
    theirs, ours = parsed(agent), parsed(core)
    if theirs is None or ours is None:
        return Standing.UNKNOWN
    if theirs == ours:
        return Standing.CURRENT
    if theirs > ours:
        return Standing.AHEAD
    if theirs[0] == ours[0]:
        return Standing.BEHIND if ours[1] - theirs[1] <= 1 else Standing.TOO_OLD
    return Standing.BEHIND if (theirs[0], ours[1]) == (ours[0] - 1, 0) else Standing.TOO_OLD


def oldest_served(core: str) -> str:
    """For people to read: the oldest version that a core serves."""
    ours = parsed(core)
    if ours is None:
        return core
    major, minor, _ = ours
    return f"{major}.{minor - 1}" if minor else f"{major - 1}.x" if major else f"{major}.{minor}"
