"""Backups of what a script prints: what counts, what doesn't, and what two of them share."""

import os
import signal
import threading
from pathlib import Path

import msgspec
import pytest

from phoenix_core.agent.backup.stream_job import StreamBackup
from phoenix_core.agent.linuxjobs import LinuxJobs
from phoenix_core.agent.scripts import ScriptFailed, ScriptUnusable
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.agentlink.streamorder import StreamOrder
from phoenix_core.domain.errors import Cancelled
from tests.agent.vault_rig import RigPorts, VaultRig

PATH = b"/phoenix-streams/orders"


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir(mode=0o755)
    return folder


def script(folder: Path, text: str) -> None:
    path = folder / "dump.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def job_of(rig: VaultRig, scripts: Path, timeout_s: int = 60) -> tuple[StreamBackup, RigPorts]:
    order, ports = rig.backup_order(PATH)
    stream = StreamOrder("orders", "dump.sh", timeout_s)
    job = LinuxJobs(ports.state_dir, scripts).make(msgspec.structs.replace(order, stream=stream), ports)
    assert isinstance(job, StreamBackup)
    return job, ports


def back_up(rig: VaultRig, scripts: Path, data: bytes, tmp_path: Path) -> BackupResult:
    (tmp_path / "data").write_bytes(data)
    script(scripts, f"cat {tmp_path}/data; echo told >&2")
    job, ports = job_of(rig, scripts)
    try:
        return job.run()
    finally:
        rig.end(ports)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"one line\n",
        os.urandom(300_000),
        os.urandom(2**20) + bytes(5 * 2**20) + os.urandom(70_001),
        bytes(3 * 2**20),
        os.urandom(9 * 2**20 + 1),
    ],
    ids=["nothing", "a line", "more than a chunk", "with a hole", "zeros alone", "many chunks"],
)
def test_what_a_script_prints_is_read_back_to_the_byte(
    rig: VaultRig, scripts: Path, tmp_path: Path, data: bytes
) -> None:
    result = back_up(rig, scripts, data, tmp_path)
    assert (result.files, result.bytes, result.read_bytes) == (1, len(data), len(data))
    assert rig.content(rig.entries(result.snapshot_id)[PATH]) == data


def test_the_second_dump_stores_what_is_new_in_it(rig: VaultRig, scripts: Path, tmp_path: Path) -> None:
    data = os.urandom(16 * 2**20)
    first = back_up(rig, scripts, data, tmp_path)
    changed = b"-- a new first line\n" + data[: 8 * 2**20] + b"one row more" + data[8 * 2**20 :]
    second = back_up(rig, scripts, changed, tmp_path)
    assert first.stored_bytes > 16 * 2**20
    assert second.stored_bytes < 10 * 2**20
    assert rig.content(rig.entries(second.snapshot_id)[PATH]) == changed


@pytest.mark.parametrize(
    ("ending", "says"),
    [("exit 3", "ended with exit code 3"), ("kill -9 $$", "was ended by signal 9")],
)
def test_a_script_that_does_not_end_well_makes_no_snapshot(
    rig: VaultRig, scripts: Path, ending: str, says: str
) -> None:
    script(scripts, f"head -c 3000000 /dev/urandom; echo the table is locked >&2; {ending}")
    job, ports = job_of(rig, scripts)
    with pytest.raises(ScriptFailed, match=says) as failed:
        job.run()
    rig.end(ports)
    assert "the table is locked" in failed.value.what_to_do
    assert rig.node.snapshots() == []


def test_one_that_hangs_is_stopped_and_makes_no_snapshot(rig: VaultRig, scripts: Path, tmp_path: Path) -> None:
    script(scripts, f"echo $$ > {tmp_path}/pid; echo some; exec sleep 600")
    job, ports = job_of(rig, scripts, timeout_s=1)
    with pytest.raises(ScriptFailed, match="took too long"):
        job.run()
    rig.end(ports)
    assert rig.node.snapshots() == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_cancelled_one_ends_its_script(rig: VaultRig, scripts: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "begun")
    script(scripts, f"echo $$ > {tmp_path}/begun; exec sleep 600")
    job, ports = job_of(rig, scripts)
    pids: list[int] = []

    def cancel() -> None:
        pids.append(int((tmp_path / "begun").read_text()))
        ports.cancelled.set()

    cancelling = threading.Thread(target=cancel)
    cancelling.start()
    with pytest.raises(Cancelled):
        job.run()
    cancelling.join()
    rig.end(ports)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], signal.SIGCONT)
    assert rig.node.snapshots() == []


def test_a_script_that_is_not_there_is_named(rig: VaultRig, scripts: Path) -> None:
    job, ports = job_of(rig, scripts)
    with pytest.raises(ScriptUnusable, match=r"dump\.sh"):
        job.run()
    rig.end(ports)
