"""What a folder's names tell of it: that it is a cache which says so, or Phoenix's own.

Each question is a look-up or some in the sorted names; only where a name is there is the folder itself looked at.
"""

import os
import re
import stat
from bisect import bisect_left
from collections.abc import Sequence

from phoenix_core.agent.restore.ownfolders import SCRATCH, kind_of
from phoenix_core.agent.restore.slots import TEMP_PREFIX
from phoenix_core.agentlink.peerstate import CERTIFICATE, KEY, PEER
from phoenix_core.vault.layout import DESCRIPTOR, SNAPSHOTS

CACHE_TAG = b"CACHEDIR.TAG"
CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
"""How a valid tag begins: https://bford.info/cachedir/."""
_MARKS = (os.fsencode(DESCRIPTOR), os.fsencode(SNAPSHOTS.rstrip("/")), b"catalog.sqlite", b"core.lock")
"""One of these is in each vault and each data directory."""
_STATE = tuple(map(os.fsencode, (PEER, KEY, CERTIFICATE)))
_RESTORED = re.compile(re.escape(TEMP_PREFIX) + rb"j[0-9a-z]{10}-[0-9]+")
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def holds(names: Sequence[bytes], name: bytes) -> bool:
    """Whether the name is among the sorted ones."""
    at = bisect_left(names, name)
    return at < len(names) and names[at] == name


def is_cache(folder: int, names: Sequence[bytes]) -> bool:
    """Whether the open folder is tagged as a cache."""
    if not holds(names, CACHE_TAG):
        return False
    try:
        fd = os.open(CACHE_TAG, _READ, dir_fd=folder)
    except OSError:
        return False
    try:
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
        return regular and os.read(fd, len(CACHE_SIGNATURE)) == CACHE_SIGNATURE
    except OSError:
        return False
    finally:
        os.close(fd)


def is_own(folder: int, names: Sequence[bytes]) -> bool:
    """Whether the open folder is a vault, a data directory, or the state of an agent or storage node; of whichever
    Phoenix on this host."""
    if any(holds(names, mark) for mark in _MARKS) and kind_of(folder):
        return True
    return all(holds(names, name) for name in _STATE)


def is_own_way(folder: int, below: Sequence[bytes]) -> bool:
    """Whether the open folder, on the way to those named below it, is Phoenix's own. The scratch space of a data
    directory holds nothing of its."""
    return below != [SCRATCH] and bool(kind_of(folder))


def half_restored(names: Sequence[bytes]) -> list[bytes]:
    """Of the names in a folder those under which a restore keeps what it hasn't finished."""
    found: list[bytes] = []
    for at in range(bisect_left(names, TEMP_PREFIX), len(names)):
        if not names[at].startswith(TEMP_PREFIX):
            break
        if _RESTORED.fullmatch(names[at]):
            found.append(names[at])
    return found
