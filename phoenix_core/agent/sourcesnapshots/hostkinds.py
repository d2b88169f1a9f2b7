"""The kinds of snapshots that this host may have."""

import os
from dataclasses import dataclass
from pathlib import Path

from phoenix_core.agent.sourcesnapshots.btrfs import BtrfsSnapshots
from phoenix_core.agent.sourcesnapshots.commands import Commands, HostCommands
from phoenix_core.agent.sourcesnapshots.kind import Kind, NoSnapshot, Place, Volume
from phoenix_core.agent.sourcesnapshots.lvm import LvmSnapshots
from phoenix_core.agent.sourcesnapshots.marks import FOLDER, Mark
from phoenix_core.agent.sourcesnapshots.mounttable import MountTable
from phoenix_core.agent.sourcesnapshots.zfs import ZfsSnapshots

LVM_PERCENT = 15
UNCHANGING = frozenset({"squashfs", "erofs", "iso9660", "cramfs", "romfs"})
"""File systems that can't be written to: they need no snapshot."""


@dataclass(frozen=True)
class Kinds:
    btrfs: BtrfsSnapshots
    lvm: Kind
    zfs: Kind

    def volume(self, place: Place, table: MountTable) -> Volume:
        """Raises NoSnapshot, AgentError, OSError."""
        kind = place.mount.kind
        if kind == "btrfs":
            return self.btrfs.volume(place, table)
        if kind == "zfs":
            return self.zfs.volume(place, table)
        return self.lvm.volume(place, table)

    def of(self, mark: Mark) -> Kind:
        """Raises NoSnapshot for a mark of a later version."""
        for kind in (self.btrfs, self.lvm, self.zfs):
            if kind.name == mark.kind:
                return kind
        raise NoSnapshot(f"this agent knows no snapshots of the kind {mark.kind}")


def host_kinds(state_dir: Path, lvm_percent: int = LVM_PERCENT, commands: Commands | None = None) -> Kinds:
    own = os.path.realpath(bytes(state_dir / FOLDER))  # as the kernel names what is mounted there
    commands = commands or HostCommands()
    return Kinds(BtrfsSnapshots(own), LvmSnapshots(own, commands, lvm_percent), ZfsSnapshots(commands))
