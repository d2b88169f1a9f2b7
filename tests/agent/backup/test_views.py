"""Where a backup reads what it keeps under live paths."""

import os
from pathlib import Path

import pytest

from phoenix_core.agent.backup.filereader import FileReader
from phoenix_core.agent.backup.records import ReadItem
from phoenix_core.agent.backup.views import LIVE, View, Views
from phoenix_core.domain.patterns import Patterns
from phoenix_core.vault.entry import ChunkRef

HOME = View(b"/home", b"/snap/home", 60, 50, 1_000_000_000, 2_000_000_000)
VIEWS = Views((HOME, View(b"/home/nfs", b"/home/nfs"), View(b"/", b"/snap/root", 61, 51, 1, 2)))


@pytest.mark.parametrize(
    ("live", "real"),
    [
        (b"/", b"/snap/root"),
        (b"/etc/hosts", b"/snap/root/etc/hosts"),
        (b"/home", b"/snap/home"),
        (b"/home/a/b", b"/snap/home/a/b"),
        (b"/homes", b"/snap/root/homes"),
        (b"/home/nfs", b"/home/nfs"),
        (b"/home/nfs/deep", b"/home/nfs/deep"),
    ],
)
def test_a_path_is_read_where_its_nearest_view_says(live: bytes, real: bytes) -> None:
    assert VIEWS.real(live) == real
    assert LIVE.real(live) == live


def test_only_where_a_view_begins_the_way_down_changes() -> None:
    assert VIEWS.begins(b"/home") == b"/snap/home"
    assert VIEWS.begins(b"/home/a") is None
    assert VIEWS.is_snapshot(b"/home/a")
    assert not VIEWS.is_snapshot(b"/home/nfs/deep")
    assert not LIVE.is_snapshot(b"/home")


def test_hard_links_keep_the_live_devices_number() -> None:
    assert (VIEWS.live_device(60), VIEWS.live_device(61), VIEWS.live_device(7)) == (50, 51, 7)


def test_what_changed_while_the_snapshot_was_made_may_change_unseen() -> None:
    tick_ns = 10_000_000
    assert VIEWS.may_have_changed_since(b"/home", 1_000_000_000 - tick_ns)
    assert VIEWS.may_have_changed_since(b"/home/a", 1_500_000_000)
    assert not VIEWS.may_have_changed_since(b"/home", 1_000_000_000 - 3 * tick_ns)
    assert not VIEWS.may_have_changed_since(b"/home", 2_000_000_001)
    assert not VIEWS.may_have_changed_since(b"/home/nfs", 1_500_000_000)
    assert VIEWS.may_have_changed_since(b"/home", -1_000_000_000)  # in steps of two seconds
    assert not VIEWS.may_have_changed_since(b"/home", -2_000_000_000)


def test_a_file_is_read_at_its_real_place_and_kept_under_its_live_one(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "file").write_bytes(b"content")
    stamp = (real / "file").stat().st_ctime_ns
    taken: list[bytes] = []

    def add(data: memoryview) -> ChunkRef:
        taken.append(bytes(data))
        return ChunkRef(bytes(32), len(data))

    for made_ns, ctime_ns in ((stamp + 10**9, stamp), (stamp, 0)):
        view = View(b"/nowhere", os.fsencode(real), 0, 0, made_ns, made_ns)
        reader = FileReader(add, 0, Patterns(()), views=Views((view,)))
        result = reader.read(ReadItem(b"/nowhere", b"file", 7))
        reader.close()
        assert result.entry is not None
        assert (result.entry.name, result.entry.ctime_ns, result.changed) == (b"file", ctime_ns, False)
    assert taken == [b"content", b"content"]
