"""Snapshots of ZFS datasets, read below `.zfs/snapshot` of the dataset's mount point; those of one pool are made at one
moment.

Output of `zfs list -H -p` (zfs-list(8)): one line each, fields apart by a tab, numbers exact."""

import os
from collections.abc import Sequence

import msgspec

from phoenix_core.agent.sourcesnapshots.commands import Commands
from phoenix_core.agent.sourcesnapshots.kind import NoSnapshot, Place, Volume
from phoenix_core.agent.sourcesnapshots.marks import PREFIX, Mark
from phoenix_core.agent.sourcesnapshots.mounttable import MountTable

PROPERTY = "phoenix:job"
"""A user property (zfsprops(7)) of each snapshot: the job that made it."""


class ZfsSnapshots:
    name = "ZFS"

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def volume(self, place: Place, table: MountTable) -> Volume:
        dataset = os.fsdecode(place.mount.source)
        if "@" in dataset:
            raise NoSnapshot("it is a ZFS snapshot itself")
        roots = table.roots_of(place.mount.source, "zfs")
        if not roots:
            raise NoSnapshot(f"the dataset {dataset} is not mounted from its top")
        return Volume(self.name, dataset, dataset.partition("/")[0], "zfs", place.live, folder=roots[0].point)

    def make(self, volumes: Sequence[Volume], marks: Sequence[Mark]) -> list[Mark]:
        wanted = [f"{mark.volume}@{mark.name}" for mark in marks]
        self._commands.run("zfs", "snapshot", "-o", f"{PROPERTY}={marks[0].job}", *wanted)
        return [msgspec.structs.replace(mark, id=self._made(mark)) for mark in marks]

    def root(self, mark: Mark) -> bytes:
        return os.path.join(mark.folder, b".zfs/snapshot", mark.name.encode())

    def problem(self, mark: Mark) -> str:
        found = self._found(mark)
        return "" if found is not None and found == mark.id else "it is not there any more"

    def delete(self, mark: Mark) -> bool:
        guid = self._found(mark)
        if guid is None or mark.id not in ("", guid):
            return False
        self._commands.run("zfs", "destroy", f"{mark.volume}@{mark.name}")
        return True

    def _made(self, mark: Mark) -> str:
        guid = self._found(mark)
        if guid is None:
            raise NoSnapshot("ZFS said that it made one, and doesn't list it")
        return guid

    def _found(self, mark: Mark) -> str | None:
        """The guid of the snapshot that has the mark's name and job. All of the dataset are listed, since of a name
        that isn't there `zfs` tells in words only."""
        told = self._commands.run(
            "zfs", "list", "-H", "-p", "-t", "snapshot", "-d", "1", "-o", f"name,guid,{PROPERTY}", mark.volume
        )
        for line in told.splitlines():
            name, guid, job = [*line.split("\t"), "", "", ""][:3]
            if name == f"{mark.volume}@{mark.name}" and mark.name.startswith(PREFIX) and job == mark.job:
                return guid
        return None
