"""A small tree that changes from round to round: files of all sizes up to a few megabytes, holes, hard links, links;
and a folder, the last one by name, which never changes."""

import os
import random
from pathlib import Path

from tests.agent.independent_walk import Facts, walk

FOLDERS = 6
FILES_IN_FOLDER = 40
LARGE_FILES = 2
LARGE_BYTES = 2 << 20
HOLE_BYTES = 8 << 20
PAGE = 4096


class ChangingSource:
    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self._made = 0
        dice = random.Random(0)
        for folder in range(FOLDERS):
            (root / f"folder-{folder}" / "deep").mkdir(parents=True)
        for _ in range(FOLDERS * FILES_IN_FOLDER):
            self._add(dice)
        for number in range(LARGE_FILES):
            (root / f"large-{number}").write_bytes(dice.randbytes(LARGE_BYTES))
        self._punch(dice)
        (root / "empty").mkdir()
        for still in (root / "still", root / "still" / "deep"):
            still.mkdir()
            (still / "file").write_bytes(dice.randbytes(PAGE))

    def facts(self) -> dict[bytes, Facts]:
        """What a restore of a backup of now must give back."""
        return walk(self.root)

    def change(self, dice: random.Random, *, much: bool) -> None:
        """Some files come, go, change or get another name. `much`: many megabytes are new."""
        files = sorted(path for path in self.root.glob("folder-*/**/file-*"))
        for path in dice.sample(files, min(len(files), dice.randint(5, 30))):
            self._disturb(path, dice)
        while len(files) < FOLDERS * FILES_IN_FOLDER:
            files.append(self._add(dice))
        large = self.root / f"large-{dice.randrange(LARGE_FILES)}"
        with large.open("r+b") as file:
            file.seek(dice.randrange(LARGE_BYTES))
            file.write(dice.randbytes(dice.choice((1, PAGE, 300_000))))
        if dice.random() < 0.2:
            self._punch(dice)
        if much:
            (self.root / "bulk").write_bytes(dice.randbytes(dice.randint(4, 24) << 20))
        elif dice.random() < 0.2:
            (self.root / "bulk").unlink(missing_ok=True)

    def _add(self, dice: random.Random) -> Path:
        self._made += 1
        folder = self.root / f"folder-{dice.randrange(FOLDERS)}"
        path = (folder / "deep" if dice.random() < 0.3 else folder) / f"file-{self._made}"
        path.write_bytes(dice.randbytes(dice.choice((0, 1, 500, PAGE, 9_000, 40_000))))
        if dice.random() < 0.1:
            path.with_name(f"link-{self._made}").hardlink_to(path)
        if dice.random() < 0.1:
            path.with_name(f"way-{self._made}").symlink_to(path.name)
        return path

    def _disturb(self, path: Path, dice: random.Random) -> None:
        match dice.randrange(4):
            case 0:
                path.unlink()
            case 1:
                path.write_bytes(dice.randbytes(dice.randrange(60_000)))
            case 2:
                path.rename(path.with_name(f"{path.name}-again"))
            case _:
                path.chmod(dice.choice((0o600, 0o644, 0o755)))
                os.utime(path, ns=(0, dice.randrange(2**60)))

    def _punch(self, dice: random.Random) -> None:
        """A file of holes with a little data in it, made anew."""
        path = self.root / "holes"
        path.unlink(missing_ok=True)
        with path.open("wb") as file:
            file.truncate(HOLE_BYTES)
            for _ in range(3):
                file.seek(dice.randrange(0, HOLE_BYTES // PAGE) * PAGE)
                file.write(dice.randbytes(PAGE))
