"""The folders that were found unchanged ahead of a scan, as long as the scan can use them.

The scan goes through paths in order, each folder before what is in it. So those before the folder that it came to last
are of no more use, and neither are those below one that was found unchanged as a whole.
"""

from bisect import bisect_left

from phoenix_core.agent.backup.aheadmessages import Unchanged

_BELOW, _END = b"\xfe", b"\xff"
_NAME_BYTES = sorted(set(range(1, 256)) - {ord("/")}, reverse=True)
_LAST_FIRST = bytes.maketrans(bytes(_NAME_BYTES) + b"/", bytes(range(len(_NAME_BYTES))) + _BELOW)


class FoundFolders:
    def __init__(self) -> None:
        self._keys: list[bytes] = []
        """Sorted: the last path first, so that those found come and those passed go at the list's end."""
        self._folders: dict[bytes, Unchanged] = {}
        self._reached = _END

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, folder: Unchanged) -> None:
        """Takes the place of what is below it; is left out if the scan has been there."""
        key = _key(folder.path)
        if key >= self._reached:
            return
        end = bisect_left(self._keys, key)
        start = bisect_left(self._keys, key[:-1] + _BELOW, 0, end)
        for below in self._keys[start:end]:
            del self._folders[below]
        self._keys[start : end + (key in self._folders)] = [key]
        self._folders[key] = folder

    def reach(self, path: bytes) -> Unchanged | None:
        """The scan has come to this folder: what was found of it."""
        key = self._reached = _key(path)
        while self._keys and self._keys[-1] > key:
            del self._folders[self._keys.pop()]
        if self._keys and self._keys[-1] == key:
            return self._folders.pop(self._keys.pop())
        return None

    def clear(self) -> None:
        self._keys.clear()
        self._folders.clear()


def _key(path: bytes) -> bytes:
    """Compares in the reverse of the scan's order."""
    return path.translate(_LAST_FIRST) + _END
