"""The time left that a job tells."""

import pytest

from phoenix_core.agent.backup.estimate import Throughput
from phoenix_core.agent.backup.timeleft import TimeLeft

FIRST_GUESS = Throughput()


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
