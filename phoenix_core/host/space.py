"""How much room a file system has, for what exists and for what is only going to."""

import os
from pathlib import Path

import msgspec

from phoenix_core.host.errors import SpaceUnknown


class Space(msgspec.Struct, frozen=True):
    path: str
    """The folder that was asked: the one named, or the nearest above it that exists."""
    device: int
    """Equal for two places that share the space."""
    free_bytes: int
    """What this user may still write; the part kept for root is not counted, even for root."""
    total_bytes: int
    free_files: int
    """-1 where the file system has no fixed number of them."""


def space_at(path: Path) -> Space:
    """Raises SpaceUnknown."""
    try:
        place = _nearest(path.expanduser().absolute())
        found = os.statvfs(place)
        device = place.stat().st_dev
    except OSError as error:
        raise SpaceUnknown(path=path, detail=error.strerror or str(error)) from error
    return Space(
        path=str(place),
        device=device,
        free_bytes=found.f_bavail * found.f_frsize,
        total_bytes=found.f_blocks * found.f_frsize,
        free_files=found.f_favail if found.f_files else -1,
    )


def _nearest(path: Path) -> Path:
    """The path itself or the nearest folder above it that exists. Raises OSError for what may not be looked at."""
    while True:
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            path = path.parent
        else:
            return path
