"""What every object store must do; a new one joins by adding itself to `STORES`."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3

from phoenix_core.storage.errors import ObjectCold, ObjectMissing
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.objectstore import ObjectStore, Tier
from tests.storage.faulty import FaultyStore
from tests.storage.rig import HandClock

THAW_DELAY_S = 3600.0


class Case:
    """A store under test and the clock that it looks at."""

    def __init__(self, store: ObjectStore, clock: HandClock) -> None:
        self.store = store
        self.clock = clock


def local(folder: Path) -> Case:
    clock = HandClock()
    return Case(LocalStore(folder / "warm", archive=folder / "cold", thaw_delay_s=THAW_DELAY_S, clock=clock), clock)


def local_behind_the_fault_double(folder: Path) -> Case:
    case = local(folder)
    return Case(FaultyStore(case.store), case.clock)


STORES: dict[str, Callable[[Path], Case]] = {"local": local, "faulty": local_behind_the_fault_double}


@pytest.fixture(params=sorted(STORES))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    made = STORES[request.param](tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def store(case: Case) -> ObjectStore:
    return case.store


def names(store: ObjectStore, prefix: str = "") -> list[str]:
    return [info.name for info in store.list(prefix)]


def test_what_was_put_is_got(store: ObjectStore) -> None:
    assert store.put("packs/data/ab/abcd", b"content")
    assert store.get("packs/data/ab/abcd") == b"content"
    found = store.head("packs/data/ab/abcd")
    assert found is not None
    assert (found.name, found.bytes) == ("packs/data/ab/abcd", 7)


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    store.put("empty", b"")
    assert store.get("empty") == b""
    assert names(store) == ["empty"]


def test_put_if_absent_leaves_what_is_there(store: ObjectStore) -> None:
    assert store.put("records/1", b"first", if_absent=True)
    assert not store.put("records/1", b"second", if_absent=True)
    assert store.get("records/1") == b"first"


def test_put_replaces_without_a_condition(store: ObjectStore) -> None:
    store.put("vault.json", b"first")
    assert store.put("vault.json", b"second")
    assert store.get("vault.json") == b"second"


def test_of_many_who_put_if_absent_one_wins(store: ObjectStore) -> None:
    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(lambda number: store.put("one", b"%d" % number, if_absent=True), range(32)))
    assert won.count(True) == 1
    assert store.get("one") == b"%d" % won.index(True)


def test_a_conditional_put_needs_the_version_that_is_there(store: ObjectStore) -> None:
    store.put("owner", b"1")
    first = store.head("owner")
    assert first is not None
    assert store.put("owner", b"2", if_match=first.version)
    assert not store.put("owner", b"3", if_match=first.version)
    assert store.get("owner") == b"2"
    assert not store.put("nobody", b"1", if_match=first.version)
    assert store.head("nobody") is None


def test_of_many_who_put_on_one_version_one_wins(store: ObjectStore) -> None:
    store.put("owner", b"start")
    found = store.head("owner")
    assert found is not None
    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(lambda number: store.put("owner", b"%02d!" % number, if_match=found.version), range(32)))
    assert won.count(True) == 1
    assert store.get("owner") == b"%02d!" % won.index(True)


def test_ranges_are_cut_at_the_end(store: ObjectStore) -> None:
    store.put("ten", b"0123456789")
    assert store.get("ten", 3, 4) == b"3456"
    assert store.get("ten", 8, 100) == b"89"
    assert store.get("ten", 10, 5) == b""
    assert store.get("ten", 4) == b"456789"


def test_an_open_object_reads_at_any_offset(store: ObjectStore) -> None:
    store.put("ten", b"0123456789")
    with store.open_read("ten") as opened:
        assert opened.length == 10
        assert opened.pread(2, 6) == b"67"
        assert opened.pread(3, 0) == b"012"
        if opened.fileno() >= 0:
            with pytest.raises(OSError, match=r"[Bb]ad file descriptor"):
                os.write(opened.fileno(), b"x")


def test_an_object_that_is_not_there_is_named(store: ObjectStore) -> None:
    assert store.head("packs/data/00/none") is None
    for read in (store.get, store.open_read):
        with pytest.raises(ObjectMissing, match="packs/data/00/none"):
            read("packs/data/00/none")
    with pytest.raises(ObjectMissing):
        store.thaw_state("packs/data/00/none")


def test_listing_gives_names_by_prefix_in_order(store: ObjectStore) -> None:
    for name in ("packs/meta/aa/aa11", "packs/data/ab/ab22", "packs/data/ab/ab11", "records/2", "records/10"):
        store.put(name, b"x")
    assert names(store, "packs/") == ["packs/data/ab/ab11", "packs/data/ab/ab22", "packs/meta/aa/aa11"]
    assert names(store, "packs/data/ab/ab1") == ["packs/data/ab/ab11"]
    assert names(store, "rec") == ["records/10", "records/2"]
    assert names(store, "none/") == []
    assert names(store) == sorted(names(store))


def test_what_was_deleted_is_gone_and_deleting_again_is_fine(store: ObjectStore) -> None:
    store.put("packs/data/ab/abcd", b"x")
    store.delete("packs/data/ab/abcd")
    store.delete("packs/data/ab/abcd")
    assert store.head("packs/data/ab/abcd") is None
    assert names(store) == []


@pytest.mark.parametrize("length", [0, 1, 5000, 3 << 20])
def test_a_staged_file_is_hashed_and_becomes_visible_at_commit(store: ObjectStore, length: int, tmp_path: Path) -> None:
    content = os.urandom(length)
    source = tmp_path / "source"
    source.write_bytes(content)
    with source.open("rb") as file, store.stage() as staged:
        staged.copy_from(file.fileno(), length)
        assert staged.length == length
        assert staged.digest() == blake3(content).digest()
        assert staged.pread(10, 0) == content[:10]
        assert names(store) == []
        assert staged.commit("packs/data/aa/aabb")
    assert store.get("packs/data/aa/aabb") == content


def test_a_memory_file_is_staged_too(store: ObjectStore) -> None:
    fd = os.memfd_create("pack")
    os.write(fd, b"content")
    with store.stage() as staged:
        staged.copy_from(fd, 7)
        os.pwrite(fd, b"CHANGED", 0)
        assert staged.digest() == blake3(b"content").digest()
        staged.commit("object")
    os.close(fd)
    assert store.get("object") == b"content"


def test_a_source_shorter_than_said_gives_a_shorter_object(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"short")
    with (tmp_path / "source").open("rb") as file, store.stage() as staged:
        staged.copy_from(file.fileno(), 100)
        assert staged.length == 5


def test_a_staged_object_written_piece_by_piece(store: ObjectStore) -> None:
    with store.stage() as staged:
        for piece in (b"one ", b"two ", b"three"):
            staged.write(piece)
        assert staged.digest() == blake3(b"one two three").digest()
        assert staged.commit("pieces")
    assert store.get("pieces") == b"one two three"


def test_a_staged_object_does_not_replace_unless_told(store: ObjectStore) -> None:
    store.put("taken", b"old")
    with store.stage() as staged:
        staged.write(b"new")
        assert not staged.commit("taken")
    assert store.get("taken") == b"old"
    with store.stage() as staged:
        staged.write(b"new")
        assert staged.commit("taken", replace=True)
    assert store.get("taken") == b"new"
    assert names(store) == ["taken"]


def test_what_was_staged_and_not_committed_leaves_nothing(store: ObjectStore) -> None:
    with store.stage() as staged:
        staged.write(b"x" * 1000)
    assert names(store) == []
    assert store.sweep_leftovers() == 0


def test_space_is_told(store: ObjectStore) -> None:
    space = store.space()
    assert 0 < space.free_bytes <= space.total_bytes


def test_an_archived_object_is_cold_until_its_thaw_is_done_and_again_after(case: Case) -> None:
    store, clock = case.store, case.clock
    store.put("packs/data/ab/abcd", b"content")
    assert store.thaw_state("packs/data/ab/abcd").tier is Tier.WARM
    store.archive("packs/data/ab/abcd")
    assert store.thaw_state("packs/data/ab/abcd").tier is Tier.COLD
    with pytest.raises(ObjectCold):
        store.get("packs/data/ab/abcd")
    assert names(store, "packs/") == ["packs/data/ab/abcd"]
    assert store.head("packs/data/ab/abcd") is not None

    store.request_thaw("packs/data/ab/abcd", keep_s=7200)
    assert store.thaw_state("packs/data/ab/abcd").tier is Tier.THAWING
    with pytest.raises(ObjectCold):
        store.open_read("packs/data/ab/abcd")
    clock.pass_s(THAW_DELAY_S)
    state = store.thaw_state("packs/data/ab/abcd")
    assert state.tier is Tier.THAWED
    assert state.readable
    assert store.get("packs/data/ab/abcd") == b"content"
    clock.pass_s(7201)
    assert store.thaw_state("packs/data/ab/abcd").tier is Tier.COLD
    with pytest.raises(ObjectCold):
        store.get("packs/data/ab/abcd")


def test_asking_for_a_thaw_again_prolongs_it(case: Case) -> None:
    store, clock = case.store, case.clock
    store.put("cold", b"x")
    store.archive("cold")
    store.request_thaw("cold", keep_s=100)
    clock.pass_s(THAW_DELAY_S + 50)
    store.request_thaw("cold", keep_s=100)
    clock.pass_s(80)
    assert store.get("cold") == b"x"


def test_an_archived_object_can_be_deleted(store: ObjectStore) -> None:
    store.put("cold", b"x")
    store.archive("cold")
    store.archive("cold")
    store.delete("cold")
    assert store.head("cold") is None
    assert names(store) == []


@pytest.mark.parametrize(
    "name", ["../out", "/etc/passwd", "a//b", "a/../b", "", ".lock", "a/.hidden", "A", "a b", "a/"]
)
def test_names_that_could_lead_elsewhere_are_refused(store: ObjectStore, name: str) -> None:
    with pytest.raises(ValueError, match="object name"):
        store.put(name, b"x")
    with pytest.raises(ValueError, match="object name"):
        store.get(name)
