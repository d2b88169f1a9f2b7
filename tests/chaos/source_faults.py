"""How the calls fail by which the agent looks at a source."""

import errno
import os
import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

FAILING = ("open", "listdir", "lstat", "fstat", "preadv", "lseek", "listxattr", "getxattr", "readlink")
ERRORS = {
    "open": (errno.EIO, errno.EACCES, errno.EBUSY, errno.ESTALE),
    "lstat": (errno.EIO, errno.EACCES, errno.ESTALE),
    "fstat": (errno.EIO, errno.ESTALE),
    "preadv": (errno.EIO, errno.EIO, errno.EBUSY, errno.ESTALE),
    "getxattr": (errno.EIO, errno.EBUSY, errno.ESTALE),
}
MOST = {"open": 90, "lstat": 40, "fstat": 70, "preadv": 25, "listxattr": 60}
"""About as many calls as a full backup makes; of others it makes fewer than ten, as an incremental one of all."""
_readlink = os.readlink


class Fault:
    """The n-th call of one function of `os` on a part of the source fails, or is cut short."""

    def __init__(self, part: Path, with_way: bool, name: str, after: int, kind: str, number: int = 0) -> None:
        """`with_way`: or on what leads to the part. `kind`: `error` with this number, `short` reads, or `end` of the
        file too early."""
        self.name = name
        self._part = os.fsencode(part)
        self._with_way = with_way
        self._left = after
        self._kind = kind
        self._number = number
        self._ended = -1
        self.struck = 0
        self._stack = ExitStack()

    def __enter__(self) -> "Fault":
        original = getattr(os, self.name)

        def call(*arguments: Any, **options: Any) -> Any:
            if not self._concerns(_path_of(arguments[0], options.get("dir_fd"))):
                return original(*arguments, **options)
            self._left -= 1
            if self._left == -1 or (self._left < 0 and self._goes_on(arguments)):
                self.struck += 1
                return self._strike(original, arguments, options)
            return original(*arguments, **options)

        self._stack.enter_context(mock.patch.object(os, self.name, call))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _concerns(self, path: bytes) -> bool:
        """Not `/`, without which there is no machine, nor the agent's own files."""
        is_inside = (path + b"/").startswith(self._part + b"/")
        return is_inside or (self._with_way and path != b"/" and self._part.startswith(path + b"/"))

    def _goes_on(self, arguments: tuple[Any, ...]) -> bool:
        """All reads after the first are short, and a file that ended stays so."""
        return self._kind == "short" or (self._kind == "end" and arguments[0] == self._ended)

    def _strike(self, original: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if self._kind == "error":
            raise OSError(self._number, os.strerror(self._number))
        fd, (view,), offset, *flags = arguments
        if self._kind == "end":
            begins, self._ended = self._ended < 0, fd
            return original(fd, [view[: len(view) // 2]], offset, *flags) if begins and len(view) > 1 else 0
        return original(fd, [view[: max(1, len(view) // 3)]], offset, *flags)


def _path_of(at: int | bytes, folder: int | None) -> bytes:
    """What a call is about: an open file, an entry of an open folder, or a path."""
    if isinstance(at, int):
        return _readlink(b"/proc/self/fd/%d" % at)
    if at.startswith(b"/proc/self/fd/"):
        number, _, name = at.removeprefix(b"/proc/self/fd/").partition(b"/")
        return _path_of(int(number), None) + b"/" + name
    return at if folder is None or at.startswith(b"/") else _path_of(folder, None) + b"/" + at


def chosen_fault(source: Path, deep: Path, dice: random.Random) -> Fault:
    """Half of them strike the folder `deep`, the others anything."""
    name = dice.choice((*FAILING, "preadv", "preadv", "preadv", "open", "lstat"))
    kind = dice.choice(("error", "error", "short", "end")) if name == "preadv" else "error"
    most = dice.choice((MOST.get(name, 8), 12))
    part, most = dice.choice(((source, most), (deep, min(most, 6))))
    return Fault(part, part == source, name, dice.randrange(most), kind, dice.choice(ERRORS.get(name, (errno.EIO,))))
