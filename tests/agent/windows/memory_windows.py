"""A Windows server in memory behind the agent's seam: NTFS volumes, VSS, locked files, and what may go wrong.

It keeps the rules that the agent leans on: names without regard to case, links and junctions followed everywhere but
at a path's end, read-only files that can't be overwritten or deleted, held folders that can't be moved. A file of
its state lets worker processes read the same volumes."""

import copy
import itertools
import pickle
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from phoenix_core.agent.windows import errors
from phoenix_core.agent.windows.attributes import DIRECTORY, MOUNT_POINT, NORMAL, READONLY, REPARSE_POINT, SPARSE
from phoenix_core.agent.windows.descriptor import private
from phoenix_core.agent.windows.names import folded
from phoenix_core.agent.windows.reparse import junction_data, tag_of, target_of
from phoenix_core.agent.windows.seam import (
    Details,
    FileFacts,
    Service,
    ShadowCopy,
    StreamFacts,
    Volume,
    WindowsFailure,
)
from phoenix_core.agent.windows.workersetup import work_on_windows
from phoenix_core.agent.workerpool import Main

LIVE = "\\\\?\\"
SHADOW = "\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy"
TICK_NS = 1_000_000
BEGAN_NS = 1_700_000_000_000_000_000


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


class MemoryWindows:
    """Implements `seam.Windows`."""

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
                self._touch(node)
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
            self._touch(folder)
            key = name
        node = folder.children[key]
        node.data = bytearray(data)
        node.streams.update({stream: bytearray(content) for stream, content in streams.items()})
        self._touch(node)
        return node

    def junction(self, path: str, target: str) -> Node:
        node = self.folder(path)
        node.attributes |= REPARSE_POINT
        node.reparse = junction_data(target)
        return node

    def hard_link(self, existing: str, new: str) -> None:
        self.link(LIVE + existing, LIVE + new)

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
        self._touch(folder)

    def save(self) -> None:
        """For the workers; what a test has put in place of a method isn't theirs."""
        self.state.write_bytes(pickle.dumps({name: each for name, each in vars(self).items() if not callable(each)}))

    def load(self) -> None:
        self.__dict__.update(pickle.loads(self.state.read_bytes()))

    @property
    def worker_main(self) -> Main:
        return partial(worker_main, str(self.state))

    def _touch(self, node: Node, *, content: bool = True) -> None:
        node.changed_ns = self.now()
        if content:
            node.modified_ns = node.changed_ns

    # --- volumes and shadow copies ---------------------------------------------------------------------------------

    def volumes(self) -> list[Volume]:
        self._call("volumes")
        return [
            Volume(disk.letter, disk.device_id, disk.file_system, disk.is_fixed, disk.total_bytes, disk.free_bytes)
            for disk in self.disks.values()
        ]

    def vss_service(self) -> Service:
        self._call("vss_service")
        return self.service

    def start_vss(self) -> None:
        self._call("start_vss")
        self.service = Service("Running", self.service.start_mode)

    def create_shadow_copy(self, volume: str, note: Path) -> str:
        self._call("create_shadow_copy", volume)
        disk = next(disk for disk in self.disks.values() if disk.device_id == volume)
        made = "{" + str(uuid.uuid4()).upper() + "}"
        self.copies.append(Copy(made, next(self.numbers), volume, copy.deepcopy(disk.root), disk.serial))
        self._call("crash_after_create", volume)
        note.write_text(made + "\r\n", "utf-8")
        self.save()
        self._call("crash_after_note", volume)
        return made

    def shadow_copies(self) -> list[ShadowCopy]:
        self._call("shadow_copies")
        return [ShadowCopy(each.id, f"{SHADOW}{each.number}", each.volume) for each in self.copies]

    def delete_shadow_copy(self, copy: str) -> None:
        self._call("delete_shadow_copy", copy)
        self.copies = [each for each in self.copies if each.id != copy]

    def somebody_elses_copy(self, letter: str) -> str:
        made = "{" + str(uuid.uuid4()).upper() + "}"
        disk = self.disks[letter]
        self.copies.append(Copy(made, next(self.numbers), disk.device_id, copy.deepcopy(disk.root), disk.serial))
        return made

    # --- reading ---------------------------------------------------------------------------------------------------

    def take_rights(self) -> Sequence[str]:
        if self.state.exists() and self.is_worker:
            self.load()
        return self.lacking

    is_worker = False

    def list_folder(self, path: str) -> list[FileFacts]:
        self._call("list_folder", path)
        node = self._readable(path)
        if not node.is_folder:
            raise WindowsFailure(errors.DIRECTORY, "list_folder", path)
        return [_facts(name, child) for name, child in node.children.items()]

    def details(self, path: str) -> Details:
        self._call("details", path)
        plain, _, _ = _split_stream(path)
        return self._details(self._readable(plain), plain)

    def streams(self, path: str) -> list[StreamFacts]:
        self._call("streams", path)
        return [StreamFacts(name, len(data), len(data)) for name, data in self._readable(path).streams.items()]

    def security(self, path: str) -> bytes:
        self._call("security", path)
        return self._readable(path).security

    def reparse_data(self, path: str) -> bytes:
        self._call("reparse_data", path)
        return self._readable(path).reparse

    def open_file(self, path: str) -> "MemoryFile":
        self._call("open_file", path)
        plain, _, stream = _split_stream(path)
        node = self._readable(plain)
        if path.startswith(SHADOW):
            if self.vanishing_after == 0:
                self.copies.clear()
                raise WindowsFailure(errors.NO_SUCH_DEVICE, "open_file", path)
            self.vanishing_after -= 1
        elif folded(plain.removeprefix(LIVE)) in self.locked:
            raise WindowsFailure(errors.SHARING_VIOLATION, "open_file", path)
        if stream and stream not in node.streams:
            raise WindowsFailure(errors.FILE_NOT_FOUND, "open_file", path)
        return MemoryFile(self, node, plain, stream)

    # --- writing ---------------------------------------------------------------------------------------------------

    def hold_folder(self, path: str) -> "MemoryHold":
        self._call("hold_folder", path)
        real, node = self._resolve(path, follow_last=True)
        if not node.is_folder:
            raise WindowsFailure(errors.DIRECTORY, "hold_folder", path)
        return MemoryHold(self, real)

    def make_folder(self, path: str, security: bytes) -> None:
        self._call("make_folder", path)
        self._add(path, self._node(DIRECTORY, security))

    def create_file(self, path: str, security: bytes) -> "MemoryOut":
        self._call("create_file", path)
        node = self._node(0x20, security)
        self._add(path, node)
        return MemoryOut(self, node, node.data)

    def open_stream(self, path: str) -> "MemoryOut":
        self._call("open_stream", path)
        plain, _, stream = _split_stream(path)
        node = self._writable(plain)
        key = next((name for name in node.streams if folded(name) == folded(stream)), stream)
        node.streams[key] = bytearray()
        self._touch(node)
        return MemoryOut(self, node, node.streams[key])

    def set_security(self, path: str, security: bytes) -> None:
        self._call("set_security", path)
        node = self._resolve(path)[1]
        control = int.from_bytes(security[2:4], "little") & ~0x300
        node.security = security[:2] + control.to_bytes(2, "little") + security[4:]
        self._touch(node, content=False)

    def set_facts(self, path: str, attributes: int, created_ns: int, modified_ns: int) -> None:
        self._call("set_facts", path)
        node = self._resolve(path)[1]
        kept = node.attributes & (DIRECTORY | REPARSE_POINT | SPARSE | 0x800)
        node.attributes = kept | (attributes & ~NORMAL) if attributes & ~NORMAL or kept else NORMAL
        node.created_ns = created_ns or node.created_ns
        node.modified_ns = modified_ns or node.modified_ns
        self._touch(node, content=False)

    def set_reparse_data(self, path: str, data: bytes) -> None:
        self._call("set_reparse_data", path)
        node = self._resolve(path)[1]
        if node.children or node.data:
            raise WindowsFailure(errors.DIRECTORY_NOT_EMPTY, "set_reparse_data", path)
        node.reparse = data
        node.attributes |= REPARSE_POINT

    def link(self, existing: str, new: str) -> None:
        self._call("link", new)
        node = self._resolve(existing)[1]
        self._add(new, node)
        node.links += 1
        self._touch(node, content=False)

    def rename(self, old: str, new: str, *, replace: bool) -> None:
        self._call("rename", new)
        above, name, node = self._entry(old)
        target = self._resolve(new.rpartition("\\")[0] + "\\", follow_last=True)[1]
        key = target.find(new.rpartition("\\")[2])
        if key is not None and target.children[key] is not node:
            there = target.children[key]
            if not replace or there.is_folder or there.attributes & READONLY:
                raise WindowsFailure(errors.ACCESS_DENIED if replace else errors.ALREADY_EXISTS, "rename", new)
            there.links -= 1
            del target.children[key]
        del above.children[name]
        target.children[new.rpartition("\\")[2]] = node

    def delete_file(self, path: str) -> None:
        self._call("delete_file", path)
        above, name, node = self._entry(path)
        if node.is_folder or node.attributes & READONLY:
            raise WindowsFailure(errors.ACCESS_DENIED, "delete_file", path)
        node.links -= 1
        del above.children[name]

    def delete_folder(self, path: str) -> None:
        self._call("delete_folder", path)
        above, name, node = self._entry(path)
        if node.children:
            raise WindowsFailure(errors.DIRECTORY_NOT_EMPTY, "delete_folder", path)
        del above.children[name]

    def free_bytes(self, path: str) -> int:
        self._call("free_bytes", path)
        return self.disks[path[4]].free_bytes

    # --- paths -----------------------------------------------------------------------------------------------------

    def _call(self, call: str, path: str = "") -> None:
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
        self._touch(folder)

    def _details(self, node: Node, path: str) -> Details:
        serial = self._serial(path)
        return Details(_facts("", node), node.links, serial)

    def _serial(self, path: str) -> int:
        if path.startswith(SHADOW):
            number = path[len(SHADOW) :].partition("\\")[0]
            return next(each.serial for each in self.copies if str(each.number) == number)
        return self.disks[path[4]].serial


def worker_main(state: str, connection: Connection) -> None:
    """A worker process of a test's agent."""
    windows = MemoryWindows(Path(state))
    windows.is_worker = True
    work_on_windows(connection, windows)


class MemoryFile:
    def __init__(self, windows: MemoryWindows, node: Node, path: str, stream: str) -> None:
        self._windows = windows
        self._node = node
        self._path = path
        self._data = node.streams[stream] if stream else node.data
        self._is_stream = bool(stream)

    def details(self) -> Details:
        found = self._windows._details(self._node, self._path)
        if not self._is_stream:
            return found
        facts = found.facts
        size = len(self._data)
        own = FileFacts(
            "", facts.attributes, size, size, facts.created_ns, facts.modified_ns, facts.changed_ns, facts.file_id
        )
        return Details(own, found.links, found.volume_serial)

    def security(self) -> bytes:
        return self._node.security

    def ranges(self) -> list[tuple[int, int]] | None:
        return None if self._is_stream or self._node.ranges is None else list(self._node.ranges)

    def read_at(self, into: memoryview, offset: int) -> int:
        self._windows._call("read_at", self._path)
        piece = self._data[offset : offset + len(into)]
        into[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        pass


class MemoryOut:
    def __init__(self, windows: MemoryWindows, node: Node, data: bytearray) -> None:
        self._windows = windows
        self._node = node
        self._data = data

    def write_at(self, data: bytes | memoryview, offset: int) -> None:
        self._windows._call("write_at")
        if len(self._data) < offset + len(data):
            self._data.extend(bytes(offset + len(data) - len(self._data)))
        self._data[offset : offset + len(data)] = data
        self._windows._touch(self._node)

    def set_size(self, size: int) -> None:
        del self._data[size:]
        self._data.extend(bytes(size - len(self._data)))

    def set_sparse(self) -> None:
        self._node.attributes |= SPARSE

    def set_compressed(self) -> None:
        self._node.attributes |= 0x800

    def flush(self) -> None:
        self._windows.calls.append("flush")

    def close(self) -> None:
        pass


class MemoryHold:
    def __init__(self, windows: MemoryWindows, real: str) -> None:
        self._windows = windows
        self._real = real
        windows.held.append(real)

    @property
    def real_path(self) -> str:
        return self._real

    def close(self) -> None:
        self._windows.held.remove(self._real)


def _facts(name: str, node: Node) -> FileFacts:
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


def _split_stream(path: str) -> tuple[str, str, str]:
    """`C:` has a colon too."""
    above, slash, name = path.rpartition("\\")
    plain, colon, stream = name.partition(":")
    return above + slash + plain, colon, stream
