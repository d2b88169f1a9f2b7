"""Real file systems on loop devices, for tests that root runs on a kernel that has them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard

IMAGES = Path(__file__).parent / "images"
_PIECE = 1 << 20


def unpack(name: str, into: Path) -> Path:
    """One of the images, with its zeros as holes."""
    with (IMAGES / f"{name}.zst").open("rb") as packed, into.open("wb") as image:
        reader = zstandard.ZstdDecompressor().stream_reader(packed)
        while piece := reader.read(_PIECE):
            if piece.strip(b"\0"):
                image.write(piece)
            else:
                image.seek(len(piece), os.SEEK_CUR)
        image.truncate(image.tell())
    return into


@contextmanager
def mounted(image: Path, folder: Path, *options: str) -> Iterator[Path]:
    """Skips the test where this user or kernel can't."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    done = subprocess.run(
        ["mount", "-o", ",".join(("loop", *options)), str(image), str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"this kernel can't mount it: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
