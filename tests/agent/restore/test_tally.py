"""A report fits into one message, whatever was missing."""

from phoenix_core.agent.restore.tally import REPORTED_CHARACTERS, REPORTED_MAX, Tally


def test_all_are_counted_and_the_first_thousand_listed() -> None:
    tally = Tally()
    for number in range(5000):
        tally.lose(b"/file %d" % number, "EACCES")
    assert tally.missing.count == 5000
    assert len(tally.missing.kept) == REPORTED_MAX
    assert tally.missing.kept[-1].path == "/file 999"


def test_long_paths_are_listed_as_far_as_there_is_room() -> None:
    tally = Tally()
    for _ in range(50):
        tally.leave_out(b"/" + b"d" * 100_000, ["owner root:root: EPERM"])
    assert tally.not_applied.count == 50
    assert sum(len(each.path) for each in tally.not_applied.kept) <= REPORTED_CHARACTERS
    assert len(tally.not_applied.kept) == 10
