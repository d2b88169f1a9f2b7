"""restic, with its defaults."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.measure import Measured
from bench.tools.tool import PASSWORD, Command


class Restic(Command):
    name = "restic"

    def __init__(self, program: str) -> None:
        super().__init__(program)
        said = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
        self.version = said.split()[1]

    def variables(self) -> Mapping[str, str]:
        return {"RESTIC_REPOSITORY": str(self.repository), "RESTIC_PASSWORD": PASSWORD}

    def init(self) -> Sequence[str]:
        return ["init", "-q"]

    def start(self) -> Sequence[str]:
        return ["version"]

    def backup(self, source: Path) -> Measured:
        return self.run(["backup", "-q", str(source)])

    def restore(self, target: Path) -> Measured:
        return self.run(["restore", "-q", "latest", "--target", str(target)])

    def check(self) -> Measured:
        return self.run(["check", "-q", "--read-data"])

    def snapshots(self) -> list[str]:
        said = subprocess.run(
            [self.program, "snapshots", "--json"], env=self.environment, capture_output=True, check=True
        ).stdout
        return [each["id"] for each in json.loads(said)]

    def drop_half(self) -> Measured:
        return self.run(["forget", "-q", *self.snapshots()[::2]])

    def prune(self) -> Measured:
        return self.run(["prune", "-q"])
