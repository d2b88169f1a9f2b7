"""The outbox: what is in it outlives everything, in order, under numbers that only rise."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from phoenix_core.agentlink import frames
from phoenix_core.agentlink.errors import FrameTooLarge, OutboxFailed
from phoenix_core.agentlink.outbox import Outbox
from phoenix_core.agentlink.reports import BackupResult, JobFailed, LogReport, Report
from phoenix_core.domain.errors import PhoenixError
from tests.agentlink.bench import ShiftedClock

BODY = LogReport(level="info", text="hello")


def reopened(path: Path, clock: ShiftedClock | None = None) -> Outbox:
    return Outbox(path, clock or ShiftedClock())


def test_reports_come_back_in_order_after_a_restart(tmp_path: Path) -> None:
    outbox = reopened(tmp_path / "outbox")
    numbers = [outbox.append(f"j{at}", LogReport(level="info", text=str(at))) for at in range(5)]
    outbox.close()
    outbox = reopened(tmp_path / "outbox")
    found = outbox.after(0, 10)
    assert [number for number, _ in found] == numbers
    messages = [frames.decode_from_peer(frame) for _, frame in found]
    assert messages[3] == Report(number=numbers[3], job="j3", body=LogReport(level="info", text="3"))


def test_acknowledged_reports_are_gone_and_their_numbers_never_used_again(tmp_path: Path) -> None:
    outbox = reopened(tmp_path / "outbox")
    last = [outbox.append("j1", BODY) for _ in range(3)][-1]
    outbox.acknowledge(last)
    assert len(outbox) == 0
    outbox.close()
    outbox = reopened(tmp_path / "outbox")
    assert outbox.append("j1", BODY) == last + 1


def test_only_what_was_acknowledged_goes(tmp_path: Path) -> None:
    outbox = reopened(tmp_path / "outbox")
    numbers = [outbox.append("j1", BODY) for _ in range(4)]
    outbox.acknowledge(numbers[1])
    assert [number for number, _ in outbox.after(0, 10)] == numbers[2:]
    assert [number for number, _ in outbox.after(numbers[2], 10)] == numbers[3:]
    assert [number for number, _ in outbox.after(0, 1)] == numbers[2:3]


def test_a_new_outbox_numbers_above_a_lost_one(tmp_path: Path) -> None:
    clock = ShiftedClock()
    outbox = reopened(tmp_path / "outbox", clock)
    before = [outbox.append("j1", BODY) for _ in range(100)][-1]
    outbox.close()
    (tmp_path / "outbox").unlink()
    clock.shift = timedelta(seconds=10)
    assert reopened(tmp_path / "outbox", clock).append("j1", BODY) > before
    assert before < 1 << 53


def test_jobs_whose_last_report_waits_are_named(tmp_path: Path) -> None:
    outbox = reopened(tmp_path / "outbox")
    outbox.append("j1", BODY)
    outbox.append("j2", BackupResult(snapshot_id="ab"))
    last = outbox.append("j3", JobFailed(error=PhoenixError(detail="x").view()))
    assert sorted(outbox.ended_jobs()) == ["j2", "j3"]
    outbox.acknowledge(last)
    assert outbox.ended_jobs() == []


def test_a_report_too_long_for_the_link_is_refused_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    outbox = reopened(tmp_path / "outbox")
    with pytest.raises(FrameTooLarge):
        outbox.append("j1", LogReport(level="info", text="x" * frames.MAX_FRAME_BYTES))
    assert len(outbox) == 0


def test_many_threads_may_append(tmp_path: Path) -> None:
    outbox = reopened(tmp_path / "outbox")
    threads = [threading.Thread(target=lambda: [outbox.append("j1", BODY) for _ in range(25)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({number for number, _ in outbox.after(0, 1000)}) == 200


@pytest.mark.parametrize("damage", [b"no database at all" * 400, b""], ids=["garbage", "empty"])
def test_a_damaged_outbox_is_set_aside(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "outbox"
    path.write_bytes(damage)
    outbox = reopened(path)
    assert outbox.append("j1", BODY)
    assert (tmp_path / "outbox.damaged").exists() == bool(damage)


def test_flipped_bytes_are_noticed_when_the_outbox_opens(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    outbox = reopened(path)
    for _ in range(200):
        outbox.append("j1", LogReport(level="info", text="x" * 200))
    outbox.close()
    content = bytearray(path.read_bytes())
    content[4096:12288] = bytes(8192)
    path.write_bytes(content)
    outbox = reopened(path)
    assert len(outbox) == 0
    assert (tmp_path / "outbox.damaged").exists()


def test_the_outbox_is_its_owners_alone(tmp_path: Path) -> None:
    outbox = reopened(tmp_path / "outbox")
    outbox.append("j1", BODY)
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_place_that_can_not_hold_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutboxFailed):
        reopened(tmp_path / "absent" / "outbox")


def test_a_closed_outbox_says_so(tmp_path: Path) -> None:
    outbox = reopened(tmp_path / "outbox")
    outbox.close()
    with pytest.raises(OutboxFailed):
        outbox.append("j1", BODY)


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    outbox = reopened(tmp_path / "outbox")
    kept = outbox.append("j1", BODY)
    pages = outbox._connection.execute("PRAGMA page_count").fetchone()[0]
    outbox._connection.execute(f"PRAGMA max_page_count={pages}")  # SQLite's own way to play a full disk
    with pytest.raises(OutboxFailed, match="full"):
        outbox.append("j1", LogReport(level="info", text="x" * 100_000))
    assert [number for number, _ in outbox.after(0, 10)] == [kept]


_WRITER = """
import sys
from pathlib import Path
from phoenix_core.agentlink.reports import LogReport
from phoenix_core.agentlink.outbox import Outbox
from phoenix_core.domain.clock import SystemClock
outbox = Outbox(Path(sys.argv[1]), SystemClock())
while True:
    print(outbox.append("j1", LogReport(level="info", text="x" * 3000)), flush=True)
"""


def test_a_killed_process_leaves_every_report_that_append_returned_for(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    told = [int(writer.stdout.readline()) for _ in range(40)]
    os.kill(writer.pid, signal.SIGKILL)
    told += [int(line) for line in writer.stdout.read().splitlines() if line]
    writer.wait(10)
    found = [number for number, _ in reopened(path).after(0, 1_000_000)]
    assert found[: len(told)] == told
    assert len(found) <= len(told) + 1


def test_rows_are_the_frames_that_go_over_the_link(tmp_path: Path) -> None:
    outbox = reopened(tmp_path / "outbox")
    number = outbox.append("j1", BODY)
    outbox.close()
    with sqlite3.connect(tmp_path / "outbox") as connection:
        ((frame,),) = connection.execute("SELECT frame FROM report")
    connection.close()
    assert msgspec.msgpack.decode(frame)["number"] == number
