"""rustic, with its defaults but for a prune that deletes at once."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.measure import Measured
from bench.tools.tool import PASSWORD, Command


class Rustic(Command):
    name = "rustic"

    def __init__(self, program: str) -> None:
        super().__init__(program)
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        self.version = said.split()[1]

    def variables(self) -> Mapping[str, str]:
        return {
            "RUSTIC_REPOSITORY": str(self.repository),
            "RUSTIC_PASSWORD": PASSWORD,
            "RUSTIC_NO_PROGRESS": "true",
            "RUSTIC_LOG_LEVEL": "warn",
        }

    def init(self) -> Sequence[str]:
        return ["init"]

    def start(self) -> Sequence[str]:
        return ["--version"]

    def backup(self, source: Path) -> Measured:
        return self.run(["backup", str(source)])

    def restore(self, target: Path) -> Measured:
        return self.run(["restore", "latest", str(target)])

    def check(self) -> Measured:
        return self.run(["check", "--read-data"])

    def snapshots(self) -> list[str]:
        said = subprocess.run(
            [self.program, "snapshots", "--json"], env=self.environment, capture_output=True, check=True
        ).stdout
        groups = json.loads(said)
        found = [each for group in groups for each in (group["snapshots"] if isinstance(group, dict) else group[1])]
        return [each["id"] for each in sorted(found, key=lambda each: str(each["time"]))]

    def drop_half(self) -> Measured:
        return self.run(["forget", *self.snapshots()[::2]])

    def prune(self) -> Measured:
        return self.run(["prune", "--instant-delete", "--keep-delete", "0s"])
