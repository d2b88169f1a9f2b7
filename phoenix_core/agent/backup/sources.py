"""The paths that a backup names, as one tree of names: which folders are entered whole, which only on the way.

Symbolic links above the last name are resolved, so that the snapshot holds real folders; the last name is taken as it
is, unless a slash follows it.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from phoenix_core.agent.backup.records import join
from phoenix_core.agent.errors import NothingToBackUp, PathNotAbsolute
from phoenix_core.domain.names import shown


@dataclass
class SourceNode:
    """A name on the way to a source, or a source itself."""

    is_source: bool = False
    rules: int = 0
    """Bit n: the content rule of number n names it."""
    below: dict[bytes, "SourceNode"] = field(default_factory=dict)


def canonical(path: bytes) -> bytes:
    """The absolute path without links above its last name. Raises `PathNotAbsolute`."""
    if not path.startswith(b"/") or b"\0" in path:
        raise PathNotAbsolute(path=shown(path) or "''")
    names = [name for name in path.split(b"/") if name not in {b"", b"."}]
    if not names:
        return b"/"
    if path.endswith((b"/", b"/.", b"/..")):
        return os.path.realpath(path)
    return os.path.join(os.path.realpath(b"/" + b"/".join(names[:-1])), names[-1])


def source_tree(paths: Sequence[bytes] | Mapping[bytes, int]) -> SourceNode:
    """The tree of canonical source paths, from `/` down; of a mapping the values say which rules name them. Raises
    `NothingToBackUp`."""
    if not paths:
        raise NothingToBackUp
    root = SourceNode()
    for path in paths:
        node = root
        for name in path.split(b"/"):
            if name:
                node = node.below.setdefault(name, SourceNode())
        node.is_source = True
        node.rules |= paths[path] if isinstance(paths, Mapping) else 1
    return root


def sources_in(path: bytes, node: SourceNode) -> list[bytes]:
    """The sources at and below a place."""
    found: list[bytes] = []
    waiting = [(path, node)]
    while waiting:
        at, here = waiting.pop()
        if here.is_source:
            found.append(at)
        waiting += [(join(at, name), below) for name, below in here.below.items()]
    return found
