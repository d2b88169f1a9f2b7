"""What fuzzing found once stays found: taken, or refused by a typed error."""

import pytest

from tests.chaos import fuzz_node
from tests.chaos.fuzz_found import FOUND
from tests.chaos.fuzz_mutate import mutated
from tests.chaos.fuzz_target import Crash, Target, View, attempt, found, measured, smallest
from tests.chaos.fuzz_targets import MODULES, named


@pytest.mark.parametrize(("target", "view", "data"), FOUND, ids=lambda part: part if isinstance(part, str) else None)
def test_an_input_that_once_failed_is_taken_or_refused(target: str, view: str, data: bytes) -> None:
    measured(named(target).view(view), data)


def test_what_is_no_typed_error_is_a_failure_and_its_input_is_made_small() -> None:
    def take(data: bytes) -> None:
        if b"\xff" in data:
            data.decode()

    view = View("a view", mutated, [b""], take)
    data = bytes(100) + b"\xff" + bytes(100)
    with pytest.raises(Crash, match="UnicodeDecodeError") as crash:
        attempt(view, data)
    assert smallest(view, data, crash.value) == b"\xff"


def test_a_failure_names_the_command_that_repeats_it() -> None:
    def take(data: bytes) -> None:
        raise KeyError(data[0])

    view = View("a view", mutated, [b""], take)
    crash = found(Target("a target", (view,)), view, b"\x01\xff", Crash("KeyError: 1"))
    assert "python -m tests.chaos.fuzz_process 'a target' --view 'a view' --input ff" in str(crash)


def test_the_first_byte_of_a_guided_input_chooses_among_all_views() -> None:
    for target in map(named, MODULES):
        chosen = {target.view_of(bytes([first]) + b"rest")[0].name for first in range(len(target.views))}
        assert chosen == {view.name for view in target.views}
        assert target.view_of(b"")[1] == b""


def test_memory_out_of_proportion_is_a_failure() -> None:
    def take(data: bytes) -> None:
        bytes(64 << 20)

    with pytest.raises(Crash, match="MemoryPeak"):
        measured(View("a view", mutated, [b""], take), b"x")


@pytest.mark.parametrize("work", sorted({work.__name__ for works in fuzz_node.WORK.values() for work in works}))
def test_with_an_honest_node_the_core_does_what_is_fuzzed(work: str) -> None:
    """So that what is refused is refused for what the node says."""
    done = next(each for works in fuzz_node.WORK.values() for each in works if each.__name__ == work)
    node = fuzz_node.GROUND.conversation.speak("", [])
    done(fuzz_node.GROUND.open(node))
    node.close()


def test_of_every_kind_of_call_whose_answer_the_core_reads_there_are_real_answers() -> None:
    assert not [view.name for view in fuzz_node.STORAGE_NODE.views if not view.seeds or b"\x90" in view.seeds]
