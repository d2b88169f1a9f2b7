"""Which file systems a backup reads, and of which of them there can be a snapshot."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from phoenix_core.agent.backup.records import join
from phoenix_core.agent.errors import AgentError
from phoenix_core.agent.sourcesnapshots.btrfscalls import SUBVOLUME_INODE
from phoenix_core.agent.sourcesnapshots.hostkinds import UNCHANGING, Kinds
from phoenix_core.agent.sourcesnapshots.kind import NoSnapshot, Place, Volume
from phoenix_core.agent.sourcesnapshots.mounttable import Mount, MountTable

NESTED_MAX = 256
"""Of a Btrfs subvolume: with more of them (containers have thousands) the others are read live."""


@dataclass
class Plan:
    volumes: dict[tuple[str, str], tuple[Volume, list[Place]]] = field(default_factory=dict)
    """By kind and name: what to make a snapshot of, and the parts of the live tree that it stands in for."""
    live: dict[bytes, str] = field(default_factory=dict)
    """What is read live, and why."""
    unchanging: list[bytes] = field(default_factory=list)
    """What can't change, and needs no snapshot."""

    def take(self, volume: Volume, place: Place) -> None:
        _, places = self.volumes.setdefault((volume.kind, volume.name), (volume, []))
        if all(each.live != place.live for each in places):
            places.append(place)


class Places:
    """`left_out`: whether a backup doesn't enter a folder."""

    def __init__(
        self,
        paths: Sequence[bytes],
        crossing: Sequence[bytes],
        table: MountTable,
        kinds: Kinds,
        left_out: Callable[[bytes], bool],
    ) -> None:
        """`crossing`: of the paths those below which other file systems are entered, too, unless they are left out."""
        self._paths = paths
        self._table = table
        self._kinds = kinds
        self._crossing = crossing
        self._left_out = left_out
        self._nested: dict[bytes, None] = {}
        """Where nested subvolumes begin in those of the plan."""
        self.closed: list[bytes] = []
        """Those of them that no rule crosses into, though none leaves them out."""

    def plan(self) -> Plan:
        """What there can be snapshots of, by what can be told before one is made."""
        plan = Plan()
        for place in self._places():
            if place.mount.kind in UNCHANGING:
                plan.unchanging.append(place.live)
                continue
            try:
                plan.take(self._kinds.volume(place, self._table), place)
            except NoSnapshot as why:
                plan.live[place.live] = str(why)
            except AgentError as error:
                plan.live[place.live] = error.message
            except OSError as error:
                plan.live[place.live] = error.strerror or str(error)
        return plan

    def nested(self, plan: Plan, own: Collection[bytes]) -> list[Place]:
        """Btrfs subvolumes that a backup enters below those of a plan, the ones below these included. A place of which
        they can't be listed is read live: in a snapshot of it they would be empty folders. `own`: our snapshots."""
        found: list[Place] = []
        waiting = [place for (kind, _), (_, places) in plan.volumes.items() if kind == "Btrfs" for place in places]
        known = {place.live for place in waiting}
        while waiting:
            above = waiting.pop()
            try:
                inside = self._kinds.btrfs.nested(above.live)
            except OSError as error:
                if self._crossing:
                    plan.live[above.live] = f"its nested subvolumes can't be listed: {error.strerror or error}"
                continue
            inside = [live for live in inside if live not in own]
            self._nested.update(dict.fromkeys(inside))
            for live in inside:
                if live in known or self._table.of(live) != above.mount:
                    continue
                if self._is_entered(live):
                    known.add(live)
                    found.append(Place(live, above.mount))
                    waiting.append(found[-1])
                elif any(_is_in(live, path) for path in self._paths) and not self._left_out(live):
                    self.closed.append(live)
        return found

    def seams(self, views: set[bytes]) -> Iterator[bytes]:
        """Folders at which something else begins in the live tree than in a snapshot: what is mounted there, and nested
        subvolumes. What is left out is met as the folder that it is mounted on, and so is what may hang, unless it is
        entered."""
        for live in views:
            yield from (mount.point for mount in self._table.visible_below(live) if self._is_seam(mount))
        yield from self._nested

    def _places(self) -> Iterator[Place]:
        for path in self._paths:
            mount = self._table.of(path)
            if mount is None or mount.is_virtual:
                continue
            if not mount.may_hang and not os.path.lexists(path):
                continue  # the scan tells it
            yield self._place(path, mount)
            if path in self._crossing:
                below = self._table.visible_below(path)
                yield from (self._place(each.point, each) for each in below if self._is_wanted(each))

    def _place(self, path: bytes, mount: Mount) -> Place:
        if mount.kind != "btrfs":
            return Place(mount.point, mount, mount.root)
        at = path
        while at not in {mount.point, b"/"} and _inode(at) != SUBVOLUME_INODE:
            at = os.path.dirname(at)
        return Place(at, mount)

    def _is_seam(self, mount: Mount) -> bool:
        is_used = self._is_entered(mount.point) or any(_is_in(path, mount.point) for path in self._paths)
        if mount.may_hang:
            return is_used
        return (is_used or not self._left_out(mount.point)) and os.path.isdir(mount.point)

    def _is_wanted(self, mount: Mount) -> bool:
        """Only what a backup enters is looked at, and that too not where a look may hang."""
        if mount.is_virtual or not self._is_entered(mount.point):
            return False
        return mount.may_hang or os.path.isdir(mount.point)

    def _is_entered(self, folder: bytes) -> bool:
        """Whether it is in a path that crosses, and neither it nor a folder on the way is left out."""
        source = max((path for path in self._crossing if _is_in(folder, path)), key=len, default=None)
        if source is None:
            return False
        names = [name for name in folder[len(source) :].split(b"/") if name]
        at = source
        for name in names:
            at = join(at, name)
            if self._left_out(at):
                return False
        return True


def _is_in(path: bytes, folder: bytes) -> bool:
    return folder in (path, b"/") or path.startswith(folder + b"/")


def _inode(path: bytes) -> int:
    try:
        return os.lstat(path).st_ino
    except OSError:
        return 0
