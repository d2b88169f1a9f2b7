"""The shadow copies of one backup (WF4.4, WF4.6, WF4.8), and those that an interrupted one left.

Before a copy is asked for, a *mark* is written into the agent's folder, `shadowcopies/<job>-<letter>.json`; its id goes
into `….id` beside it, by the process that makes it, which outlives the agent. So what is found marked at a start, or
by a later backup, is ours and is deleted. A mark without an id is kept as long as the process may still be at work.
Where none came by then (the machine went down between Windows making the copy and the id being on the disk), the copy
can't be told from one that somebody else made at that time: it is named in the log, and left alone.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from phoenix_core.agent.windows.seam import Shadows, Volume, WindowsFailure
from phoenix_core.host.atomicfile import make_folders, sync_folder, write_atomic

FOLDER = "shadowcopies"
RUNNING = "Running"
DISABLED = "Disabled"
COMING_S = 3600.0
"""So long after it was asked for a copy may come: no agent ends the process that makes it."""
REFUSED = range(1, 14)
"""What Win32_ShadowCopy.Create answers where it made none."""
Tell = Callable[[str, str], None]
"""Takes a level (`info`, `warning`) and a text, for the log."""


class Mark(msgspec.Struct, frozen=True):
    """A copy that was asked for."""

    job: str
    letter: str
    volume: str
    before: tuple[str, ...]
    """The copies of the volume that were there before it."""


class Made(msgspec.Struct, frozen=True):
    letter: str
    id: str
    device: str
    asked_ns: int
    """When it was asked for, and when it was there."""
    made_ns: int


class NotMade(Exception):
    """Why there is no shadow copy of a volume, in words."""


def start_service(windows: Shadows) -> str:
    """Make sure that VSS runs (WF4.4); what was done, for the step's detail. Raises NotMade."""
    try:
        service = windows.vss_service()
        if service.state == RUNNING:
            return "the VSS service runs"
        if service.start_mode == DISABLED:
            raise NotMade("the VSS service is disabled; `Set-Service VSS -StartupType Manual` enables it")
        windows.start_vss()
    except WindowsFailure as failure:
        raise NotMade(f"the VSS service could not be started: {failure}") from failure
    return "the VSS service was stopped, and was started"


class ShadowCopies:
    """Of one job. Not thread-safe."""

    def __init__(self, windows: Shadows, state_dir: Path, job: str) -> None:
        self._windows = windows
        self._folder = state_dir / FOLDER
        self._job = job

    def make(self, volume: Volume) -> Made:
        """Raises NotMade."""
        mark_path = self._folder / f"{self._job}-{volume.letter}.json"
        note = mark_path.with_suffix(".id")
        try:
            before = tuple(copy.id for copy in self._windows.shadow_copies() if copy.volume == volume.device_id)
            make_folders(self._folder)
            mark = Mark(self._job, volume.letter, volume.device_id, before)
            write_atomic(mark_path, msgspec.json.encode(mark))
        except (WindowsFailure, OSError) as error:
            raise NotMade(f"its shadow copies could not be listed and marked: {error}") from error
        asked_ns = time.time_ns()
        try:
            made = self._windows.create_shadow_copy(volume.device_id, note)
            made_ns = time.time_ns()
            device = next((copy.device for copy in self._windows.shadow_copies() if copy.id == made), "")
        except WindowsFailure as failure:
            if failure.code in REFUSED and not note.exists():
                mark_path.unlink(missing_ok=True)
            raise NotMade(str(failure)) from failure
        return Made(volume.letter, made, device, asked_ns, made_ns)

    def is_there(self, made: Made) -> bool:
        """Whether Windows still lists the copy (WF4.6). Raises WindowsFailure."""
        return any(copy.id == made.id and copy.device for copy in self._windows.shadow_copies())

    def remove(self, tell: Tell) -> int:
        """Delete what this job made (WF4.8); how many. What can't be deleted now keeps its mark."""
        return remove_marked(self._windows, self._folder, lambda job: job == self._job, tell)


def remove_orphans(windows: Shadows, state_dir: Path, running: frozenset[str], tell: Tell) -> int:
    """Delete the copies that jobs have left which aren't running any more; how many."""
    return remove_marked(windows, state_dir / FOLDER, lambda job: job not in running, tell)


def remove_marked(windows: Shadows, folder: Path, of_job: Callable[[str], bool], tell: Tell) -> int:
    """Delete the copies with the marks of some jobs."""
    marks = [(path, mark) for path in sorted(folder.glob("*.json")) if (mark := _read(path)) and of_job(mark.job)]
    removed = 0
    for path, mark in marks:
        try:
            removed += _remove(windows, path, mark, tell)
        except WindowsFailure as failure:
            tell("warning", f"A shadow copy of {mark.letter}: could not be deleted yet: {failure}.")
    if marks:
        sync_folder(folder)
    return removed


def _remove(windows: Shadows, path: Path, mark: Mark, tell: Tell) -> bool:
    """Delete the copy, and its mark with it; whether there was one. The mark stays where the copy may come, or where it
    can't be seen."""
    copies = {copy.id.upper(): copy.volume for copy in windows.shadow_copies()}
    noted = _noted(path.with_suffix(".id"))
    is_there = noted.upper() in copies
    if is_there:
        windows.delete_shadow_copy(noted)
    elif noted and all(volume.device_id != mark.volume for volume in windows.volumes()):
        tell("warning", f"A shadow copy of {mark.letter}: is kept in mind by {path}: its volume is not there now.")
        return False
    elif not noted and _may_come(path):
        return False
    elif not noted:
        _tell_doubtful(mark, {each for each, volume in copies.items() if volume == mark.volume}, tell)
    for each in (path.with_suffix(".id"), path):
        with suppress(FileNotFoundError):
            each.unlink()
    return is_there


def _may_come(mark: Path) -> bool:
    """Also where the clock went back since. One that another job has just removed is none of this one's."""
    try:
        return time.time() - mark.stat().st_mtime < COMING_S
    except FileNotFoundError:
        return True


def _tell_doubtful(mark: Mark, there: set[str], tell: Tell) -> None:
    new = sorted(there - {each.upper() for each in mark.before})
    if new:
        text = (
            f"Shadow copies of {mark.letter}: came to be while an interrupted backup asked for one, and may be its own"
            f" or somebody else's: {', '.join(new)}. They were left; `vssadmin delete shadows /shadow=ID` removes one."
        )
        tell("warning", text)


def _read(path: Path) -> Mark | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Mark)
    except (OSError, msgspec.MsgspecError):
        return None


def _noted(path: Path) -> str:
    """The id in a note; empty where none was written, or not to its end."""
    try:
        text = path.read_text("utf-8", "replace").strip("\ufeff\0 \r\n")
    except OSError:
        return ""
    return text if text.startswith("{") and text.endswith("}") else ""
