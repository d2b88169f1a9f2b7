"""Which names that a scan meets are further hard links of a file that it has met."""

import os
from dataclasses import dataclass


@dataclass(slots=True)
class _Group:
    identity: int
    remaining: int


class HardLinks:
    """Keeps a file only until all its names were met."""

    def __init__(self) -> None:
        self._groups: dict[tuple[int, int], _Group] = {}
        self._identities = 0

    def met(self, status: os.stat_result) -> tuple[bool, int]:
        """Whether this is the first of a file's names, and the number that stands for the file."""
        return self.met_numbers(status.st_dev, status.st_ino, status.st_nlink)

    def met_numbers(self, device: int, inode: int, links: int) -> tuple[bool, int]:
        """The same by the numbers that tell files apart, and how many names this one has."""
        key = (device, inode)
        group = self._groups.get(key)
        if group is None:
            self._identities += 1
            self._groups[key] = _Group(self._identities, links - 1)
            return True, self._identities
        group.remaining -= 1
        if group.remaining <= 0:
            del self._groups[key]
        return False, group.identity
