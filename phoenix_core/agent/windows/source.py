"""The volumes of a Windows server as the source of a backup: from shadow copies, else live (WF4.4 to WF4.8)."""

from collections.abc import Callable, Sequence
from pathlib import Path

from phoenix_core.agent.backup.filesource import ScanParts, StepIds
from phoenix_core.agent.steps import Steps
from phoenix_core.agent.windows.canonical import canonical
from phoenix_core.agent.windows.errors import ShadowCopyLost
from phoenix_core.agent.windows.firstestimate import first_estimate
from phoenix_core.agent.windows.lostcopies import raise_if_lost
from phoenix_core.agent.windows.paths import live_root
from phoenix_core.agent.windows.running import RunningJobs
from phoenix_core.agent.windows.scan import WindowsScan
from phoenix_core.agent.windows.scanrules import VolumeSource, WindowsRules, own_folders
from phoenix_core.agent.windows.seam import Volume, Windows, WindowsFailure
from phoenix_core.agent.windows.shadows import Made, NotMade, ShadowCopies, remove_orphans, start_service
from phoenix_core.agent.windows.volumes import wanted_volumes, with_all_drives
from phoenix_core.agent.windows.workersetup import Roots, encode_roots
from phoenix_core.agent.workerpool import Main
from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.agentlink.ruleorder import RuleOrder


class WindowsVolumes:
    """See `FileSource`."""

    ignores_case = True
    steps = StepIds(request="WF4.1", kind="WF4.3", scan="WF4.7", estimate="WF4.5", settle="")

    def __init__(
        self, order: BackupOrder, state_dir: Path, windows: Windows, worker_main: Main, running: RunningJobs
    ) -> None:
        """`worker_main` is the function of processes that read through the same seam. `running`: the backups of this
        agent, which each other's shadow copies belong to."""
        self._order = order
        self._state_dir = state_dir
        self._windows = windows
        self.worker_main = worker_main
        self._running = running
        self._copies = ShadowCopies(windows, state_dir, order.job)
        self._known: list[Volume] = []
        self._volumes: list[Volume] = []
        self._made: dict[str, Made] = {}
        self._live: dict[str, str] = {}
        """Why a volume is read live, by its letter."""
        self._problems: list[str] = []
        running.add(order.job)

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(self._problems)

    @property
    def snapshots(self) -> tuple[str, ...]:
        return tuple(f"VSS {made.id} of {letter}:" for letter, made in sorted(self._made.items()))

    @property
    def worker_part(self) -> bytes:
        return encode_roots(self._roots)

    @property
    def _roots(self) -> Roots:
        shadows = {letter: made.device for letter, made in self._made.items()}
        made_ns = {letter: (made.asked_ns, made.made_ns) for letter, made in self._made.items()}
        return Roots(shadows, {letter: live_root(letter) for letter in self._live}, made_ns)

    def prepared(self, rules: Sequence[RuleOrder]) -> tuple[RuleOrder, ...]:
        """`/` stands for all local disks."""
        self._known = self._windows.volumes()
        return with_all_drives(rules, self._known)

    def canonical(self, path: bytes) -> bytes:
        """As it is written on the disk, without junctions above the last name. Raises `NoDriveInPath`,
        `NoSuchDrive`."""
        wanted_volumes((path,), self._known)
        return canonical(self._windows, path)

    def begin(self, paths: Sequence[bytes], steps: Steps, tick: Callable[[], None]) -> None:
        self._volumes = wanted_volumes(paths, self._known)
        missing = self._windows.take_rights()
        if missing:
            steps.log("warning", f"The agent lacks {' and '.join(missing)}; what its account may not read is missing.")
        removed = remove_orphans(self._windows, self._state_dir, self._running.names(), steps.log)
        if removed:
            steps.log("info", f"Shadow copies that an interrupted backup left were deleted: {removed}.")
        self._make_copies(steps, tick)
        with steps.step("WF4.5") as step:
            step.detail = first_estimate(self._state_dir, self._volumes, is_full=self._order.parent is None)
        self._verify(steps)

    def _make_copies(self, steps: Steps, tick: Callable[[], None]) -> None:
        """WF4.4. A cancel is heeded between two volumes: Windows can't be stopped while it makes a copy."""
        with steps.step("WF4.4") as step:
            try:
                service = start_service(self._windows)
            except NotMade as error:
                self._live = dict.fromkeys((volume.letter for volume in self._volumes), str(error))
                step.detail = str(error)
                return
            for volume in self._volumes:
                tick()
                try:
                    self._made[volume.letter] = self._copies.make(volume)
                except NotMade as error:
                    self._live[volume.letter] = str(error)
            made = ", ".join(f"{letter}:" for letter in self._made) or "none"
            step.detail = f"{service}; shadow copies: {made}"

    def _verify(self, steps: Steps) -> None:
        """WF4.6: Windows lists each copy, and its root folder can be read."""
        with steps.step("WF4.6") as step:
            for letter, made in list(self._made.items()):
                problem = self._problem_of(made)
                if problem:
                    del self._made[letter]
                    self._live[letter] = problem
            told = [f"{letter}: from its shadow copy" for letter in self._made]
            told += [f"{letter}: live" for letter in self._live]
            step.detail = ", ".join(sorted(told))
        for letter, reason in sorted(self._live.items()):
            text = (
                f"There is no shadow copy of {letter}: ({reason}). Its files were read live; locked ones are missing."
            )
            self._problems.append(text)
            steps.log("warning", text)

    def _problem_of(self, made: Made) -> str:
        try:
            if not self._copies.is_there(made):
                return "Windows made one, and lists it no more"
            self._windows.details(made.device + "\\")
        except WindowsFailure as failure:
            return f"Windows made one, and it can't be read: {failure}"
        return ""

    def scanner(self, parts: ScanParts, steps: Steps) -> WindowsScan:
        file_systems = {volume.letter: volume.file_system for volume in self._volumes}
        volumes = {
            letter.encode(): VolumeSource(root, file_systems[letter]) for letter, root in self._roots.all.items()
        }
        rules = WindowsRules(parts.content.rules, own_folders(self._order.never_write_under, self._state_dir))
        return WindowsScan(
            self._windows,
            parts.content.sources,
            volumes,
            rules,
            parts.parent,
            parts.records,
            parts.reads,
            parts.tick,
            lambda path, failure: self._after_failure(path[1:2].decode(), failure),
        )

    def _after_failure(self, letter: str, failure: WindowsFailure) -> None:
        raise_if_lost(self._windows, self._roots.shadows, letter, failure)

    def scanned(self) -> None:
        """Nothing."""

    def settled(self) -> str:
        return ""

    def before_commit(self) -> None:
        """A copy that went meanwhile may have given wrong bytes. Raises `ShadowCopyLost`."""
        for letter, made in self._made.items():
            try:
                is_there = self._copies.is_there(made)
            except WindowsFailure:
                continue  # the list can't be had now; each read was answered by the copy itself
            if not is_there:
                raise ShadowCopyLost(letter=letter)

    def end(self, steps: Steps) -> None:
        """WF4.8."""
        self._running.remove(self._order.job)
        try:
            with steps.step("WF4.8") as step:
                removed = self._copies.remove(steps.log)
                step.detail = f"deleted: {removed}" if removed else "there was none"
        except (WindowsFailure, OSError) as error:
            steps.log("warning", f"Shadow copies could not be deleted; the next backup does it: {error}")
