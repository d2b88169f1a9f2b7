"""The smaller parts of a backup: spool, windows, patterns, batches, estimate, tokens."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.agent.backup import contentwindows, estimate, tokens
from phoenix_core.agent.backup.contentwindows import WINDOW_BYTES
from phoenix_core.agent.backup.patientnode import PatientNode
from phoenix_core.agent.backup.records import Lost, ReadItem, Record
from phoenix_core.agent.backup.spool import Spool
from phoenix_core.agent.backup.transfer import ALONE_BYTES, BATCH_BYTES, BATCH_FILES, batches
from phoenix_core.agent.backup.windows import Windows
from phoenix_core.agent.errors import StateUnusable
from phoenix_core.domain.ids import ChunkId
from phoenix_core.domain.patterns import PatternInvalid, Patterns
from phoenix_core.storage.errors import StorageBusy, StorageFull, StorageUnreachable
from phoenix_core.storage.node_api import JobNode
from phoenix_core.vault.locateahead import LocateAhead
from phoenix_core.vault.location import Location


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=40), st.integers(1, 400))
def test_a_spool_gives_back_what_it_took_as_often_as_wanted(tmp_path_factory, paths, memory) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("spool")
    with Spool[Record](folder, Record, memory_bytes=memory) as spool:
        for path in paths:
            spool.append(Lost(path, "EIO"))
        assert [list(spool), list(spool)] == [[Lost(path, "EIO") for path in paths]] * 2
        assert spool.count == len(paths)
        assert list(folder.iterdir()) == [], "the file has no name"


def test_a_spool_on_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    spool: Spool[Record] = Spool(tmp_path, Record, memory_bytes=10)
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StateUnusable, match="No space left"):
        spool.append(Lost(b"/a/path", "EIO"))


pieces = st.lists(
    st.tuples(st.booleans(), st.sampled_from([1, 4095, 4096, 65536, 65537, 200_000, 2**20, 2**20 + 1, 3 * 2**20])),
    min_size=1,
    max_size=6,
)


@settings(deadline=None)
@given(pieces, st.booleans(), st.booleans())
def test_windows_give_all_data_and_where_it_lies(tmp_path_factory, parts, sparse, as_stream) -> None:  # type: ignore[no-untyped-def]
    data = b"".join((os.urandom(1) * size if is_data else bytes(size)) for is_data, size in parts)
    path = tmp_path_factory.mktemp("windows") / "file"
    with open(path, "wb") as file:
        if sparse:
            at = 0
            for is_data, size in parts:
                if is_data:
                    os.pwrite(file.fileno(), data[at : at + size], at)
                at += size
            file.truncate(len(data))
        else:
            file.write(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        reading = Windows()
        reading.begin(fd, os.fstat(fd))
        held = bytearray()
        if as_stream:
            view = memoryview(bytearray(100_001))
            while count := reading.read_into(view):
                held += view[:count]
        else:
            while (window := reading.next()) is not None:
                assert len(window) <= WINDOW_BYTES
                held += window
    finally:
        os.close(fd)
    whole = bytearray(reading.length)
    extents = reading.extents
    if extents is None:
        whole[:] = held
    else:
        at = 0
        for extent in extents:
            whole[extent.offset : extent.offset + extent.length] = held[at : at + extent.length]
            at += extent.length
        assert at == len(held)
    assert whole == data


def test_a_file_with_very_many_holes_gets_coarser_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contentwindows, "COARSE_EXTENTS", 4)
    monkeypatch.setattr(contentwindows, "FULL_EXTENTS", 6)
    data = (b"x" * 4096 + bytes(2**17 - 4096)) * 40 + bytes(4 * 2**20)
    path = tmp_path / "file"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    reading = Windows()
    reading.begin(fd, os.fstat(fd))
    held = b""
    while (window := reading.next()) is not None:
        held += window
    os.close(fd)
    extents = reading.extents
    assert extents is not None
    assert len(extents) < 20
    assert sum(extent.length for extent in extents) == len(held)


@pytest.mark.parametrize(
    ("pattern", "path", "is_folder", "matches"),
    [
        ("*.o", b"/home/x/a.o", False, True),
        ("*.o", b"/home/x/a.os", False, False),
        ("/home/x", b"/home/x/deep/down", False, True),
        ("/home/x", b"/mnt/home/x", False, False),
        ("build/", b"/src/build", True, True),
        ("build/", b"/src/build", False, False),
        ("/var/**/tmp", b"/var/a/b/tmp", True, True),
        ("*.tmp", b"/odd\nname/a\n.tmp", False, True),
        ("*.tmp", b"/latin/\xe4.tmp", False, True),
        ("foo?", b"/foo\n", False, True),
        ("# comment", b"/# comment", False, False),
    ],
)
def test_patterns(pattern: str, path: bytes, is_folder: bool, matches: bool) -> None:
    assert Patterns((pattern,)).match(path, is_folder=is_folder) is matches


def test_batches_are_small_files_by_the_hundred_and_large_ones_alone() -> None:
    def item(size: int) -> ReadItem:
        return ReadItem(b"/", b"x", size)

    small = [item(10)] * (BATCH_FILES + 1)
    assert [len(batch) for batch in batches(iter(small))] == [BATCH_FILES, 1]
    medium = [item(BATCH_BYTES // 2)] * 5
    assert [len(batch) for batch in batches(iter(medium))] == [2, 2, 1]
    mixed = [item(1), item(ALONE_BYTES), item(1), item(1)]
    assert [[each.data_bytes for each in batch] for batch in batches(iter(mixed))] == [[1], [ALONE_BYTES], [1, 1]]
    assert list(batches(iter(()))) == []


def test_the_estimate_learns(tmp_path: Path) -> None:
    first = estimate.load(tmp_path)
    learned = first
    for _ in range(12):
        learned = learned.learned(1000, 10**9, 100.0)
    assert learned.estimate_s(1000, 10**9) == pytest.approx(100, rel=0.05)
    assert learned.seconds_per_file == pytest.approx(first.seconds_per_file, rel=1), "bytes were what cost time"
    assert first.learned(5, 5, 0.01) == first
    estimate.save(tmp_path, learned)
    assert estimate.load(tmp_path) == learned
    (tmp_path / estimate.FILE_NAME).write_text("{broken")
    assert estimate.load(tmp_path) == first


def token_of(life_s: float) -> str:
    return jwt.encode({"exp": int(time.time() + life_s)}, "k" * 32)


def test_the_end_of_a_token_is_read_from_it() -> None:
    assert tokens.expiry_of(token_of(100)) == pytest.approx(time.time() + 100, abs=2)
    assert tokens.expiry_of("nonsense") is None


def test_a_token_is_asked_for_again_where_the_core_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "LEAST_WAIT_S", 0.0)
    monkeypatch.setattr(tokens, "RETRY_S", 0.0)
    asked = threading.Semaphore(0)
    answers: Iterator[str | Exception] = iter(
        [StorageUnreachable(place="core", detail="away"), ValueError("odd"), token_of(1000)]
    )

    def fresh() -> str:
        answer = next(answers)
        asked.release()
        if isinstance(answer, str):
            return answer
        raise answer

    with tokens.TokenKeeper(token_of(0), fresh, lambda: None) as keeper:
        for _ in range(3):
            assert asked.acquire(timeout=10)
        while not (token := keeper.take()):
            os.sched_yield()
    assert tokens.expiry_of(token)
    assert keeper.take() == ""


class FlakyNode:
    """Fails so often, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)

    def present(self, ids: list[ChunkId], writer: int = 0) -> list[bool]:
        if self.failures:
            raise self.failures.pop(0)
        return [True] * len(ids)


def patient(node: FlakyNode, **more: Callable[..., None] | float) -> PatientNode:
    as_node: JobNode = node  # type: ignore[assignment]
    return PatientNode(as_node, **more)  # type: ignore[arg-type]


def test_storage_that_is_away_is_waited_for() -> None:
    node = FlakyNode(StorageUnreachable(place="x", detail="away"), StorageBusy(detail="starting"))
    assert patient(node).present([ChunkId(bytes(32))]) == [True]


def test_patience_ends_and_other_errors_are_not_waited_for() -> None:
    away = StorageUnreachable(place="x", detail="away")
    with pytest.raises(StorageUnreachable):
        patient(FlakyNode(*[away] * 50), patience_s=0.3).present([])
    node = FlakyNode(StorageFull(place="x", detail="full"), away)
    with pytest.raises(StorageFull):
        patient(node).present([])
    assert len(node.failures) == 1


def test_waiting_for_storage_can_be_cancelled() -> None:
    def tick() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        patient(FlakyNode(StorageUnreachable(place="x", detail="away")), tick=tick).present([])


def test_hinted_chunks_are_located_along_with_the_first_one_that_is_wanted() -> None:
    asked: list[list[ChunkId]] = []

    def locate(ids: list[ChunkId]) -> list[Location | None]:
        asked.append(list(ids))
        return [Location(chunk, 0, 0, 0, 0, 1) for chunk in ids]

    ahead = LocateAhead(locate)  # type: ignore[arg-type]
    ids = [ChunkId(bytes([number]) * 32) for number in range(200)]
    ahead.hint(ids)
    for chunk in ids:
        (place,) = ahead([chunk])
        assert place is not None
        assert place.pack_id == chunk
    assert len(asked) == 1
    assert asked[0][0] == ids[0]


@pytest.mark.parametrize("pattern", ["[", "*.[ch", "[!", "[]", "a[]b", "/srv/[^x/y"])
def test_a_class_that_is_not_closed_is_refused_and_not_taken_for_a_pattern_that_matches_nothing(pattern: str) -> None:
    with pytest.raises(PatternInvalid, match="is not closed"):
        Patterns((pattern,))


@pytest.mark.parametrize("pattern", ["[ab]", "[]a]", "[!]]", r"\[", "# [", r"a\[b"])
def test_a_class_that_is_closed_and_a_bracket_of_a_name_are_taken(pattern: str) -> None:
    Patterns((pattern,))
