"""What the benchmark asks of each program."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from bench.measure import Measured, run_command

PASSWORD = "a password of the benchmark"


class Tool(Protocol):
    """One program with one fresh repository below a folder of its own. Methods raise `Failed`."""

    name: str
    version: str

    def open(self, folder: Path) -> None:
        """Make a repository, and start what must run."""
        ...

    def backup(self, source: Path) -> Measured: ...

    def restore(self, target: Path) -> Measured:
        """The newest snapshot, into an empty folder."""
        ...

    def check(self) -> Measured:
        """Read all data back, decrypt and compare with its hashes."""
        ...

    def snapshots(self) -> list[str]:
        """All that there are, oldest first."""
        ...

    def drop_half(self) -> Measured:
        """Forget every second snapshot, from the oldest on, without freeing anything."""
        ...

    def prune(self) -> Measured: ...

    def stored_bytes(self) -> int: ...

    def close(self) -> None: ...


class Command:
    """A program that is one command per operation."""

    name: str
    version: str

    def __init__(self, program: str) -> None:
        self.program = program
        self.environment: dict[str, str] = dict(os.environ)
        self._start_s: float | None = None

    def open(self, folder: Path) -> None:
        self.folder = folder
        self.repository = folder / "repository"
        self.log = folder / "log"
        self.environment |= {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), **self.variables()}
        self.run(self.init())
        self._start_s = min(self.run(self.start()).wall_s for _ in range(3))

    def variables(self) -> Mapping[str, str]:
        raise NotImplementedError

    def init(self) -> Sequence[str]:
        raise NotImplementedError

    def start(self) -> Sequence[str]:
        """A command that does nothing but start."""
        raise NotImplementedError

    def run(self, arguments: Sequence[str], *, cwd: Path | None = None) -> Measured:
        command = [self.program, *arguments]
        return run_command(command, self.environment, self.log, start_s=self._start_s or 0.0, cwd=cwd)

    def stored_bytes(self) -> int:
        return folder_bytes(self.repository)

    def close(self) -> None:
        pass


def folder_bytes(folder: Path) -> int:
    """Lengths of all files below."""
    return sum(os.lstat(os.path.join(at, name)).st_size for at, _, names in os.walk(folder) for name in names)
