"""(a), (d) Trees of small files, with sizes and contents like a /usr."""

import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.data import contents
from bench.data.contents import Dice

IN_FOLDER = 12
MAX_BYTES = 24 << 20


class SmallFiles:
    """Files in folders of a dozen, three levels deep; one of twenty a symbolic link, one of a hundred a hard link."""

    def __init__(self, key: str, files: int, mean_bytes: int, what: str) -> None:
        self.key = key
        self.files = files
        self._scale = mean_bytes / 12_000
        self._newest = 0
        """The latest generation that was made."""
        self.title = f"{what}: {files:,} files, {files * mean_bytes / 1e9:.2g} GB"

    def make(self, root: Path) -> None:
        step = max(IN_FOLDER, self.files // 64 // IN_FOLDER * IN_FOLDER)
        with ProcessPoolExecutor(2) as pool:
            list(
                pool.map(self._make_some, [(root, at, min(at + step, self.files)) for at in range(0, self.files, step)])
            )

    def change(self, root: Path, generation: int) -> None:
        if generation == 0:
            for number in sorted({each for past in range(1, self._newest + 1) for each in self._changed(past)}):
                if self._has_content(number):
                    self._rewrite(root, number, 0)
            self._newest = 0
            return
        self._newest = max(self._newest, generation)
        for number in self._changed(generation):
            if self._has_content(number):
                self._rewrite(root, number, generation)

    def _changed(self, generation: int) -> list[int]:
        return Dice(self.key, "changed", generation).sample(range(self.files), max(1, self.files // 100))

    def _make_some(self, task: tuple[Path, int, int]) -> None:
        root, first, end = task
        for number in range(first, end):
            path = self._path(root, number)
            if number % IN_FOLDER == 0:
                path.parent.mkdir(parents=True, exist_ok=True)
            if number % 20 == 7:
                path.symlink_to(self._path(root, number - 1).name)
            elif number % 100 == 50:
                path.hardlink_to(self._path(root, number - 1))
            else:
                self._write(path, number, 0)

    def _has_content(self, number: int) -> bool:
        return number % 20 != 7 and number % 100 != 50

    def _rewrite(self, root: Path, number: int, generation: int) -> None:
        path = self._path(root, number)
        self._write(path, number, generation)

    def _write(self, path: Path, number: int, generation: int) -> None:
        dice = Dice(self.key, number)
        make, length = _kind(dice, self._scale)
        if generation:
            dice = Dice(self.key, number, generation)
        path.write_bytes(make(dice, length))

    def _path(self, root: Path, number: int) -> Path:
        folder = number // IN_FOLDER
        return (
            root
            / f"part-{folder // 400:03d}"
            / f"section-{folder // 20 % 20:02d}"
            / f"item-{folder:06d}"
            / f"{number:07d}.dat"
        )


def _kind(dice: random.Random, scale: float) -> tuple[contents.Make, int]:
    """What a file of the tree holds, and its length: most are text, most bytes are in binaries and text."""
    draw = dice.random()
    if draw < 0.82:
        return contents.text, _length(dice, 3_000 * scale, 1.4)
    if draw < 0.87:
        return contents.binary, _length(dice, 30_000 * scale, 1.65)
    return contents.compressed, _length(dice, 1_500 * scale, 1.3)


def _length(dice: random.Random, median: float, sigma: float) -> int:
    return min(int(median * dice.lognormvariate(0, sigma)), MAX_BYTES)
