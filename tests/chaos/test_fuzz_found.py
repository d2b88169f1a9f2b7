"""What fuzzing found once stays found: taken, or refused by a typed error."""

import pytest

from tests.chaos.fuzz import TARGETS
from tests.chaos.fuzz_found import FOUND
from tests.chaos.fuzz_target import Crash, View, attempt, measured, smallest


@pytest.mark.parametrize(("target", "view", "data"), FOUND, ids=lambda part: part if isinstance(part, str) else None)
def test_an_input_that_once_failed_is_taken_or_refused(target: str, view: str, data: bytes) -> None:
    views = next(each.views for each in TARGETS if each.name == target)
    measured(next(each for each in views if each.name == view), data)


def test_what_is_no_typed_error_is_a_failure_and_its_input_is_made_small() -> None:
    def take(data: bytes) -> None:
        if b"\xff" in data:
            data.decode()

    view = View("a view", lambda dice: b"", take)
    data = bytes(100) + b"\xff" + bytes(100)
    with pytest.raises(Crash, match="UnicodeDecodeError") as crash:
        attempt(view, data)
    assert smallest(view, data, crash.value) == b"\xff"


def test_memory_out_of_proportion_is_a_failure() -> None:
    def take(data: bytes) -> None:
        bytes(64 << 20)

    with pytest.raises(Crash, match="MemoryPeak"):
        measured(View("a view", lambda dice: b"", take), b"x")
