"""Which volumes a backup's paths lie on."""

from collections.abc import Iterable, Sequence

import msgspec

from phoenix_core.agent.windows.errors import NoSuchDrive
from phoenix_core.agent.windows.paths import split
from phoenix_core.agent.windows.seam import Volume
from phoenix_core.agentlink.ruleorder import RuleOrder

ALL = b"/"


def all_drives(volumes: Iterable[Volume]) -> list[bytes]:
    """The paths that `/` stands for: every local disk that has a drive letter and a file system."""
    return sorted(b"/" + each.letter.encode() for each in volumes if each.letter and each.is_fixed and each.file_system)


def with_all_drives(rules: Sequence[RuleOrder], volumes: Sequence[Volume]) -> tuple[RuleOrder, ...]:
    """The rules, with all local disks in place of `/`."""
    drives = all_drives(volumes)
    return tuple(
        msgspec.structs.replace(
            rule, paths=tuple(each for path in rule.paths for each in (drives if path == ALL else [path]))
        )
        for rule in rules
    )


def wanted_volumes(paths: Sequence[bytes], volumes: Sequence[Volume]) -> list[Volume]:
    """Those of the paths, by letter. Raises `NoDriveInPath`, `NoSuchDrive`."""
    by_letter = {volume.letter: volume for volume in volumes if volume.letter}
    found: dict[str, Volume] = {}
    for path in paths:
        letter = split(path)[0]
        if letter not in by_letter:
            raise NoSuchDrive(letter=letter, drives=", ".join(f"{each}:" for each in sorted(by_letter)) or "none")
        found[letter] = by_letter[letter]
    return [found[letter] for letter in sorted(found)]
