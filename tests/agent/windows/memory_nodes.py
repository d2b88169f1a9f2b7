"""What lies on the volumes of a Windows server in memory."""

from dataclasses import dataclass, field

from phoenix_core.agent.windows.attributes import DIRECTORY
from phoenix_core.agent.windows.names import folded
from phoenix_core.agent.windows.reparse import tag_of
from phoenix_core.agent.windows.seam import (
    FileFacts,
)


@dataclass
class Node:
    """A file, a folder or a link; of hard links one."""

    file_id: int
    attributes: int
    created_ns: int
    modified_ns: int
    changed_ns: int
    security: bytes
    data: bytearray = field(default_factory=bytearray)
    ranges: list[tuple[int, int]] | None = None
    streams: dict[str, bytearray] = field(default_factory=dict)
    reparse: bytes = b""
    children: dict[str, "Node"] = field(default_factory=dict)
    links: int = 1

    @property
    def is_folder(self) -> bool:
        return bool(self.attributes & DIRECTORY)

    def find(self, name: str) -> str | None:
        if name in self.children:
            return name
        return next((each for each in self.children if folded(each) == folded(name)), None)


@dataclass
class Disk:
    letter: str
    device_id: str
    root: Node
    serial: int
    file_system: str = "NTFS"
    total_bytes: int = 100 * 2**30
    free_bytes: int = 50 * 2**30
    is_fixed: bool = True


@dataclass
class Copy:
    id: str
    number: int
    volume: str
    root: Node
    serial: int


@dataclass(frozen=True)
class Fault:
    """Makes calls of one kind fail."""

    code: int
    containing: str = ""
    """Only those on paths with this in them."""


def facts_of(name: str, node: Node) -> FileFacts:
    size = len(node.data)
    allocated = sum(length for _, length in node.ranges) if node.ranges is not None else size
    return FileFacts(
        name,
        node.attributes,
        size,
        allocated,
        node.created_ns,
        node.modified_ns,
        node.changed_ns,
        node.file_id,
        tag_of(node.reparse) if node.reparse else 0,
    )


def split_stream(path: str) -> tuple[str, str, str]:
    """`C:` has a colon too."""
    above, slash, name = path.rpartition("\\")
    plain, colon, stream = name.partition(":")
    return above + slash + plain, colon, stream
