"""What the core remembers of mounts: through which of them a snapshot is read."""

from phoenix_core.engine.reading.mounts import LATELY_S, Mounts
from tests.engine.fake_clock import FakeClock


def test_a_snapshot_counts_as_read_for_a_while_after_the_last_look() -> None:
    clock = FakeClock()
    mounts = Mounts(clock)
    mount = mounts.open("/mnt", "root")
    assert mounts.reading("one") is None
    mounts.looked(mount.id, "one")
    clock.move(LATELY_S - 1)
    assert mounts.reading("one") == mount
    assert mounts.reading("two") is None
    mounts.looked(mount.id, "one")
    clock.move(LATELY_S - 1)
    assert mounts.reading("one") == mount
    clock.move(1)
    assert mounts.reading("one") is None


def test_of_two_mounts_the_one_that_is_left_keeps_a_snapshot() -> None:
    clock = FakeClock()
    mounts = Mounts(clock)
    first, second = mounts.open("/mnt/1", "root"), mounts.open("/mnt/2", "root")
    mounts.looked(first.id, "one")
    clock.move(1)
    mounts.looked(second.id, "one")
    assert mounts.reading("one") == second
    mounts.close(second.id)
    assert mounts.reading("one") == first
    mounts.close(first.id)
    assert mounts.reading("one") is None
