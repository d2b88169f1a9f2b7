"""Whether a restored entry has the owner, mode, time and attributes that the snapshot says.

What is lacking is tried to be set once more: where that works now, the restore should have done it, and it is a
failure; where it doesn't, the scratch place can't carry it (its file system, or the agent's user), which is only told.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

from phoenix_core.agent.backup.metadata import xattrs_of
from phoenix_core.agent.restore.apply_metadata import OwnerNumbers
from phoenix_core.vault.entry import Entry, EntryType

_SET_ID = stat.S_ISUID | stat.S_ISGID


@dataclass
class Lacks:
    failed: list[str] = field(default_factory=list)
    not_carried: list[str] = field(default_factory=list)

    def add(self, what: str, *, can_be: bool) -> None:
        (self.failed if can_be else self.not_carried).append(what)


def what_it_lacks(at: bytes, entry: Entry, status: os.stat_result, owners: OwnerNumbers) -> Lacks:
    """Of the entry at this path, whose lstat is `status`. Changes it, where something is lacking."""
    lacks = Lacks()
    wanted = owners.user(entry.owner, entry.uid), owners.group(entry.group, entry.gid)
    is_owned = (status.st_uid, status.st_gid) == wanted
    if not is_owned:
        can_be = _works(lambda: os.chown(at, *wanted, follow_symlinks=False), lambda: _owner_of(at) == wanted)
        lacks.add(f"owner {entry.owner or entry.uid}:{entry.group or entry.gid}", can_be=can_be)
    if entry.type is not EntryType.SYMLINK:
        _compare_mode(at, entry, status, lacks, is_owned=is_owned)
    if status.st_mtime_ns != entry.mtime_ns:
        times = (status.st_atime_ns, entry.mtime_ns)
        can_be = _works(
            lambda: os.utime(at, ns=times, follow_symlinks=False), lambda: os.lstat(at).st_mtime_ns == entry.mtime_ns
        )
        lacks.add("time of modification", can_be=can_be)
    _compare_xattrs(at, entry, lacks)
    return lacks


def _compare_mode(at: bytes, entry: Entry, status: os.stat_result, lacks: Lacks, *, is_owned: bool) -> None:
    mode, wanted = stat.S_IMODE(status.st_mode), entry.mode
    if not is_owned:  # a set-id bit under another owner would hand out somebody else's rights
        mode, wanted = mode & ~_SET_ID, wanted & ~_SET_ID
    if mode != wanted:
        can_be = _works(lambda: os.chmod(at, entry.mode), lambda: stat.S_IMODE(os.lstat(at).st_mode) == entry.mode)
        lacks.add(f"mode {entry.mode:o}", can_be=can_be)


def _compare_xattrs(at: bytes, entry: Entry, lacks: Lacks) -> None:
    found = dict(xattrs_of(at))
    for name, value in entry.xattrs:
        if found.pop(name, None) == value:
            continue
        can_be = _works(
            lambda name=name, value=value: os.setxattr(at, name, value, follow_symlinks=False),  # type: ignore[misc]
            lambda name=name, value=value: os.getxattr(at, name, follow_symlinks=False) == value,  # type: ignore[misc]
        )
        lacks.add(f"attribute {name.decode('utf-8', 'backslashreplace')}", can_be=can_be)
    for name in found:
        if not name.startswith(b"security."):  # labels come from the host
            lacks.add(f"attribute {name.decode('utf-8', 'backslashreplace')} too much", can_be=True)


def _owner_of(at: bytes) -> tuple[int, int]:
    status = os.lstat(at)
    return status.st_uid, status.st_gid


def _works(change: Callable[[], None], holds: Callable[[], bool]) -> bool:
    try:
        change()
        return holds()
    except OSError:
        return False
