"""Files that can't be made smaller, as long each."""

from pathlib import Path

from bench.data.contents import Dice


class RandomFiles:
    def __init__(self, files: int, file_bytes: int) -> None:
        self.files = files
        self.file_bytes = file_bytes

    def make(self, root: Path) -> None:
        root.mkdir(parents=True)
        for number in range(self.files):
            with (root / f"{number:04d}.bin").open("wb") as file:
                file.write(Dice("random files", number).randbytes(self.file_bytes))
