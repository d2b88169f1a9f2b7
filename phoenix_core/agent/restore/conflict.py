"""What becomes of an entry where something already exists under its name.

A folder that meets a folder is merged, under every rule. Else:
* `overwrite`: what is there is replaced. A folder in the way of something else goes with all that is in it, mount
  points apart; only after the replacement lies ready beside it.
* `skip`: what is there stays. In the way of a folder it keeps out all that is below that folder.
* `keep_both`: the restored one gets another name, `report (restored 2026-11-23T21-30-00Z).txt`: the start of the
  restore, before the extension.
* `if_older`: what is there is replaced if its time of modification is before that of the entry; a folder in the way of
  something else only if it is empty.
"""

import os
import stat
from datetime import UTC, datetime
from enum import Enum

from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.entry import Entry

NAME_MAX_BYTES = 255


class Action(Enum):
    WRITE = "write"
    SKIP = "skip"
    RENAME = "rename"


def decide(rule: ConflictRule, entry: Entry, existing: os.stat_result | None) -> Action:
    """For an entry under whose name `existing` is; None: nothing. Two folders never get here."""
    if existing is None or rule is ConflictRule.OVERWRITE:
        return Action.WRITE
    if rule is ConflictRule.IF_OLDER:
        return Action.WRITE if existing.st_mtime_ns < entry.mtime_ns else Action.SKIP
    return Action.RENAME if rule is ConflictRule.KEEP_BOTH else Action.SKIP


def may_empty_folders(rule: ConflictRule) -> bool:
    """Whether a folder that isn't empty may be removed for something else."""
    return rule is ConflictRule.OVERWRITE


def stamp_of(time_ns: int) -> str:
    """The time in the names of `keep_both`: UTC, with nothing in it that a file system refuses."""
    return datetime.fromtimestamp(time_ns // 10**9, UTC).strftime("%Y-%m-%dT%H-%M-%SZ")


def restored_name(name: bytes, stamp: str, attempt: int = 1) -> bytes:
    """The other name of `keep_both`. `attempt` tells further ones apart; what would be too long loses its end."""
    stem, dot, extension = name.rpartition(b".")
    if not stem.strip(b"."):
        stem, dot, extension = name, b"", b""
    number = f" {attempt}" if attempt > 1 else ""
    suffix = f" (restored {stamp}{number})".encode()
    tail = suffix + dot + extension
    if len(tail) >= NAME_MAX_BYTES:
        stem, tail = name, suffix
    return _cut(stem, NAME_MAX_BYTES - len(tail)) + tail


def is_folder(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode)


def _cut(stem: bytes, length: int) -> bytes:
    """Its first bytes, without half a character of UTF-8 at the end."""
    if len(stem) <= length:
        return stem
    while length and stem[length] & 0xC0 == 0x80:
        length -= 1
    return stem[:length]
