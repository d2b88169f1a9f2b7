"""An interrupted restore goes on where it was, and nothing half-done is ever left in a file's place."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from phoenix_core.agent.errors import WorkerDied
from phoenix_core.agent.restore import dispatch, fill
from phoenix_core.agent.restore.journal import FOLDER
from phoenix_core.agent.restore.restore_job import RestoreJob
from phoenix_core.agentlink.messages import RestoreOrder
from phoenix_core.agentlink.reports import BackupResult, Progress
from phoenix_core.domain.errors import Cancelled
from phoenix_core.domain.states import ConflictRule
from tests.agent.independent_walk import Facts, differences, walk
from tests.agent.restore.restore_process import Script
from tests.agent.restore.rig import RestoreRig
from tests.agent.vault_rig import RigPorts
from tests.agent.workers import workers_of

REPOSITORY = Path(__file__).parents[3]
FOLDERS, PER_FOLDER, WINDOW_FILES = 5, 150, 40
WAIT_S = 60.0
AT_LEAST = 160
"""Files that are through when ten windows were begun and three batches a worker are in hand."""


@pytest.fixture
def many(rig: RestoreRig) -> RestoreRig:
    """750 small files in five folders, one of them with a mode that shuts it."""
    for number in range(FOLDERS):
        folder = rig.source / f"folder {number}"
        folder.mkdir()
        for file in range(PER_FOLDER):
            (folder / f"file {file}").write_bytes(b"%d of %d" % (file, number))
    (rig.source / "folder 1").chmod(0o500)
    return rig


def kill_midway(rig: RestoreRig, order: RestoreOrder) -> None:
    """Run the restore in a process and kill it (SIGKILL) on the way."""
    script = rig.folder / "script"
    key = rig.vault.key.to_bytes()
    script.write_bytes(msgspec.msgpack.encode(Script(order, key, str(rig.vault.state_dir), 10, WINDOW_FILES)))
    command = [sys.executable, "-m", "tests.agent.restore.restore_process", str(script)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reached\n"
        workers = workers_of(process.pid)
        process.kill()
        assert not psutil.wait_procs(workers, WAIT_S)[1]


def leftovers(rig: RestoreRig) -> list[Path]:
    return list(rig.target.rglob(".phoenix-*"))


def interrupted(rig: RestoreRig, snapshot: BackupResult, **more: Any) -> int:
    """Kill a restore midway; returns how many files it had put in place."""
    order, _ = rig.order(snapshot, workers=2, **more)
    kill_midway(rig, order)
    (rig.restored / "folder 0" / f".phoenix-{order.job}-1025").write_bytes(b"half a fi")
    return sum(path.is_file() for path in rig.restored.rglob("file *"))


def test_a_killed_restore_goes_on(many: RestoreRig) -> None:
    snapshot = many.backup()
    there = interrupted(many, snapshot)
    assert AT_LEAST <= there < FOLDERS * PER_FOLDER
    result = many.restore(snapshot)
    assert differences(walk(many.source), walk(many.restored)) == []
    assert leftovers(many) == []
    assert result.files + result.skipped == FOLDERS * PER_FOLDER
    assert AT_LEAST <= result.skipped <= there
    assert list((many.vault.state_dir / FOLDER).iterdir()) == []


@pytest.mark.parametrize("rule", [ConflictRule.SKIP, ConflictRule.KEEP_BOTH, ConflictRule.IF_OLDER])
def test_a_killed_restore_goes_on_under_other_rules(many: RestoreRig, rule: ConflictRule) -> None:
    """What the first run completed is no conflict for the second; folders that it made get their metadata."""
    snapshot = many.backup()
    interrupted(many, snapshot, conflict=rule)
    many.restore(snapshot, conflict=rule)
    assert differences(walk(many.source), walk(many.restored)) == []


def test_copies_of_a_killed_keep_both_are_not_made_twice(many: RestoreRig) -> None:
    snapshot = many.backup()
    for number in range(FOLDERS):
        folder = many.restored / f"folder {number}"
        folder.mkdir(parents=True)
        for file in range(PER_FOLDER):
            (folder / f"file {file}").write_bytes(b"other")
    interrupted(many, snapshot, conflict=ConflictRule.KEEP_BOTH)
    many.restore(snapshot, conflict=ConflictRule.KEEP_BOTH)
    copies = [path for path in many.restored.rglob("file *") if "restored" in path.name]
    assert len(copies) == FOLDERS * PER_FOLDER
    assert len({path.name.partition("(")[2] for path in copies}) == 1


def test_a_file_changed_since_the_interruption_is_restored_again(many: RestoreRig) -> None:
    snapshot = many.backup()
    interrupted(many, snapshot)
    done = [path for path in sorted(many.restored.rglob("file *")) if path.stat().st_size]
    done[0].write_bytes(b"changed")
    many.restore(snapshot)
    assert differences(walk(many.source), walk(many.restored)) == []


def test_after_a_crash_of_the_host_content_is_compared(many: RestoreRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose content was lost in the crash, with everything else as the journal knows it."""
    snapshot = many.backup()
    interrupted(many, snapshot)
    boot = many.folder / "boot"
    boot.write_text("another boot")
    monkeypatch.setattr("phoenix_core.agent.restore.journal._BOOT_ID", boot)
    result = many.restore(snapshot)
    assert result.skipped >= AT_LEAST
    assert differences(walk(many.source), walk(many.restored)) == []


@pytest.mark.parametrize("rule", list(ConflictRule))
@pytest.mark.parametrize("was_there", [False, True])
def test_after_a_crash_of_the_host_no_rule_takes_half_a_file_for_one(
    many: RestoreRig, monkeypatch: pytest.MonkeyPatch, rule: ConflictRule, was_there: bool
) -> None:
    """Names and times reached the disk, contents did not; in folders that the restore made, and in others."""
    os.link(many.source / "folder 0" / "file 0", many.source / "folder 4" / "link")
    mine = many.restored / "folder 0" / "mine"
    if was_there:
        mine.parent.mkdir(parents=True)
        mine.write_bytes(b"mine")
    snapshot = many.backup()
    interrupted(many, snapshot, conflict=rule)
    for path in many.restored.rglob("file *"):
        status = path.stat()
        path.write_bytes(bytes(status.st_size))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    boot = many.folder / "boot"
    boot.write_text("another boot")
    monkeypatch.setattr("phoenix_core.agent.restore.journal._BOOT_ID", boot)
    many.restore(snapshot, conflict=rule)
    if was_there:
        assert mine.read_bytes() == b"mine"
        mine.unlink()
    assert differences(_files(many.source), _files(many.restored)) == []


def _files(root: Path) -> dict[bytes, Facts]:
    return {path: facts for path, facts in walk(root).items() if facts.kind == "file"}


class CancelledPorts(RigPorts):
    """Cancels the job while it downloads."""

    def progress(self, progress: Progress) -> None:
        if progress.phase == "download" and progress.files_done and not self.cancelled.is_set():
            self.cancelled.set()


def test_a_cancelled_restore_ends_soon_and_leaves_nothing_half_done(
    many: RestoreRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "WINDOW_FILES", WINDOW_FILES)
    monkeypatch.setattr(dispatch, "QUEUED_PER_WORKER", 3)
    monkeypatch.setattr("phoenix_core.agent.backup.watch.PROGRESS_S", 0.0)
    snapshot = many.backup()
    order, ports = many.order(snapshot, workers=2)
    stopping = CancelledPorts(many.vault, ports.lease, ports.job, "restore")
    job = RestoreJob(order, stopping)
    with pytest.raises(Cancelled) as caught:
        job.run()
    assert sum(path.is_file() for path in many.restored.rglob("file *")) < FOLDERS * PER_FOLDER
    assert caught.value.fields["who"] == "a test"
    assert leftovers(many) == []
    assert many.restore(snapshot).skipped >= 1
    assert differences(walk(many.source), walk(many.restored)) == []


def test_a_killed_worker_fails_the_restore_which_goes_on_later(many: RestoreRig) -> None:
    snapshot = many.backup()
    order, ports = many.order(snapshot, workers=2)
    job = RestoreJob(order, ports)
    killed = False

    def kill_a_worker(progress: Progress) -> None:
        nonlocal killed
        if progress.phase == "download" and len(job._crew.pool) and not killed:
            killed = True
            job._crew.pool._processes[0].kill()  # type: ignore[attr-defined]

    ports.progress = kill_a_worker  # type: ignore[method-assign]
    with pytest.raises(WorkerDied, match="SIGKILL"):
        job.run()
    assert leftovers(many) == []
    many.restore(snapshot)
    assert differences(walk(many.source), walk(many.restored)) == []


def test_workers_give_way_as_the_order_says(many: RestoreRig, monkeypatch: pytest.MonkeyPatch) -> None:
    order, ports = many.order(many.backup(), workers=1, nice=19)
    job = RestoreJob(order, ports)
    seen: list[tuple[int, bool, int]] = []
    stop = job._crew.stop

    def look() -> None:
        for pid in job._crew.pool.process_ids:  # type: ignore[attr-defined]
            disk = psutil.Process(pid).ionice().value
            seen.append((os.getpriority(os.PRIO_PROCESS, pid), os.getsid(pid) == pid, disk))
        stop()

    monkeypatch.setattr(job._crew, "stop", look)
    job.run()
    assert seen == [(19, True, 7)]
