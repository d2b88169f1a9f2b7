"""borg with zstd level 3 and `repokey-blake2`, all else default."""

import itertools
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.measure import Measured
from bench.tools.tool import PASSWORD, Command


class Borg(Command):
    name = "borg"

    def __init__(self, program: str) -> None:
        super().__init__(program)
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        self.version = said.split()[1]
        self._numbers = itertools.count(1)
        self._kept: list[str] = []

    def variables(self) -> Mapping[str, str]:
        return {
            "BORG_REPO": str(self.repository),
            "BORG_PASSPHRASE": PASSWORD,
            "BORG_BASE_DIR": str(self.folder),
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        }

    def init(self) -> Sequence[str]:
        return ["init", "--encryption", "repokey-blake2"]

    def start(self) -> Sequence[str]:
        return ["--version"]

    def backup(self, source: Path) -> Measured:
        name = f"backup-{next(self._numbers):04d}"
        measured = self.run(["create", "-C", "zstd,3", f"::{name}", str(source)])
        self._kept.append(name)
        return measured

    def restore(self, target: Path) -> Measured:
        return self.run(["extract", f"::{self._kept[-1]}"], cwd=target)

    def check(self) -> Measured:
        return self.run(["check", "--verify-data"])

    def snapshots(self) -> list[str]:
        return list(self._kept)

    def drop_half(self) -> Measured:
        dropped, self._kept = self._kept[::2], self._kept[1::2]
        return self.run(["delete", "::", *dropped])

    def prune(self) -> Measured:
        return self.run(["compact"])
