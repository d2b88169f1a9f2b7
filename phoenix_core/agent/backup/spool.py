"""A list of records that is written once and read in order; beyond some megabytes it lies on disk, without a name."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Generic, Protocol, Self, TypeVar

import msgspec

from phoenix_core.agent.errors import StateUnusable
from phoenix_core.host.openfiles import read_at

MEMORY_BYTES = 16 * 2**20
_LENGTH_BYTES = 4
_READ_BYTES = 2**20

Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)


class Sink(Protocol[Item_contra]):
    """Takes items in order."""

    def append(self, item: Item_contra) -> None: ...


class Spool(Generic[Item]):
    """Append, then iterate, as often as wanted. The file has no name: nothing is left behind, whatever happens."""

    def __init__(self, folder: Path, item_type: Any, *, memory_bytes: int = MEMORY_BYTES) -> None:
        """`item_type` is what msgspec decodes; `folder` takes the file, if there is one."""
        self._folder = folder
        self._encode = msgspec.msgpack.Encoder().encode
        self._decoder: msgspec.msgpack.Decoder[Item] = msgspec.msgpack.Decoder(item_type)
        self._memory_bytes = memory_bytes
        self._buffer = bytearray()
        self._file: BinaryIO | None = None
        self._file_bytes = 0
        self.count = 0

    def append(self, item: Item) -> None:
        """Raises `StateUnusable` where the disk is full."""
        encoded = self._encode(item)
        self._buffer += len(encoded).to_bytes(_LENGTH_BYTES, "little") + encoded
        self.count += 1
        if len(self._buffer) >= self._memory_bytes:
            self._spill()

    def __iter__(self) -> Iterator[Item]:
        """All items in order. Appending while iterating is not allowed."""
        held = b""
        at = 0
        for piece in self._pieces():
            held = held[at:] + piece
            at = 0
            while len(held) - at >= _LENGTH_BYTES:
                end = at + _LENGTH_BYTES + int.from_bytes(held[at : at + _LENGTH_BYTES], "little")
                if end > len(held):
                    break
                item = held[at + _LENGTH_BYTES : end]
                at = end
                yield self._decoder.decode(item)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _pieces(self) -> Iterator[bytes]:
        offset = 0
        while self._file is not None and offset < self._file_bytes:
            piece = read_at(self._file.fileno(), _READ_BYTES, offset)
            if not piece:
                raise StateUnusable(path=self._folder, detail="a spool file ended early")
            offset += len(piece)
            yield piece
        for start in range(0, len(self._buffer), _READ_BYTES):
            yield bytes(self._buffer[start : start + _READ_BYTES])

    def _spill(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - closed in close
            view = memoryview(self._buffer)
            while view:
                written = os.write(self._file.fileno(), view)
                view = view[written:]
                self._file_bytes += written
        except OSError as error:
            raise StateUnusable(path=self._folder, detail=error.strerror) from error
        self._buffer = bytearray()
