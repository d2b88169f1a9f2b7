"""The snapshots of one backup: made before its scan, looked at before its commit, deleted at its end."""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from phoenix_core.agent.backup.views import LIVE, View, Views
from phoenix_core.agent.errors import AgentError
from phoenix_core.agent.sourcesnapshots.errors import CommandTimedOut, SourceSnapshotLost, SourceSnapshotNotMade
from phoenix_core.agent.sourcesnapshots.hostkinds import Kinds
from phoenix_core.agent.sourcesnapshots.kind import NoSnapshot, Place, Volume
from phoenix_core.agent.sourcesnapshots.marks import PREFIX, HeldMark, Mark, Marks
from phoenix_core.agent.sourcesnapshots.mounttable import MountTable
from phoenix_core.agent.sourcesnapshots.places import NESTED_MAX, Places, Plan
from phoenix_core.domain.names import shown

COMING_S = 3600.0
"""So long after it was asked for a snapshot may come: what makes it lives on where the agent was killed, or gave it up
since it took too long."""
TOLD_MAX = 10
Log = Callable[[str, str], None]
"""Takes a level (`info`, `warning`) and a text, for the job's log."""


@dataclass
class _Made:
    volume: Volume
    held: HeldMark
    places: list[Place]
    made_from_ns: int
    made_by_ns: int
    ended: bool = False
    """What was to make it has ended: if it isn't there, it doesn't come."""
    root: bytes = b""
    fd: int = -1
    """Of its root: keeps mounted what the kernel mounts by itself."""


@dataclass
class Said:
    """What became of it, in words."""

    snapshots: list[str] = field(default_factory=list)
    """Such as `/home (Btrfs)`."""
    live: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"from snapshots: {', '.join(self.snapshots)}"] if self.snapshots else []
        parts += [f"live: {', '.join(self.live)}"] if self.live else []
        return "; ".join(parts)


class SourceSnapshots:
    """Not thread-safe."""

    def __init__(self, server: str, job: str, marks: Marks, kinds: Kinds, log: Log, tick: Callable[[], None]) -> None:
        """`tick` is called between two snapshots; what it raises ends the making."""
        self._server = server
        self._job = job
        self._marks = marks
        self._kinds = kinds
        self._log = log
        self._tick = tick
        self._made: list[_Made] = []
        self._number = 0
        self.said = Said()

    def make(
        self,
        paths: Sequence[bytes],
        crossing: Sequence[bytes],
        *,
        required: bool,
        left_out: Callable[[bytes], bool],
        trial: bool = False,
    ) -> Views:
        """Of all file systems that the paths lie on, and of those below the `crossing` ones. `trial`: only look what
        could be made.

        Raises SourceSnapshotNotMade where they are required, and what `tick` raises."""
        if os.geteuid() != 0:
            return self._without("the agent doesn't run as root", required=required)
        try:
            self._marks.get_ready()
            table = MountTable.current()
            places = Places(paths, crossing, table, self._kinds, left_out)
            plan = places.plan()
        except OSError as error:
            return self._without(f"of an error: {error}", required=required)
        if required and plan.live:
            raise SourceSnapshotNotMade(places=_reasons(plan.live))
        if not trial:
            self._make_all(plan)
        for volume, place in self._nested(places, plan, table):
            if not trial:
                self._make_group([(volume, [place])], plan)
        if required and plan.live:
            raise SourceSnapshotNotMade(places=_reasons(plan.live))
        if trial:
            self._tell_trial(plan)
        self._tell(plan)
        self._tell_closed(places.closed)
        return Views(self._views(places, plan)) if self._made else LIVE

    def check(self) -> None:
        """Whether every snapshot is still whole. Raises SourceSnapshotLost."""
        for made in self._made:
            place = shown(made.volume.live)
            try:
                problem = self._kinds.of(made.held.mark).problem(made.held.mark)
            except (AgentError, OSError) as error:
                problem = f"it can't be told whether it is whole: {error}"
            if problem:
                more = (
                    "Have more set aside with the setting `backup.lvm_snapshot_percent`."
                    if made.volume.cow_bytes
                    else ""
                )
                raise SourceSnapshotLost(place=place, detail=problem, advice=more or "Look for what removed it.")

    def delete(self) -> None:
        """Raises nothing: what can't be deleted now keeps its mark, and the next backup or start of the agent will."""
        gone = [shown(made.volume.live) for made in reversed(self._made) if self._delete(made)]
        self._made.clear()
        if gone:
            self._log("info", f"The snapshots of {', '.join(reversed(gone))} were deleted.")

    def _without(self, why: str, *, required: bool) -> Views:
        if required:
            raise SourceSnapshotNotMade(places=f"anything: {why}")
        self.said.live.append(f"all, since {why}")
        self._log("warning", f"No snapshot was made, since {why}: live files are read.")
        return LIVE

    def _make_all(self, plan: Plan) -> None:
        groups: defaultdict[tuple[str, str], list[tuple[Volume, list[Place]]]] = defaultdict(list)
        for volume, places in plan.volumes.values():
            groups[volume.kind, volume.group].append((volume, places))
        for group in groups.values():
            self._tick()
            self._make_group(group, plan)

    def _nested(self, places: Places, plan: Plan, table: MountTable) -> Iterator[tuple[Volume, Place]]:
        """After those above them, of which they are no part."""
        nested = places.nested(plan, self._marks.places())
        for place in nested[NESTED_MAX:]:
            plan.live[place.live] = f"no more than {NESTED_MAX} nested subvolumes get snapshots of their own"
        for place in nested[:NESTED_MAX]:
            self._tick()
            try:
                volume = self._kinds.btrfs.volume(place, table)
            except (NoSnapshot, AgentError, OSError) as error:
                plan.live[place.live] = str(error)
                continue
            plan.take(volume, place)
            yield volume, place

    def _make_group(self, group: list[tuple[Volume, list[Place]]], plan: Plan) -> None:
        made: list[_Made] = []
        try:
            for volume, places in group:
                held = self._marks.add(self._mark(volume))
                made.append(_Made(volume, held, places, time.time_ns(), 0))
            kind = self._kinds.of(made[0].held.mark)
            marks = kind.make([volume for volume, _ in group], [each.held.mark for each in made])
            for each, mark in zip(made, marks, strict=True):
                each.made_by_ns = time.time_ns()
                each.ended = True
                each.held.update(mark)
                each.root = kind.root(mark)
                each.fd = os.open(each.root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (NoSnapshot, AgentError, OSError) as error:
            for volume, places in group:
                plan.volumes.pop((volume.kind, volume.name), None)
                for place in places:
                    plan.live[place.live] = str(error)
            for each in made:
                each.ended = not isinstance(error, CommandTimedOut)
                self._delete(each)
            return
        except BaseException:
            self._made += made
            raise
        self._made += made

    def _mark(self, volume: Volume) -> Mark:
        self._number += 1
        name = f"{PREFIX}{self._server}_{self._job}_{self._number}"
        return Mark(volume.kind, self._job, name, volume.name, volume.folder, volume.parent, volume.place)

    def _views(self, places: Places, plan: Plan) -> list[View]:
        """Raises nothing. What turned out to be read live has none, whatever was made of it."""
        views = {}
        for made in self._made:
            device = os.fstat(made.fd).st_dev
            for place in made.places:
                real = made.root if place.below == b"/" else made.root + place.below
                if place.live in plan.live:
                    continue
                with suppress(OSError):
                    live_device = os.lstat(place.live).st_dev
                    views[place.live] = View(place.live, real, device, live_device, made.made_from_ns, made.made_by_ns)
        for seam in places.seams(set(views)):
            views.setdefault(seam, View(seam, seam))
        return list(views.values())

    def _tell(self, plan: Plan) -> None:
        self.said.snapshots += [
            f"{shown(place.live)} ({made.volume.kind})"
            for made in self._made
            for place in made.places
            if place.live not in plan.live
        ]
        self.said.snapshots += [f"{shown(live)} (can't change)" for live in plan.unchanging]
        self.said.live += [shown(live) for live in plan.live]
        for made in self._made:
            took_s = (made.made_by_ns - made.made_from_ns) / 1e9
            what = f"{made.held.mark.kind} snapshot {made.held.mark.name} of {made.volume.name}"
            self._log("info", f"{shown(made.volume.live)} is read from the {what}, made in {took_s:.1f} s.")
        for live, why in sorted(plan.live.items()):
            self._log("warning", f"{shown(live)} is read live: {why}.")

    def _tell_trial(self, plan: Plan) -> None:
        could = [
            f"{shown(place.live)} ({kind})"
            for (kind, _), (_, found) in plan.volumes.items()
            for place in found
            if place.live not in plan.live
        ]
        self._log("info", f"A trial reads live files; a backup makes snapshots of {', '.join(could) or 'nothing'}.")

    def _tell_closed(self, closed: Sequence[bytes]) -> None:
        if not closed:
            return
        more = f" and {len(closed) - TOLD_MAX} more" if len(closed) > TOLD_MAX else ""
        named = ", ".join(map(shown, closed[:TOLD_MAX])) + more
        self._log(
            "warning", f"Empty in this backup, since no rule crosses into nested subvolumes (cross_mounts): {named}."
        )

    def _delete(self, made: _Made) -> bool:
        if made.fd >= 0:
            os.close(made.fd)
            made.fd = -1
        return delete_marked(self._kinds, made.held, self._log, ended=made.ended)


def delete_marked(kinds: Kinds, held: HeldMark, log: Log, *, ended: bool) -> bool:
    """Delete a snapshot and then its mark, which stays where that can't be done now, and where one that isn't there may
    still come. `ended`: it doesn't. True: it was there."""
    mark = held.mark
    try:
        was_there = kinds.of(mark).delete(mark)
        if was_there or ended:
            held.remove()
        else:
            held.let_go()
    except (NoSnapshot, AgentError, OSError) as error:
        held.let_go()
        what = f"The {mark.kind} snapshot {mark.name} of {mark.volume} could not be deleted yet"
        log("warning", f"{what}: {str(error).rstrip('.')}. {held.path} keeps it in mind.")
        return False
    return was_there


def sweep(marks: Marks, kinds: Kinds, log: Log) -> int:
    """Delete what backups that were killed have left; how many there were."""
    count = 0
    for held in marks.left():
        if delete_marked(kinds, held, log, ended=bool(held.mark.id) or held.age_s > COMING_S):
            count += 1
            mark = held.mark
            log("info", f"The {mark.kind} snapshot {mark.name} of {mark.volume}, left by job {mark.job}, was deleted.")
    return count


def _reasons(live: dict[bytes, str]) -> str:
    return "; ".join(f"{shown(path)}: {why}" for path, why in sorted(live.items()))
