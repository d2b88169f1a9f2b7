"""Threads side by side: results in order, errors where they belong, nothing begun after one."""

import threading

import pytest

from phoenix_core.vault.sidebyside import side_by_side


def test_results_come_in_the_order_of_the_items() -> None:
    first_may_end = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert first_may_end.wait(30)
        else:
            first_may_end.set()
        return item * item

    assert list(side_by_side(work, range(50))) == [(item, item * item) for item in range(50)]


def test_an_error_comes_when_the_iteration_reaches_its_item_and_ends_it() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 3:
            raise ValueError("three")
        return item

    results = side_by_side(work, range(1000))
    assert [next(results)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert len(begun) < 50
