"""(b) A disk image: half compressible, a quarter zeros, a quarter random, in stretches of 64 KiB to 4 MiB."""

import os
from pathlib import Path

from bench.data import contents
from bench.data.contents import MIB, Dice

STEP = 64 * 1024


class DiskImage:
    key = "b"

    def __init__(self, size_bytes: int) -> None:
        self._size = size_bytes
        self.title = f"one disk image of {size_bytes / 1e9:.2g} GB"

    def make(self, root: Path) -> None:
        root.mkdir(parents=True)
        with (root / "disk.img").open("wb") as image:
            self._fill(image.fileno(), Dice("image"), 0, self._size)

    def change(self, root: Path, generation: int) -> None:
        """1 % of it, in places of 1 MiB."""
        fd = os.open(root / "disk.img", os.O_WRONLY)
        try:
            if generation == 0:
                self._fill(fd, Dice("image"), 0, self._size)
                return
            dice = Dice("image", generation)
            for _ in range(max(1, self._size // 100 // MIB)):
                at = dice.randrange(0, self._size - MIB, 4096)
                os.pwrite(fd, contents.text(dice, MIB), at)
        finally:
            os.close(fd)

    def _fill(self, fd: int, dice: Dice, at: int, end: int) -> None:
        while at < end:
            length = min(STEP * dice.randint(1, 64), end - at)
            draw = dice.random()
            if draw < 0.25:
                data = bytes(length)
            elif draw < 0.5:
                data = contents.compressed(dice, length)
            else:
                data = (contents.text if draw < 0.75 else contents.binary)(dice, length)
            os.pwrite(fd, data, at)
            at += length
