"""In which order waiting jobs get the free places: groups in turn, within a group the oldest first."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from phoenix_core.catalog.rows import JobRow


def in_turn(waiting: Sequence[JobRow], running: Iterable[JobRow], group_of: Callable[[JobRow], str]) -> list[JobRow]:
    """The waiting jobs (given oldest first) so that the group with the fewest that run or come before is next; of such
    groups the one whose job waits longest."""
    before = Counter(group_of(job) for job in running)
    ranked: list[tuple[int, int]] = []
    for position, job in enumerate(waiting):
        group = group_of(job)
        ranked.append((before[group], position))
        before[group] += 1
    return [waiting[position] for _, position in sorted(ranked)]
