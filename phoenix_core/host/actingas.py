"""Files that root makes in a folder of somebody else: with that user's rights alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def acting_as(owner: tuple[int, int] | None) -> Iterator[None]:
    """Within the block the whole process works on files as this user and group, so that a link that the folder's owner
    put there leads no further than he gets by himself. None, or where not root runs: as before.

    Not for a process that works on something else meanwhile."""
    if owner is None or os.geteuid() != 0:
        yield
        return
    uid, gid = owner
    before = os.getegid(), os.getgroups()
    os.setgroups([gid])
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(before[0])
        os.setgroups(before[1])
