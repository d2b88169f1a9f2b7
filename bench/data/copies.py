"""(c) Copies of one tree with small differences: what deduplication is for."""

import shutil
from pathlib import Path

from bench.data.smallfiles import SmallFiles

COPIES = 20


class Copies:
    key = "c"

    def __init__(self, files: int, mean_bytes: int) -> None:
        self._tree = SmallFiles("c", files, mean_bytes, "a tree")
        self.title = (
            f"{COPIES} copies of a tree of {files:,} files, {COPIES * files * mean_bytes / 1e9:.2g} GB, 1 % different"
        )

    def make(self, root: Path) -> None:
        self._tree.make(root / "copy-00")
        for number in range(1, COPIES):
            copy = self.copy(root, number)
            shutil.copytree(self.copy(root, 0), copy, symlinks=True)
        for number in range(1, COPIES):
            self._tree.change(self.copy(root, number), number)

    def change(self, root: Path, generation: int) -> None:
        """The copies stay as they are."""

    def copy(self, root: Path, number: int) -> Path:
        return root / f"copy-{number:02d}"
