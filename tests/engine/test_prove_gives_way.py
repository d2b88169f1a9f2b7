"""The background proof takes little from jobs that run, and nothing where a processor is idle."""

import pytest

from phoenix_core.engine.prove import BUSY_PAUSE_S, BUSY_SHARE, LONGEST_PAUSE_S, pause_s


@pytest.mark.parametrize("last_s", [0.1, 0.2, 0.4])
def test_without_a_spare_processor_it_takes_its_share_of_one(last_s: float) -> None:
    assert last_s / (last_s + pause_s(last_s, spare=False)) <= BUSY_SHARE


def test_it_never_waits_for_long() -> None:
    assert pause_s(1000.0, spare=False) == LONGEST_PAUSE_S
    assert pause_s(1000.0, spare=True) == pause_s(0.0, spare=False) == BUSY_PAUSE_S
