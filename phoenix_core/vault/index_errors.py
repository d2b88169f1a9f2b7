"""Errors of the chunk index; each names the way to mend it."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phoenix_core.domain.errors import PhoenixError

_ROOM_BYTES = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class IndexMissing(PhoenixError):
    """The vault holds packs, and the index that says what is in them isn't there or isn't complete."""

    code = "index_missing"
    template = "The vault's index in {folder} is missing or not complete."
    hint = "Run `phoenix vault rebuild-index`; it makes the index anew from the vault, no data is lost."
    http_status = 503


class IndexDamaged(PhoenixError):
    """The index can't be read."""

    code = "index_damaged"
    template = "The vault's index in {folder} is damaged: {detail}."
    hint = "Run `phoenix vault rebuild-index`; it makes the index anew from the vault, no data is lost."
    http_status = 503


class IndexFull(PhoenixError):
    """The disk that holds the index is full."""

    code = "index_full"
    template = "The disk with the index in {folder} is full."
    hint = "Free space there; what is already stored is untouched."
    retryable = True
    http_status = 507


class IndexReadOnly(IndexFull):
    """The file system that holds the index takes no changes. As with a full disk, what was going on can be done again
    when it does."""

    code = "index_read_only"
    template = "The file system with the index in {folder} is read-only."
    hint = (
        "Mount it so that it can be written, then start the job again; a disk with errors becomes read-only by itself, "
        "which `dmesg` tells. What is already stored is untouched."
    )


@contextmanager
def told_full(folder: Path) -> Iterator[None]:
    """A full disk, or a quota or limit that is used up, becomes `IndexFull`, a read-only one `IndexReadOnly`."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EROFS:
            raise IndexReadOnly(folder=folder) from error
        if error.errno not in _FULL:
            raise
        raise IndexFull(folder=folder) from error


def no_room(error: Exception, folder: Path) -> IndexFull | None:
    """What an error of LMDB says of space, if it does. It gives no number, and calls a write that was cut short EIO."""
    text = str(error)
    if os.strerror(errno.EROFS) in text:
        return IndexReadOnly(folder=folder)
    is_full = any(os.strerror(number) in text for number in _FULL) or (
        os.strerror(errno.EIO) in text and not _has_room(folder)
    )
    return IndexFull(folder=folder) if is_full else None


def _has_room(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, _ROOM_BYTES)
    except OSError as error:
        return error.errno not in _FULL
    return True
