"""What a job tells its worker processes of the volumes that they read, and the reader that they make of it."""

from functools import partial
from multiprocessing.connection import Connection

import msgspec

from phoenix_core.agent.backup.workerbody import Reader, ReaderParts, work_with
from phoenix_core.agent.windows.lostcopies import raise_if_lost
from phoenix_core.agent.windows.reader import WindowsReader
from phoenix_core.agent.windows.seam import Windows


class Roots(msgspec.Struct, frozen=True):
    """Where each volume is read from, by drive letter; without a backslash at the end."""

    shadows: dict[str, str]
    live: dict[str, str]
    made_ns: dict[str, tuple[int, int]] = {}
    """When each shadow copy was asked for, and when it was there."""

    @property
    def all(self) -> dict[str, str]:
        return self.live | self.shadows


def encode_roots(roots: Roots) -> bytes:
    return msgspec.msgpack.encode(roots)


def work_on_windows(connection: Connection, windows: Windows) -> None:
    """A worker process's whole life."""
    work_with(connection, partial(_reader, windows))


def _reader(windows: Windows, parts: ReaderParts) -> Reader:
    windows.take_rights()
    roots = msgspec.msgpack.decode(parts.source, type=Roots)
    return WindowsReader(
        windows,
        roots.all,
        parts,
        lambda letter, failure: raise_if_lost(windows, roots.shadows, letter, failure),
        roots.made_ns,
    )
