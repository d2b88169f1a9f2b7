"""What a restore takes away, or puts beside what was there, without the selection naming it: codes, and sentences."""

from collections.abc import Iterable
from typing import Final

from phoenix_core.domain.amounts import amount

FOLDER_REMOVED: Final = "folder_removed"
"""Followed by the number of entries that were in it."""
LINK_REPLACED: Final = "link_replaced"
"""Followed by where it led to."""
RENAMED: Final = "renamed"
"""Followed by the name."""
_NAMED = 3


def removed_text(folders: int, entries: int, listed: Iterable[tuple[str, str]], *, done: bool) -> str:
    """Of folders that give way to what isn't one; `listed`: paths with a code each, of any kind. Empty where there are
    none. `done`: it has happened."""
    if not folders:
        return ""
    what = f"{amount(folders, 'folder')} with {amount(entries, 'entry', 'entries')} {_verb(folders, done=done)} removed"
    same = "a file" if folders == 1 else "files"
    return f"{what} for {same} of the same name: {_first(listed, FOLDER_REMOVED, folders)}"


def replaced_text(links: int, listed: Iterable[tuple[str, str]], *, done: bool) -> str:
    """Of symbolic links that give way to folders."""
    if not links:
        return ""
    what = f"{amount(links, 'symbolic link')} {_verb(links, done=done)} replaced"
    same = "a folder" if links == 1 else "folders"
    return f"{what} by {same} of the same name: {_first(listed, LINK_REPLACED, links)}"


def renamed_text(count: int, listed: Iterable[tuple[str, str]]) -> str:
    """Of what stands beside what was there."""
    if not count:
        return ""
    verb = "stands" if count == 1 else "stand"
    return f"{amount(count, 'entry', 'entries')} {verb} under another name: {_first(listed, RENAMED, count)}"


def _verb(count: int, *, done: bool) -> str:
    if done:
        return "was" if count == 1 else "were"
    return "is" if count == 1 else "are"


def _first(listed: Iterable[tuple[str, str]], code: str, count: int) -> str:
    found = [(path, rest) for path, reason in listed for kind, _, rest in [reason.partition(": ")] if kind == code]
    names = [f"{path} as {rest}" if code == RENAMED else path for path, rest in found[:_NAMED]]
    return ", ".join(names) + (f" and {count - len(names)} more" if count > len(names) else "") + "."
