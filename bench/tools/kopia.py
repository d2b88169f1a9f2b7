"""kopia with zstd compression, no snapshot expired while others are made, and maintenance that deletes at once; all
else default."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.measure import Measured
from bench.tools.tool import PASSWORD, Command


class Kopia(Command):
    name = "kopia"

    def __init__(self, program: str) -> None:
        super().__init__(program)
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        self.version = said.split()[0]

    def open(self, folder: Path) -> None:
        super().open(folder)
        self.run(["policy", "set", "--global", "--compression", "zstd", "--keep-latest", "1000"])

    def variables(self) -> Mapping[str, str]:
        return {
            "KOPIA_PASSWORD": PASSWORD,
            "KOPIA_CONFIG_PATH": str(self.folder / "kopia.config"),
            "KOPIA_CACHE_DIRECTORY": str(self.folder / "kopia-cache"),
            "KOPIA_LOG_DIR": str(self.folder / "kopia-logs"),
            "KOPIA_CHECK_FOR_UPDATES": "false",
        }

    def init(self) -> Sequence[str]:
        self.repository.mkdir()
        return ["repository", "create", "filesystem", "--path", str(self.repository)]

    def start(self) -> Sequence[str]:
        return ["--version"]

    def backup(self, source: Path) -> Measured:
        return self.run(["snapshot", "create", "--no-progress", str(source)])

    def restore(self, target: Path) -> Measured:
        return self.run(["restore", "--no-progress", self.snapshots()[-1], str(target)])

    def check(self) -> Measured:
        return self.run(["snapshot", "verify", "--verify-files-percent=100"])

    def drop_half(self) -> Measured:
        return self.run(["snapshot", "delete", "--delete", *self.snapshots()[::2]])

    def prune(self) -> Measured:
        return self.run(["maintenance", "run", "--full", "--safety=none"])

    def snapshots(self) -> list[str]:
        said = subprocess.run(
            [self.program, "snapshot", "list", "--all", "--json", "--show-identical"],
            env=self.environment,
            capture_output=True,
            check=True,
        ).stdout
        return [each["id"] for each in sorted(json.loads(said), key=lambda each: str(each["startTime"]))]
