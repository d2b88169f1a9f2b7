"""What all processes of a job send stays within its limit, together."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from phoenix_core.agent.backup.pace import Pace, open_pace
from phoenix_core.agent.backup.workermessages import Bandwidth
from phoenix_core.domain.bandwidth import Limits

UTC_ZONE = ZoneInfo("UTC")
MIB = 1 << 20


class Line:
    """Time that only goes on while somebody waits."""

    def __init__(self) -> None:
        self.at = 100.0

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def pace(folder: Path, line: Line, *lines: str, hour: int = 12) -> Pace:
    now = datetime(2024, 8, 1, hour, tzinfo=UTC)
    limits = Limits(lines, UTC_ZONE)
    return Pace(folder / "pace", limits, now=lambda: now, monotonic=line.monotonic, sleep=line.sleep)


def send(through: Pace, count: int) -> None:
    while count:
        count -= through(count)


def test_so_many_bytes_take_so_long(tmp_path: Path) -> None:
    line = Line()
    send(pace(tmp_path, line, "4M"), 40 * MIB)
    assert 9.5 <= line.at - 100 <= 10


def test_two_processes_share_the_limit(tmp_path: Path) -> None:
    line = Line()
    one, other = pace(tmp_path, line, "4M"), pace(tmp_path, line, "4M")
    left = [20 * MIB, 20 * MIB]
    while any(left):
        left[0] -= one(left[0]) if left[0] else 0
        left[1] -= other(left[1]) if left[1] else 0
    assert 9.5 <= line.at - 100 <= 10.5


def test_time_in_which_nothing_was_sent_is_not_saved_up(tmp_path: Path) -> None:
    line = Line()
    through = pace(tmp_path, line, "4M")
    send(through, MIB)
    line.at += 60
    began = line.at
    send(through, 4 * MIB)
    assert line.at - began >= 0.7


def test_outside_of_its_hours_there_is_no_limit(tmp_path: Path) -> None:
    line = Line()
    assert pace(tmp_path, line, "08:00-18:00 1K", hour=20)(64 * MIB) == 64 * MIB
    assert line.at == 100


def test_a_job_forgets_what_an_earlier_one_left(tmp_path: Path) -> None:
    line = Line()
    line.at = 1e9  # before the host was started anew
    send(pace(tmp_path, line, "1M"), MIB)
    bandwidth = Bandwidth(str(tmp_path / "pace"), ("1M",), "UTC")
    through = open_pace(bandwidth, anew=True)
    assert through is not None
    assert through(1000) == 1000
    assert open_pace(None) is None
