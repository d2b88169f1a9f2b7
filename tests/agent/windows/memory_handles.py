"""Open files and held folders of a Windows server in memory."""

from typing import Protocol

from phoenix_core.agent.windows.attributes import SPARSE
from phoenix_core.agent.windows.seam import (
    Details,
    FileFacts,
)
from tests.agent.windows.memory_nodes import Node


class Server(Protocol):
    """What they need of it."""

    calls: list[str]
    held: list[str]

    def call(self, call: str, path: str = "") -> None:
        """It is noted, and fails where a test wants it to."""

    def touch(self, node: Node, *, content: bool = True) -> None: ...
    def details_of(self, node: Node, path: str) -> Details: ...


class MemoryFile:
    def __init__(self, windows: Server, node: Node, path: str, stream: str) -> None:
        self._windows = windows
        self._node = node
        self._path = path
        self._data = node.streams[stream] if stream else node.data
        self._is_stream = bool(stream)

    def details(self) -> Details:
        found = self._windows.details_of(self._node, self._path)
        if not self._is_stream:
            return found
        facts = found.facts
        size = len(self._data)
        own = FileFacts(
            "", facts.attributes, size, size, facts.created_ns, facts.modified_ns, facts.changed_ns, facts.file_id
        )
        return Details(own, found.links, found.volume_serial)

    def security(self) -> bytes:
        return self._node.security

    def ranges(self) -> list[tuple[int, int]] | None:
        return None if self._is_stream or self._node.ranges is None else list(self._node.ranges)

    def read_at(self, into: memoryview, offset: int) -> int:
        self._windows.call("read_at", self._path)
        piece = self._data[offset : offset + len(into)]
        into[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        pass


class MemoryOut:
    def __init__(self, windows: Server, node: Node, data: bytearray) -> None:
        self._windows = windows
        self._node = node
        self._data = data

    def write_at(self, data: bytes | memoryview, offset: int) -> None:
        self._windows.call("write_at")
        if len(self._data) < offset + len(data):
            self._data.extend(bytes(offset + len(data) - len(self._data)))
        self._data[offset : offset + len(data)] = data
        self._windows.touch(self._node)

    def set_size(self, size: int) -> None:
        del self._data[size:]
        self._data.extend(bytes(size - len(self._data)))

    def set_sparse(self) -> None:
        self._node.attributes |= SPARSE

    def set_compressed(self) -> None:
        self._node.attributes |= 0x800

    def flush(self) -> None:
        self._windows.calls.append("flush")

    def close(self) -> None:
        pass


class MemoryHold:
    def __init__(self, windows: Server, real: str) -> None:
        self._windows = windows
        self._real = real
        windows.held.append(real)

    @property
    def real_path(self) -> str:
        return self._real

    def close(self) -> None:
        self._windows.held.remove(self._real)
