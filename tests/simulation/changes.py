"""The files of one simulated server, changed at random from a seed; what they once were can be kept and compared."""

import random
from collections.abc import Mapping

FEW_BYTES, MANY_BYTES = 20_000, 900_000
"""A file has up to so many; one of fifty has up to the larger number, which is more than one chunk."""
FOLDERS = 4
FILES_MAX = 12


class ChangingFiles:
    def __init__(self, seed: int, name: str) -> None:
        self._chance = random.Random(f"files of {name}, {seed}")
        self._made = 0
        self.now: Mapping[str, bytes] = {}
        """Their contents by path; another mapping after each change."""
        for _ in range(3):
            self._add()

    def change(self) -> None:
        """Up to four files are added, removed, written anew, written into, cut off or renamed."""
        for _ in range(self._chance.randrange(5)):
            act = self._chance.choice((self._add, self._remove, self._write, self._write_into, self._cut, self._rename))
            act()

    def _add(self) -> None:
        if len(self.now) < FILES_MAX:
            self.now = {**self.now, self._new_path(): self._content()}

    def _remove(self) -> None:
        if len(self.now) > 1:
            gone = self._any()
            self.now = {path: content for path, content in self.now.items() if path != gone}

    def _write(self) -> None:
        self.now = {**self.now, self._any(): self._content()}

    def _write_into(self) -> None:
        path = self._any()
        content = self.now[path]
        at = self._chance.randrange(len(content) + 1)
        self.now = {**self.now, path: content[:at] + self._chance.randbytes(100) + content[at + 100 :]}

    def _cut(self) -> None:
        path = self._any()
        self.now = {**self.now, path: self.now[path][: self._chance.randrange(len(self.now[path]) + 1)]}

    def _rename(self) -> None:
        old = self._any()
        self.now = {path: content for path, content in self.now.items() if path != old} | {
            self._new_path(): self.now[old]
        }

    def _any(self) -> str:
        return self._chance.choice(sorted(self.now))

    def _new_path(self) -> str:
        self._made += 1
        return f"/srv/folder {self._chance.randrange(FOLDERS)}/file {self._made}"

    def _content(self) -> bytes:
        most = MANY_BYTES if self._chance.randrange(50) == 0 else FEW_BYTES
        return self._chance.randbytes(self._chance.randrange(most))
