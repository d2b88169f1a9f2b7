"""Snapshots of LVM volumes that hold ext2, ext3, ext4 or XFS: thin ones, and such with a share of the volume group set
aside for what changes while they are read. LVM holds the file system still while it makes one.

Output of `lvs --reportformat json` as in lvmreport(7), `lv_attr` as in lvs(8)."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from phoenix_core.agent.errors import AgentError
from phoenix_core.agent.sourcesnapshots.commands import Commands
from phoenix_core.agent.sourcesnapshots.errors import CommandFailed, CommandMissing
from phoenix_core.agent.sourcesnapshots.kind import NoSnapshot, Place, Volume
from phoenix_core.agent.sourcesnapshots.marks import PREFIX, Mark
from phoenix_core.agent.sourcesnapshots.mounttable import MountTable
from phoenix_core.domain.amounts import size

TAG = "phoenix"
OPTIONS = {
    "ext2": "ro,nosuid,nodev,noexec",
    "ext3": "ro,nosuid,nodev,noexec",
    "ext4": "ro,nosuid,nodev,noexec",
    "xfs": "ro,nosuid,nodev,noexec,nouuid,norecovery",
}
"""How each is mounted. ext3 and ext4 have an empty journal after they were held still, and the kernel refuses one that
has not; XFS leaves its log in use even so, and has its id mounted already."""
POOL_FULL_PERCENT = 90.0
"""A thin pool that is fuller gets no snapshot: where it runs full, all of its volumes stop."""
_FIELDS = (
    "lv_uuid,lv_name,vg_name,lv_attr,lv_size,pool_lv,origin,data_percent,metadata_percent,lv_tags,lv_kernel_major,"
    "lv_kernel_minor,lv_path,vg_free,vg_extent_size"
)
_NO_ORIGIN = {"s": "snapshot", "S": "snapshot", "t": "thin pool", "O": "volume that a snapshot is merged into"}
_BUSY_TRIES = 10
_BUSY_WAIT_S = 0.2


class _Lv(msgspec.Struct, frozen=True):
    lv_uuid: str
    lv_name: str
    vg_name: str
    lv_attr: str
    lv_size: str
    pool_lv: str
    origin: str
    data_percent: str
    metadata_percent: str
    lv_tags: str
    lv_kernel_major: str
    lv_kernel_minor: str
    lv_path: str
    vg_free: str
    vg_extent_size: str

    @property
    def name(self) -> str:
        return f"{self.vg_name}/{self.lv_name}"

    def is_device(self, device: int) -> bool:
        return (self.lv_kernel_major, self.lv_kernel_minor) == (str(os.major(device)), str(os.minor(device)))


class _Part(msgspec.Struct, frozen=True):
    lv: list[_Lv] = []


class _Report(msgspec.Struct, frozen=True):
    report: list[_Part]


class LvmSnapshots:
    name = "LVM"

    def __init__(self, own_folder: bytes, commands: Commands, percent: int, wait_s: float = _BUSY_WAIT_S) -> None:
        """`own_folder`: the agent's, for mount points. `percent`: of a volume, set aside for a snapshot of it."""
        self._own_folder = own_folder
        self._commands = commands
        self._percent = percent
        self._wait_s = wait_s

    def volume(self, place: Place, table: MountTable) -> Volume:
        kind = place.mount.kind
        if kind not in OPTIONS:
            raise NoSnapshot(f"there are no snapshots of {kind} file systems")
        try:
            found = self._lvs()
        except CommandMissing:
            raise NoSnapshot(f"{kind} has none of its own, and LVM is not installed") from None
        lv = next((each for each in found if each.is_device(place.mount.device)), None)
        if lv is None:
            raise NoSnapshot(f"{kind} has none of its own, and it doesn't lie on an LVM volume")
        if lv.lv_attr[:1] in _NO_ORIGIN:
            raise NoSnapshot(f"{lv.name} is a {_NO_ORIGIN[lv.lv_attr[0]]} itself")
        cow_bytes = 0
        if lv.lv_attr[:1] == "V":
            _check_pool(lv, found)
        else:
            cow_bytes = self._cow_bytes(lv)
        return Volume(self.name, lv.name, lv.name, kind, place.live, folder=self._own_folder, cow_bytes=cow_bytes)

    def make(self, volumes: Sequence[Volume], marks: Sequence[Mark]) -> list[Mark]:
        return [self._make(volume, mark) for volume, mark in zip(volumes, marks, strict=True)]

    def root(self, mark: Mark) -> bytes:
        return os.path.join(mark.folder, mark.name.encode())

    def problem(self, mark: Mark) -> str:
        lv = self._find(mark)
        if lv is None:
            return "LVM doesn't list it any more"
        wrong = _wrong_with(lv)
        if wrong:
            return wrong
        mounted = MountTable.current().at(self.root(mark))
        if mounted is None or not lv.is_device(mounted.device):
            return "it is not mounted any more"
        return ""

    def delete(self, mark: Mark) -> bool:
        lv = self._find(mark)
        self._unmount(self.root(mark), lv)
        if lv is None:
            self._check_group(mark.volume.partition("/")[0])
            return False
        self._commands.run("lvremove", "--yes", lv.name)
        return True

    def _make(self, volume: Volume, mark: Mark) -> Mark:
        how = ["--size", f"{volume.cow_bytes}b"] if volume.cow_bytes else ["--setactivationskip", "n"]
        tags = ["--addtag", TAG, "--addtag", _job_tag(mark)]
        self._commands.run(
            "lvcreate", "--yes", "--snapshot", "--permission", "r", *tags, "--name", mark.name, *how, volume.name
        )
        lv = self._find(mark)
        wrong = "LVM said that it made one, and doesn't list it" if lv is None else _wrong_with(lv)
        if wrong or lv is None:
            raise NoSnapshot(wrong)
        folder = self.root(mark)
        os.mkdir(folder, 0o700)
        try:
            self._commands.run(
                "mount", "-t", volume.file_system, "-o", OPTIONS[volume.file_system], lv.lv_path, os.fsdecode(folder)
            )
        except AgentError:
            with suppress(OSError):
                os.rmdir(folder)
            raise
        return msgspec.structs.replace(mark, id=lv.lv_uuid)

    def _unmount(self, folder: bytes, lv: _Lv | None) -> None:
        """Only what is ours: the snapshot of the mark, or whatever is mounted at our folder where there is none."""
        for left in reversed(range(_BUSY_TRIES)):
            mounted = MountTable.current().at(folder)
            if mounted is None or (lv is not None and not lv.is_device(mounted.device)):
                break
            try:
                self._commands.run("umount", os.fsdecode(folder))
            except CommandFailed:
                if not left:
                    raise
                time.sleep(self._wait_s)  # a process of the job that was killed may not be gone yet
        with suppress(FileNotFoundError):
            os.rmdir(folder)

    def _cow_bytes(self, lv: _Lv) -> int:
        extent, free = int(lv.vg_extent_size), int(lv.vg_free)
        wanted = -(-int(lv.lv_size) * self._percent // 100 // extent) * extent
        if wanted > free:
            raise NoSnapshot(
                f"a snapshot of {lv.name} takes {size(wanted)} ({self._percent} % of it, see the setting"
                f" backup.lvm_snapshot_percent), and {lv.vg_name} has {size(free)} free"
            )
        return wanted

    def _check_group(self, group: str) -> None:
        """Raises NoSnapshot where LVM doesn't see the volume group: nobody knows what is in it."""
        told = self._commands.run("vgs", "--noheadings", "--options", "vg_name", "--select", f'vg_name="{group}"')
        if not told.strip():
            raise NoSnapshot(f"LVM doesn't see the volume group {group}")

    def _find(self, mark: Mark) -> _Lv | None:
        """The snapshot of this name, volume and job. A thin one stays where its volume was removed, and has no origin
        then."""
        group, _, origin = mark.volume.partition("/")
        for lv in self._lvs("--select", f'vg_name="{group}" && lv_name="{mark.name}"'):
            tags = lv.lv_tags.split(",")
            is_ours = TAG in tags and _job_tag(mark) in tags and lv.lv_name == mark.name
            is_ours = is_ours and lv.origin in (origin, "")
            if is_ours and mark.name.startswith(PREFIX) and mark.id in ("", lv.lv_uuid):
                return lv
        return None

    def _lvs(self, *more: str) -> list[_Lv]:
        told = self._commands.run(
            "lvs", "--reportformat", "json", "--units", "b", "--nosuffix", "--options", _FIELDS, *more
        )
        try:
            report = msgspec.json.decode(told, type=_Report)
        except msgspec.MsgspecError as error:
            raise CommandFailed(command="lvs", detail=f"its answer was not understood: {error}") from error
        return [lv for part in report.report for lv in part.lv]


def _job_tag(mark: Mark) -> str:
    return f"{TAG}_job={mark.job}"


def _check_pool(lv: _Lv, found: list[_Lv]) -> None:
    pool = next((each for each in found if (each.vg_name, each.lv_name) == (lv.vg_name, lv.pool_lv)), None)
    if pool is None:
        raise NoSnapshot(f"LVM doesn't list the thin pool {lv.vg_name}/{lv.pool_lv}")
    for what, percent in (("full", pool.data_percent), ("full of metadata", pool.metadata_percent)):
        if percent and float(percent) >= POOL_FULL_PERCENT:
            raise NoSnapshot(f"the thin pool {pool.name} is {float(percent):.0f} % {what}")


def _wrong_with(lv: _Lv) -> str:
    """Empty: it is active, read-only and whole."""
    state, health = lv.lv_attr[4:5], lv.lv_attr[8:9]
    if state in ("I", "S"):
        return "more was written to the volume meanwhile than it had room for"
    if state != "a" or lv.lv_attr[1:2] not in ("r", "R"):
        return f"LVM gives its state as {lv.lv_attr}"
    return f"LVM gives its state as {lv.lv_attr}" if health in ("F", "p", "X") else ""
