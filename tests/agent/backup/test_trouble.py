"""Backups that meet trouble: cancelled, workers killed, storage away or full, files gone after the scan."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from phoenix_core.agent.backup import watch
from phoenix_core.agent.errors import StateUnusable, WorkerDied
from phoenix_core.agent.linuxjobs import live_backup
from phoenix_core.agentlink.reports import EstimateReport, Progress, ReportBody
from phoenix_core.domain.errors import Cancelled, RemoteError
from phoenix_core.storage.errors import StorageFull, StorageUnreachable
from phoenix_core.storage.local import LocalStore
from tests.agent.backup.running import back_up
from tests.agent.vault_rig import RigPorts, VaultRig, one_pack_only
from tests.agent.workers import fork_servers_of, workers_of


def at_estimate(ports: RigPorts, act: Callable[[], object]) -> None:
    """Do something between the scan and the transfer."""
    keep = ports.report

    def report(body: ReportBody) -> None:
        keep(body)
        if isinstance(body, EstimateReport):
            act()

    ports.report = report  # type: ignore[method-assign]


def once_sent(ports: RigPorts, act: Callable[[], object], *, sent_bytes: int = 1) -> None:
    """Do something once, when so much has been stored."""
    keep = ports.progress
    done: list[Progress] = []

    def progress(now: Progress) -> None:
        keep(now)
        if now.phase == "transfer" and now.sent_bytes >= sent_bytes and not done:
            done.append(now)
            act()

    ports.progress = progress  # type: ignore[method-assign,assignment]


MUCH_BYTES = 120 * 2**20


@pytest.fixture
def much(source: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Some packs full; and progress is told at every step."""
    monkeypatch.setattr(watch, "PROGRESS_S", 0.0)
    for number in range(12):
        (source / f"file-{number}").write_bytes(os.urandom(MUCH_BYTES // 12))
    return source


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_files_that_go_after_the_scan_are_missing(rig: VaultRig, source: Path) -> None:
    for name in ("gone", "kept", "became a folder", "folder/inside"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(name)
    first, _ = back_up(rig, source)
    for name in ("gone", "kept", "became a folder", "folder/inside"):
        (source / name).write_text(name + " again")
    order, ports = rig.backup_order(source, parent=first, workers=1)

    def act() -> None:
        (source / "gone").unlink()
        (source / "became a folder").unlink()
        (source / "became a folder").mkdir()
        (source / "folder").rename(source / "moved")

    at_estimate(ports, act)
    second = live_backup(order, ports).run()
    assert {(os.path.relpath(each.path, source), each.reason) for each in second.missing} == {
        ("gone", "vanished"),
        ("became a folder", "changed_type"),
        ("folder/inside", "vanished"),
    }
    assert second.missing_count == 3
    entries = rig.entries(second.snapshot_id)
    assert os.fsencode(source / "gone") not in entries, "an old version is not passed off as the current one"
    assert rig.content(entries[os.fsencode(source / "kept")]) == b"kept again"
    body = rig.body(second.snapshot_id)
    assert body.missing_count == 3
    assert body.missing_list
    third, _ = back_up(rig, source, parent=second)
    assert third.missing_count == 0
    assert os.fsencode(source / "moved/inside") in rig.entries(third.snapshot_id)


def test_a_hard_link_whose_first_name_went_is_read_by_its_second(rig: VaultRig, source: Path) -> None:
    (source / "a").write_bytes(b"linked")
    for name in ("b", "c"):
        (source / name).hardlink_to(source / "a")
    order, ports = rig.backup_order(source, workers=1)
    at_estimate(ports, (source / "a").unlink)
    result = live_backup(order, ports).run()
    entries = rig.entries(result.snapshot_id)
    assert [rig.content(entries[os.fsencode(source / name)]) for name in "bc"] == [b"linked"] * 2
    assert (result.files, result.bytes, result.missing_count) == (2, 6, 1)


def test_a_cancelled_transfer_ends_at_once_and_leaves_nothing(rig: VaultRig, much: Path) -> None:
    before = set(rig.state_dir.iterdir())
    order, ports = rig.backup_order(much, workers=2)
    job = live_backup(order, ports)
    pids: list[int] = []

    def cancel() -> None:
        pids.extend(job._pool.process_ids)
        ports.cancelled.set()

    with one_pack_only(rig, cancel):
        with pytest.raises(Cancelled, match="a test"):
            job.run()
        _nothing_is_left(rig, pids, before)


def _nothing_is_left(rig: VaultRig, pids: list[int], before: set[Path]) -> None:
    stored = sum(path.stat().st_size for path in (rig.folder / "vault").rglob("*") if path.is_file())
    assert stored < MUCH_BYTES * 2 / 3
    assert pids
    assert not any(alive(pid) for pid in pids)
    assert set(rig.state_dir.iterdir()) == before
    assert rig.node.snapshots() == []


def test_a_scan_can_be_cancelled(rig: VaultRig, source: Path) -> None:
    order, ports = rig.backup_order(source)
    ports.cancelled.set()
    with pytest.raises(Cancelled):
        live_backup(order, ports).run()
    assert ("WF5.4", "failed") in ports.steps()


def test_a_killed_worker_fails_the_job_and_the_next_one_goes_on(rig: VaultRig, much: Path) -> None:
    order, ports = rig.backup_order(much, workers=2)
    job = live_backup(order, ports)
    with (
        one_pack_only(rig, lambda: os.kill(job._pool.process_ids[0], signal.SIGKILL)),
        pytest.raises(WorkerDied, match="SIGKILL"),
    ):
        job.run()
    rig.end(ports)
    assert rig.node.snapshots() == []
    again, _ = back_up(rig, much, workers=2)
    assert again.new_raw_bytes < 110 * 2**20, "what was stored is used"
    entries = rig.entries(again.snapshot_id)
    path = much / "file-0"
    assert rig.content(entries[os.fsencode(path)]) == path.read_bytes()


def test_a_killed_fork_server_fails_the_job_and_the_next_one_has_another(rig: VaultRig, much: Path) -> None:
    order, ports = rig.backup_order(much, workers=2)
    job = live_backup(order, ports)

    def kill() -> None:
        (server,) = fork_servers_of(os.getpid())
        server.kill()

    with one_pack_only(rig, kill), pytest.raises(WorkerDied, match="process that starts the workers died"):
        job.run()
    rig.end(ports)
    again, _ = back_up(rig, much, workers=2)
    assert again.files == 12


def test_workers_have_a_name_in_top(rig: VaultRig, much: Path) -> None:
    order, ports = rig.backup_order(much, workers=1)
    job = live_backup(order, ports)
    names: list[str] = []
    once_sent(ports, lambda: names.extend(psutil.Process(pid).name() for pid in job._pool.process_ids))
    job.run()
    assert names == ["phoenix-backup"]


def test_a_service_manager_that_tells_all_processes_to_end_leaves_that_to_the_agent(rig: VaultRig, much: Path) -> None:
    order, ports = rig.backup_order(much, workers=2)
    job = live_backup(order, ports)

    def tell_all() -> None:
        (server,) = {process.ppid() for process in workers_of(os.getpid())}
        for pid in (server, *job._pool.process_ids):
            os.kill(pid, signal.SIGTERM)
        going_on.set()

    with one_pack_only(rig, tell_all) as going_on:
        assert job.run().files == 12


def test_workers_give_way_as_the_order_says(rig: VaultRig, much: Path) -> None:
    order, ports = rig.backup_order(much, workers=1, nice=19)
    job = live_backup(order, ports)
    seen: list[tuple[int, bool, int]] = []

    def look() -> None:
        (pid,) = job._pool.process_ids
        disk = psutil.Process(pid).ionice()
        seen.append((os.getpriority(os.PRIO_PROCESS, pid), os.getsid(pid) == pid, disk.value))

    once_sent(ports, look)
    job.run()
    assert seen == [(19, True, 7)]


def test_workers_end_with_a_job_thread_that_dies(rig: VaultRig, source: Path) -> None:
    """The pipe's end and the kernel's parent-death signal: here the pipe."""
    order, ports = rig.backup_order(source)
    job = live_backup(order, ports)
    job._pool.start_one()
    process = job._pool._processes[0]
    job._pool._pipes[0].close()
    process.join(10)
    assert process.exitcode is not None
    job._pool._processes.clear()
    job._pool._pipes.clear()
    process.close()


def test_a_node_that_restarts_is_waited_for(rig: VaultRig, much: Path) -> None:
    order, ports = rig.backup_order(much, workers=2)
    once_sent(ports, rig.restart_node)
    result = live_backup(order, ports).run()
    entries = rig.entries(result.snapshot_id)
    assert rig.content(entries[os.fsencode(much / "file-3")]) == (much / "file-3").read_bytes()


def test_a_node_that_stays_away_fails_the_job(rig: VaultRig, source: Path) -> None:
    (source / "file").write_bytes(b"x")
    order, ports = rig.backup_order(source, workers=1)
    job = live_backup(order, ports, patience_s=0.3)
    at_estimate(ports, rig.stop_node)
    try:
        with pytest.raises((StorageUnreachable, RemoteError)) as caught:
            job.run()
        assert caught.value.view().code == "storage_unreachable"
    finally:
        rig.start_node()


def test_full_storage_fails_the_job_and_stages_nothing(
    rig: VaultRig, much: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageFull(place="the vault", detail="no space left")

    monkeypatch.setattr(LocalStore, "stage", full)
    with pytest.raises((StorageFull, RemoteError)) as caught:
        back_up(rig, much)
    assert caught.value.view().code == "storage_full"
    assert rig.node.snapshots() == []


def test_a_short_lived_token_is_replaced_while_the_job_runs(
    rig: VaultRig, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phoenix_core.agent.backup.tokens.LEAST_WAIT_S", 0.0)
    for number in range(4):
        (source / str(number)).write_bytes(os.urandom(100))
    order, ports = rig.backup_order(source, workers=1, token_seconds=0)

    def wait_for_token() -> None:
        while not ports.tokens:
            os.sched_yield()

    at_estimate(ports, wait_for_token)
    assert live_backup(order, ports).run().files == 4
    assert ports.tokens >= 1


def test_a_hard_link_whose_first_name_went_to_another_file_keeps_its_own_content(rig: VaultRig, source: Path) -> None:
    (source / "a").write_bytes(b"old")
    (source / "b").hardlink_to(source / "a")
    (source / "c").hardlink_to(source / "a")
    (source / "new").write_bytes(b"new")
    order, ports = rig.backup_order(source, workers=1)
    at_estimate(ports, lambda: (source / "new").rename(source / "a"))
    result = live_backup(order, ports).run()
    entries = rig.entries(result.snapshot_id)
    contents = {name: rig.content(entries[os.fsencode(source / name)]) for name in "abc"}
    assert contents == {"a": b"new", "b": b"old", "c": b"old"}
    rig.end(ports)


def test_a_cache_of_keys_without_space_is_a_warning(
    rig: VaultRig, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "a").write_bytes(b"content")
    (pages,) = rig.cache._db.execute("PRAGMA page_count").fetchone()
    rig.cache._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StateUnusable, match="full"):
        rig.cache.remember({os.urandom(32): bytes(32) for _ in range(1000)})
    monkeypatch.setattr(rig.cache, "remember", lambda keys: _full(rig.state_dir))
    first, ports = back_up(rig, source)
    assert "asks the core" in ports.logged()[0]
    second, ports = back_up(rig, source, parent=first)
    assert second.read_bytes == 0
    assert ports.asked_blocks


def _full(folder: Path) -> None:
    raise StateUnusable(path=folder, detail="database or disk is full")
