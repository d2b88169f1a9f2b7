"""Many small files in one folder."""

from pathlib import Path

FILE_BYTES = 1000


class OneFolder:
    def __init__(self, files: int) -> None:
        self.files = files
        self.title = f"one folder of {files:,} files"

    def make(self, root: Path) -> None:
        """Each file is another one."""
        root.mkdir(parents=True)
        for number in range(self.files):
            (root / f"{number:07d}.dat").write_bytes(b"%020d" % number * (FILE_BYTES // 20))
