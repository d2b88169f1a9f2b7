"""A Windows server in memory behind the agent's seam: NTFS volumes, VSS, locked files, and what may go wrong.

It keeps the rules that the agent leans on: names without regard to case, links and junctions followed everywhere but
at a path's end, read-only files that can't be overwritten or deleted, held folders that can't be moved. A file of
its state lets worker processes read the same volumes."""

import copy
import pickle
import uuid
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from phoenix_core.agent.windows import errors
from phoenix_core.agent.windows.attributes import DIRECTORY, NORMAL, READONLY, REPARSE_POINT, SPARSE
from phoenix_core.agent.windows.names import folded
from phoenix_core.agent.windows.seam import (
    Details,
    FileFacts,
    Service,
    ShadowCopy,
    StreamFacts,
    Use,
    Volume,
    WindowsFailure,
)
from phoenix_core.agent.windows.workersetup import work_on_windows
from phoenix_core.agent.workerpool import Main
from tests.agent.windows.memory_handles import MemoryFile, MemoryHold, MemoryOut
from tests.agent.windows.memory_nodes import Copy, facts_of, split_stream
from tests.agent.windows.memory_volumes import LIVE, SHADOW, MemoryVolumes


class MemoryWindows(MemoryVolumes):
    """Implements `seam.Windows`."""

    def hard_link(self, existing: str, new: str) -> None:
        self.link(LIVE + existing, LIVE + new)

    def save(self) -> None:
        """For the workers; what a test has put in place of a method isn't theirs."""
        self.state.write_bytes(pickle.dumps({name: each for name, each in vars(self).items() if not callable(each)}))

    def load(self) -> None:
        self.__dict__.update(pickle.loads(self.state.read_bytes()))

    @property
    def worker_main(self) -> Main:
        return partial(worker_main, str(self.state))

    # --- volumes and shadow copies ---------------------------------------------------------------------------------

    def volumes(self) -> list[Volume]:
        self.call("volumes")
        return [
            Volume(disk.letter, disk.device_id, disk.file_system, disk.is_fixed, disk.total_bytes, disk.free_bytes)
            for disk in self.disks.values()
        ]

    def vss_service(self) -> Service:
        self.call("vss_service")
        return self.service

    def start_vss(self) -> None:
        self.call("start_vss")
        self.service = Service("Running", self.service.start_mode)

    def create_shadow_copy(self, volume: str, note: Path) -> str:
        self.call("create_shadow_copy", volume)
        disk = next(disk for disk in self.disks.values() if disk.device_id == volume)
        made = "{" + str(uuid.uuid4()).upper() + "}"
        self.copies.append(Copy(made, next(self.numbers), volume, copy.deepcopy(disk.root), disk.serial))
        self.call("crash_after_create", volume)
        note.write_text(made + "\r\n", "utf-8")
        self.save()
        self.call("crash_after_note", volume)
        return made

    def shadow_copies(self) -> list[ShadowCopy]:
        self.call("shadow_copies")
        return [ShadowCopy(each.id, f"{SHADOW}{each.number}", each.volume) for each in self.copies]

    def delete_shadow_copy(self, copy: str) -> None:
        self.call("delete_shadow_copy", copy)
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
        self.call("list_folder", path)
        node = self._readable(path)
        if not node.is_folder:
            raise WindowsFailure(errors.DIRECTORY, "list_folder", path)
        return [facts_of(name, child) for name, child in node.children.items()]

    def details(self, path: str) -> Details:
        self.call("details", path)
        plain, _, _ = split_stream(path)
        return self.details_of(self._readable(plain), plain)

    def use(self, path: str) -> Use:
        self.call("use", path)
        node = self._readable(path)
        return Use(node.modified_ns, node.changed_ns, folded(path.removeprefix(LIVE)) in self.in_use)

    def streams(self, path: str) -> list[StreamFacts]:
        self.call("streams", path)
        return [StreamFacts(name, len(data), len(data)) for name, data in self._readable(path).streams.items()]

    def security(self, path: str) -> bytes:
        self.call("security", path)
        return self._readable(path).security

    def reparse_data(self, path: str) -> bytes:
        self.call("reparse_data", path)
        return self._readable(path).reparse

    def open_file(self, path: str) -> MemoryFile:
        self.call("open_file", path)
        plain, _, stream = split_stream(path)
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

    def hold_folder(self, path: str) -> MemoryHold:
        self.call("hold_folder", path)
        real, node = self._resolve(path, follow_last=True)
        if not node.is_folder:
            raise WindowsFailure(errors.DIRECTORY, "hold_folder", path)
        return MemoryHold(self, real)

    def make_folder(self, path: str, security: bytes) -> None:
        self.call("make_folder", path)
        self._add(path, self._node(DIRECTORY, security))

    def create_file(self, path: str, security: bytes) -> MemoryOut:
        self.call("create_file", path)
        node = self._node(0x20, security)
        self._add(path, node)
        return MemoryOut(self, node, node.data)

    def open_stream(self, path: str) -> MemoryOut:
        self.call("open_stream", path)
        plain, _, stream = split_stream(path)
        node = self._writable(plain)
        key = next((name for name in node.streams if folded(name) == folded(stream)), stream)
        node.streams[key] = bytearray()
        self.touch(node)
        return MemoryOut(self, node, node.streams[key])

    def set_security(self, path: str, security: bytes) -> None:
        self.call("set_security", path)
        node = self._resolve(path)[1]
        control = int.from_bytes(security[2:4], "little") & ~0x300
        node.security = security[:2] + control.to_bytes(2, "little") + security[4:]
        self.touch(node, content=False)

    def set_facts(self, path: str, attributes: int, created_ns: int, modified_ns: int) -> None:
        self.call("set_facts", path)
        node = self._resolve(path)[1]
        kept = node.attributes & (DIRECTORY | REPARSE_POINT | SPARSE | 0x800)
        node.attributes = kept | (attributes & ~NORMAL) if attributes & ~NORMAL or kept else NORMAL
        node.created_ns = created_ns or node.created_ns
        node.modified_ns = modified_ns or node.modified_ns
        self.touch(node, content=False)

    def set_reparse_data(self, path: str, data: bytes) -> None:
        self.call("set_reparse_data", path)
        node = self._resolve(path)[1]
        if node.children or node.data:
            raise WindowsFailure(errors.DIRECTORY_NOT_EMPTY, "set_reparse_data", path)
        node.reparse = data
        node.attributes |= REPARSE_POINT

    def link(self, existing: str, new: str) -> None:
        self.call("link", new)
        node = self._resolve(existing)[1]
        self._add(new, node)
        node.links += 1
        self.touch(node, content=False)

    def rename(self, old: str, new: str, *, replace: bool) -> None:
        self.call("rename", new)
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
        self.call("delete_file", path)
        above, name, node = self._entry(path)
        if node.is_folder or node.attributes & READONLY:
            raise WindowsFailure(errors.ACCESS_DENIED, "delete_file", path)
        node.links -= 1
        del above.children[name]

    def delete_folder(self, path: str) -> None:
        self.call("delete_folder", path)
        above, name, node = self._entry(path)
        if node.children:
            raise WindowsFailure(errors.DIRECTORY_NOT_EMPTY, "delete_folder", path)
        del above.children[name]

    def free_bytes(self, path: str) -> int:
        self.call("free_bytes", path)
        return self.disks[path[4]].free_bytes


def worker_main(state: str, connection: Connection) -> None:
    """A worker process of a test's agent."""
    windows = MemoryWindows(Path(state))
    windows.is_worker = True
    work_on_windows(connection, windows)
