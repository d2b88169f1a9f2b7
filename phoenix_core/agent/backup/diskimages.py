"""Which files are disk images, by the content rules that name them: they are cut at fixed offsets."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from phoenix_core.agent.backup.sources import canonical
from phoenix_core.agentlink.ruleorder import RuleOrder
from phoenix_core.domain.patterns import Patterns


class Images(msgspec.Struct, frozen=True, array_like=True):
    """Patterns, and the folders in which they hold; none: everywhere."""

    patterns: tuple[str, ...]
    below: tuple[bytes, ...] = ()


def images_of(rules: Sequence[RuleOrder], canonical: Callable[[bytes], bytes] = canonical) -> tuple[Images, ...]:
    """Rules that say the same are one; where all do, folders don't matter."""
    folders: dict[tuple[str, ...], tuple[bytes, ...]] = {}
    for rule in rules:
        folders[rule.disk_images] = (*folders.get(rule.disk_images, ()), *map(canonical, rule.paths))
    if len(folders) == 1:
        return tuple(Images(patterns) for patterns in folders if patterns)
    return tuple(Images(patterns, below) for patterns, below in folders.items() if patterns)


class Named(Protocol):
    """Files of some kind, by their paths."""

    def match(self, path: bytes) -> bool: ...


class DiskImages:
    """Raises PatternInvalid."""

    def __init__(self, images: Sequence[Images], *, ignore_case: bool = False) -> None:
        self._images = [(Patterns(each.patterns, ignore_case=ignore_case), each.below) for each in images]

    def match(self, path: bytes) -> bool:
        """Whether the file of this absolute path is one."""
        return any(
            patterns.match(path) and (not below or any(_is_in(path, folder) for folder in below))
            for patterns, below in self._images
        )


def _is_in(path: bytes, folder: bytes) -> bool:
    return path == folder or path.startswith(folder if folder == b"/" else folder + b"/")
