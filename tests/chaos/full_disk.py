"""A disk that is full from a certain write on: a seam in the calls by which files are made and written, and a real one.

The seam sees calls of Python code for what lies below one folder. Deleting always works, as on a real disk."""

import contextlib
import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

BY_PATH = ("mkdir", "link", "rename", "replace")
BY_FD = ("write", "pwrite", "fsync", "ftruncate")


class FullDisk:
    """`with FullDisk(folder, after): …`: so many calls succeed, and those after them fail."""

    def __init__(self, folder: Path, after: int, *, error: int = errno.ENOSPC, once: bool = False) -> None:
        """`once`: only one call fails; somebody else frees space at that moment."""
        self._below = os.fspath(folder) + "/"
        self._left = after
        self._error = error
        self._once = once
        self.failed = 0
        self._patches = contextlib.ExitStack()

    def __enter__(self) -> "FullDisk":
        for name in BY_PATH:
            self._wrap(name, lambda arguments: self._is_below(os.fspath(arguments[-1])))
            # The last argument is the name that is made.
        for name in BY_FD:
            self._wrap(name, lambda arguments: self._is_open_below(arguments[0]))
        self._wrap("copy_file_range", lambda arguments: self._is_open_below(arguments[1]))
        self._wrap("open", lambda arguments: self._makes(*arguments))
        return self

    def __exit__(self, *error: object) -> None:
        self._patches.close()

    def _wrap(self, name: str, concerns: Callable[[tuple[Any, ...]], bool]) -> None:
        original = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            positional = arguments[:1] if name == "mkdir" else arguments
            if concerns(positional):
                self._spend()
            return original(*arguments, **options)

        self._patches.enter_context(mock.patch.object(os, name, call))

    def _spend(self) -> None:
        if self._left > 0:
            self._left -= 1
        elif not (self._once and self.failed):
            self.failed += 1
            raise OSError(self._error, os.strerror(self._error))

    def _makes(self, path: Any, flags: int = 0, *more: Any) -> bool:
        makes = bool(flags & (os.O_CREAT | os.O_TMPFILE & ~os.O_DIRECTORY))
        return makes and not isinstance(path, int) and self._is_below(os.fspath(path))

    def _is_below(self, path: str | bytes) -> bool:
        return os.fsdecode(path).startswith(self._below)

    def _is_open_below(self, fd: int) -> bool:
        try:
            at = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            return False
        return at.startswith(self._below) and not os.path.isdir(at)


def may_mount() -> bool:
    """Root in a container may lack the right to mount."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def filled(folder: Path, free_bytes: int) -> Iterator[None]:
    """The real disk of a folder has no more than so much space for the time being."""
    filler = folder / "filler"
    space = os.statvfs(folder)
    with filler.open("wb") as file, contextlib.suppress(OSError):
        os.posix_fallocate(file.fileno(), 0, max(1, space.f_bavail * space.f_frsize - free_bytes))
    try:
        yield
    finally:
        filler.unlink()
