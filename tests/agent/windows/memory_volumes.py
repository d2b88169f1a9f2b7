"""The volumes of a Windows server in memory, its paths and links, and faults that a test wants."""

import itertools
import uuid
from collections.abc import Iterator
from pathlib import Path

from phoenix_core.agent.windows import errors
from phoenix_core.agent.windows.attributes import DIRECTORY, MOUNT_POINT, READONLY, REPARSE_POINT
from phoenix_core.agent.windows.descriptor import private
from phoenix_core.agent.windows.names import folded
from phoenix_core.agent.windows.reparse import junction_data, tag_of, target_of
from phoenix_core.agent.windows.seam import (
    Details,
    Service,
    WindowsFailure,
)
from tests.agent.windows.memory_nodes import Copy, Disk, Fault, Node, facts_of

LIVE = "\\\\?\\"
SHADOW = "\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy"
TICK_NS = 1_000_000
BEGAN_NS = 1_700_000_000_000_000_000


class MemoryVolumes:
    """What is on its volumes, and what a test does there."""

    def __init__(self, state: Path, letters: str = "C") -> None:
        """`state`: the file through which worker processes see it."""
        self.state = state
        self.ids = itertools.count(5)
        self.clock_ns = BEGAN_NS
        self.disks = {letter: self._disk(letter) for letter in letters}
        self.copies: list[Copy] = []
        self.numbers = itertools.count(1)
        self.service = Service("Stopped", "Manual")
        self.locked: set[str] = set()
        """Folded live paths, `C:\\x`, that another program holds open."""
        self.in_use: set[str] = set()
        """The same for files that one holds open without locking them."""
        self.denied: set[str] = set()
        """The same for paths that even a backup may not read."""
        self.faults: dict[str, Fault] = {}
        self.lacking: tuple[str, ...] = ()
        self.calls: list[str] = []
        self.held: list[str] = []
        self.vanishing_after = -1
        """So many files are read from a shadow copy before Windows removes it."""

    def _disk(self, letter: str) -> Disk:
        root = self._node(0x16)
        return Disk(letter, f"\\\\?\\Volume{{{uuid.uuid4()}}}\\", root, 0x1000 + ord(letter))

    def now(self) -> int:
        self.clock_ns += TICK_NS
        return self.clock_ns

    def _node(self, attributes: int, security: bytes = b"") -> Node:
        now = self.now()
        return Node(next(self.ids), attributes, now, now, now, security or private())

    # --- what a test does ------------------------------------------------------------------------------------------

    def folder(self, path: str, **more: int) -> Node:
        """`C:\\a\\b`; those above are made too."""
        letter, names = path[0], [name for name in path[2:].split("\\") if name]
        node = self.disks[letter].root
        for name in names:
            key = node.find(name)
            if key is None:
                node.children[name] = self._node(DIRECTORY)
                self.touch(node)
                key = name
            node = node.children[key]
        node.attributes |= more.get("attributes", 0)
        return node

    def file(self, path: str, data: bytes = b"", **streams: bytes) -> Node:
        above, _, name = path.rpartition("\\")
        folder = self.folder(above + "\\" if len(above) == 2 else above)
        key = folder.find(name)
        if key is None:
            folder.children[name] = self._node(0x20)
            self.touch(folder)
            key = name
        node = folder.children[key]
        node.data = bytearray(data)
        node.streams.update({stream: bytearray(content) for stream, content in streams.items()})
        self.touch(node)
        return node

    def junction(self, path: str, target: str) -> Node:
        node = self.folder(path)
        node.attributes |= REPARSE_POINT
        node.reparse = junction_data(target)
        return node

    def at(self, path: str) -> Node:
        """`C:\\a\\b`, live."""
        return self._resolve(LIVE + path)[1]

    def tree(self, path: str) -> dict[str, Node]:
        """All below a live folder, by path relative to it."""

        def below(node: Node, prefix: str) -> Iterator[tuple[str, Node]]:
            for name, child in node.children.items():
                yield prefix + name, child
                if not child.reparse:
                    yield from below(child, prefix + name + "\\")

        return dict(below(self.at(path), ""))

    def remove(self, path: str) -> None:
        above, _, name = path.rpartition("\\")
        folder = self.folder(above + "\\" if len(above) == 2 else above)
        key = folder.find(name)
        assert key is not None
        node = folder.children.pop(key)
        node.links -= 1
        self.touch(folder)

    def touch(self, node: Node, *, content: bool = True) -> None:
        node.changed_ns = self.now()
        if content:
            node.modified_ns = node.changed_ns

    # --- paths -----------------------------------------------------------------------------------------------------

    def call(self, call: str, path: str = "") -> None:
        self.calls.append(call)
        fault = self.faults.get(call)
        if fault is not None and fault.containing in path:
            raise WindowsFailure(fault.code, call, path)

    def _root(self, path: str) -> tuple[str, Node, str]:
        """A path's root, its node, and the rest."""
        if path.startswith(SHADOW):
            number, _, rest = path[len(SHADOW) :].partition("\\")
            for each in self.copies:
                if str(each.number) == number:
                    return f"{SHADOW}{number}", each.root, rest
            raise WindowsFailure(errors.PATH_NOT_FOUND, "open", path)
        assert path.startswith(LIVE), path
        assert path[5] == ":", path
        disk = self.disks.get(path[4])
        if disk is None:
            raise WindowsFailure(errors.PATH_NOT_FOUND, "open", path)
        return path[:6], disk.root, path[7:]

    def _resolve(self, path: str, *, follow_last: bool = False, depth: int = 0) -> tuple[str, Node]:
        """The real path and what is there; links are followed but at the end."""
        if depth > 31:
            raise WindowsFailure(errors.CANT_ACCESS_FILE, "open", path)
        root, node, rest = self._root(path)
        at = root
        names = [name for name in rest.split("\\") if name]
        for number, name in enumerate(names):
            key = node.find(name) if node.is_folder else None
            if key is None:
                last = number == len(names) - 1
                raise WindowsFailure(errors.FILE_NOT_FOUND if last else errors.PATH_NOT_FOUND, "open", path)
            node = node.children[key]
            at += "\\" + key
            is_last = number == len(names) - 1
            if node.reparse and tag_of(node.reparse) == MOUNT_POINT and (follow_last or not is_last):
                onward = "\\".join([LIVE + target_of(node.reparse), *names[number + 1 :]])
                return self._resolve(onward, follow_last=follow_last, depth=depth + 1)
        return (at if names else at + "\\"), node

    def _readable(self, path: str) -> Node:
        if folded(path.removeprefix(LIVE)) in self.denied:
            raise WindowsFailure(errors.ACCESS_DENIED, "open", path)
        return self._resolve(path)[1]

    def _writable(self, path: str) -> Node:
        node = self._resolve(path)[1]
        if node.attributes & READONLY and not node.is_folder:
            raise WindowsFailure(errors.ACCESS_DENIED, "open", path)
        return node

    def _entry(self, path: str) -> tuple[Node, str, Node]:
        above, _, name = path.rpartition("\\")
        folder = self._resolve(above + "\\", follow_last=True)[1]
        key = folder.find(name)
        if key is None:
            raise WindowsFailure(errors.FILE_NOT_FOUND, "open", path)
        return folder, key, folder.children[key]

    def _add(self, path: str, node: Node) -> None:
        above, _, name = path.rpartition("\\")
        folder = self._resolve(above + "\\", follow_last=True)[1]
        if folder.find(name) is not None:
            raise WindowsFailure(errors.ALREADY_EXISTS, "create", path)
        if any(char in '/:*?"<>|' for char in name):
            raise WindowsFailure(errors.INVALID_NAME, "create", path)
        folder.children[name] = node
        self.touch(folder)

    def details_of(self, node: Node, path: str) -> Details:
        serial = self._serial(path)
        return Details(facts_of("", node), node.links, serial)

    def _serial(self, path: str) -> int:
        if path.startswith(SHADOW):
            number = path[len(SHADOW) :].partition("\\")[0]
            return next(each.serial for each in self.copies if str(each.number) == number)
        return self.disks[path[4]].serial
