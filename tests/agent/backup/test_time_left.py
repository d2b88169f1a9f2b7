"""The time left that a job tells, held against recorded progress of real ones (`python -m bench.timeleft --traces`)."""

import json
from pathlib import Path
from typing import Any

import pytest

from phoenix_core.agent.backup.estimate import Throughput
from phoenix_core.agent.backup.timeleft import TimeLeft

TRACES = sorted((Path(__file__).parent / "progress").glob("*.json"))
FIRST_GUESS = Throughput()
FROM = {"new-then-stored-already-backup": 0.6}
"""From which share of the time on. Where half-way all that came was new and all that comes is stored already, nobody
can know it before a little of that has been read."""


@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.stem)
@pytest.mark.parametrize("guess", [-1.0, 0.2, 5.0], ids=["no-guess", "guessed-short", "guessed-long"])
def test_from_half_way_on_the_end_is_told_within_a_quarter(trace: Path, guess: float) -> None:
    job: dict[str, Any] = json.loads(trace.read_text())
    end_s = job["end_s"]
    expected_s = guess * end_s if guess > 0 else guess
    left = TimeLeft(FIRST_GUESS, job["files"], job["bytes"], expected_s)
    told = [(at_s, left.after(at_s, files, done)) for at_s, files, done in job["told"]]
    late = [at_s + left_s - end_s for at_s, left_s in told if at_s >= end_s * FROM.get(trace.stem, 0.5)]
    assert len(late) >= 3
    assert max(map(abs, late)) <= end_s / 4


def test_there_are_recorded_jobs() -> None:
    assert len(TRACES) >= 10


def test_nothing_is_told_before_anything_is_known() -> None:
    assert TimeLeft(FIRST_GUESS, 10, 1000, -1).after(1.0, 0, 0) == -1


def test_at_first_the_estimate_is_told() -> None:
    assert TimeLeft(FIRST_GUESS, 10, 1000, 50).after(0.0, 0, 0) == pytest.approx(50)


def test_when_all_is_done_nothing_is_left() -> None:
    assert TimeLeft(FIRST_GUESS, 10, 1000, 50).after(20.0, 10, 1000) == 0


def test_a_job_that_gets_slower_is_told_to_take_longer() -> None:
    left = TimeLeft(FIRST_GUESS, 0, 1000, -1)
    for second in range(1, 11):
        left.after(second, 0, 50 * second)
    assert left.after(10.5, 0, 500) > 10
    for second in range(11, 21):
        left.after(second, 0, 500 + 10 * (second - 10))
    assert left.after(21, 0, 610) == pytest.approx(39, rel=0.25)
