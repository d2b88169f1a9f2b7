"""Snapshots of Btrfs subvolumes. They lie in the agent's folder where that is on the same file system, else at the top
of the mounted one. Nested subvolumes are no part of a snapshot: each has its own."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from phoenix_core.agent.sourcesnapshots.btrfscalls import SUBVOLUME_INODE, BtrfsCalls, Subvolume
from phoenix_core.agent.sourcesnapshots.kind import NoSnapshot, Place, Volume
from phoenix_core.agent.sourcesnapshots.marks import PREFIX, Mark
from phoenix_core.agent.sourcesnapshots.mounttable import MountTable
from phoenix_core.domain.names import shown


class BtrfsSnapshots:
    name = "Btrfs"

    def __init__(self, own_folder: bytes, calls: BtrfsCalls | None = None) -> None:
        """`own_folder`: the agent's, for snapshots; it need not be there."""
        self._own_folder = own_folder
        self._calls = calls or BtrfsCalls()

    def volume(self, place: Place, table: MountTable) -> Volume:
        if place.mount.read_only:
            raise NoSnapshot("its file system is mounted read-only, and a snapshot can't be put there")
        with self._opened(place.live) as folder:
            if os.fstat(folder).st_ino != SUBVOLUME_INODE:
                raise NoSnapshot("it is mounted from inside of a Btrfs subvolume")
            subvolume = self._calls.subvolume(folder)
            into = self._folder_on(self._calls.file_system(folder), place)
        with self._opened(into) as folder:
            lies_on = self._lies_on(folder)
        return Volume(
            self.name,
            shown(place.live),
            subvolume.uuid,
            "btrfs",
            place.live,
            parent=subvolume.uuid,
            folder=into,
            place=lies_on,
        )

    def nested(self, live: bytes) -> list[bytes]:
        """Live paths of the subvolumes right below one."""
        with self._opened(live) as folder:
            return [os.path.join(live, below) for below in self._calls.nested(folder)]

    def make(self, volumes: Sequence[Volume], marks: Sequence[Mark]) -> list[Mark]:
        return [self._make(volume, mark) for volume, mark in zip(volumes, marks, strict=True)]

    def root(self, mark: Mark) -> bytes:
        return os.path.join(mark.folder, mark.name.encode())

    def problem(self, mark: Mark) -> str:
        try:
            found = self._find(mark)
        except OSError as error:
            return error.strerror or str(error)
        return "" if found is not None else "it is not there any more"

    def delete(self, mark: Mark) -> bool:
        """By open folder and name. What has the name, and isn't the snapshot of the mark, stays."""
        if self._find(mark) is None:
            self._check_place(mark)
            return False
        with self._opened(mark.folder) as folder:
            self._calls.delete(folder, mark.name.encode())
        return True

    def _make(self, volume: Volume, mark: Mark) -> Mark:
        with self._opened(volume.live) as subvolume, self._opened(volume.folder) as folder:
            self._calls.snapshot(subvolume, folder, mark.name.encode())
        found = self._find(mark)
        if found is None:
            raise NoSnapshot("Btrfs made one that is not a read-only snapshot of it")
        return msgspec.structs.replace(mark, id=found.uuid)

    def _find(self, mark: Mark) -> Subvolume | None:
        """None where nothing has the name, or something else than what is marked. Raises OSError."""
        try:
            with self._opened(mark.folder) as folder:
                inside = self._calls.open_in(folder, mark.name.encode())
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                return None
            raise
        try:
            if os.fstat(inside).st_ino != SUBVOLUME_INODE:
                return None
            found = self._calls.subvolume(inside)
        finally:
            os.close(inside)
        is_it = found.read_only and found.parent == mark.parent and mark.id in ("", found.uuid)
        return found if is_it and mark.name.lstrip(".").startswith(PREFIX) else None

    def _check_place(self, mark: Mark) -> None:
        """Raises NoSnapshot where the mark's folder isn't the one that it was."""
        try:
            with self._opened(mark.folder) as folder:
                lies_on = self._lies_on(folder)
        except OSError as error:
            why = f"{shown(mark.folder)}, where it was made, can't be looked into: {error.strerror}"
            raise NoSnapshot(why) from error
        if mark.place not in ("", lies_on):
            raise NoSnapshot(f"something else is mounted at {shown(mark.folder)}, where it was made")

    def _lies_on(self, folder: int) -> str:
        return f"{self._calls.file_system(folder)}/{self._calls.subvolume(folder).id}"

    def _folder_on(self, file_system: str, place: Place) -> bytes:
        try:
            with self._opened(self._own_folder) as own:
                if self._calls.file_system(own) == file_system:
                    return self._own_folder
        except OSError:
            pass  # it lies on a file system of another kind
        return place.mount.point

    @contextmanager
    def _opened(self, path: bytes) -> Iterator[int]:
        folder = self._calls.open(path)
        try:
            yield folder
        finally:
            os.close(folder)
