"""A worker process of a backup of this host's files, live or in snapshots."""

from multiprocessing.connection import Connection

import msgspec

from phoenix_core.agent.backup.diskimages import DiskImages
from phoenix_core.agent.backup.filereader import FileReader
from phoenix_core.agent.backup.views import View, Views
from phoenix_core.agent.backup.workerbody import Reader, ReaderParts, work_with


def worker_main(connection: Connection) -> None:
    """The process's main function."""
    work_with(connection, _reader)


def encode_views(views: Views) -> bytes:
    """What a job tells its workers."""
    return msgspec.msgpack.encode(views.all)


def _reader(parts: ReaderParts) -> Reader:
    views = Views(msgspec.msgpack.decode(parts.source, type=tuple[View, ...]))
    return FileReader(
        parts.add,
        parts.chunker_seed,
        DiskImages(parts.images),
        tick=parts.tick,
        opened=lambda item, fd: parts.opened(item),
        views=views,
    )
