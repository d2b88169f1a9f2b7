"""What the benchmark asks of a set of data."""

import os
from pathlib import Path
from typing import Protocol


class Dataset(Protocol):
    key: str
    """As in the report: `a` to `d`."""
    title: str
    """With its size."""

    def make(self, root: Path) -> None:
        """Generate it below the folder, which doesn't exist yet."""
        ...

    def change(self, root: Path, generation: int) -> None:
        """Change 1 %: what `generation` changes, on top of those before. Generation 0 undoes all changes."""
        ...


def same_amount(source: Path, restored: Path) -> bool:
    """Whether as many files with as many bytes came back, wherever below `restored` they lie."""
    return _amount(source) == _amount(restored)


def _amount(root: Path) -> tuple[int, int]:
    files = total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            files += 1
            total += os.lstat(os.path.join(folder, name)).st_size
    return files, total
