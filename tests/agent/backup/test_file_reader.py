"""One file while the world moves: it grows, shrinks, vanishes, becomes something else, is locked."""

import errno
import fcntl
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from phoenix_core.agent.backup import cutting, filereader, stamps
from phoenix_core.agent.backup.filereader import FileReader
from phoenix_core.agent.backup.fileresult import FileResult, pack_ref, unpack_refs
from phoenix_core.agent.backup.openfile import open_file_in
from phoenix_core.agent.backup.parenttree import is_unchanged
from phoenix_core.agent.backup.records import ReadItem
from phoenix_core.domain.patterns import Patterns
from phoenix_core.vault.entry import ChunkRef, EntryType
from phoenix_core.vault.filelists import CHUNKS_INLINE_MAX


class Chunks:
    """Takes chunks and gives them back."""

    def __init__(self) -> None:
        self.held: dict[bytes, bytes] = {}

    def add(self, data: memoryview) -> ChunkRef:
        ref = ChunkRef(len(self.held).to_bytes(32, "big"), len(data))
        self.held[ref.id] = bytes(data)
        return ref

    def content(self, result: FileResult) -> bytes:
        entry = result.entry
        assert entry is not None
        refs = list(unpack_refs(result.packed_chunks)) if result.packed_chunks else entry.chunks
        data = b"".join(self.held[ref.id] for ref in refs)
        if entry.extents is None:
            assert len(data) == entry.size
            return data
        whole = bytearray(entry.size)
        at = 0
        for extent in entry.extents:
            whole[extent.offset : extent.offset + extent.length] = data[at : at + extent.length]
            at += extent.length
        return bytes(whole)


@pytest.fixture
def chunks() -> Chunks:
    return Chunks()


Read = Callable[..., FileResult]


@pytest.fixture
def read(chunks: Chunks) -> Iterator[Read]:
    readers: list[FileReader] = []

    def run(path: Path, meanwhile: Callable[[], object] = lambda: None, patterns: tuple[str, ...] = ()) -> FileResult:
        def opened(item: ReadItem, fd: int) -> None:
            meanwhile()

        reader = FileReader(chunks.add, 7, Patterns(patterns), opened=opened)
        readers.append(reader)
        return reader.read(ReadItem(os.fsencode(path.parent), os.fsencode(path.name), path.lstat().st_size))

    yield run
    for reader in readers:
        reader.close()


@pytest.mark.parametrize("size", [0, 1, 65536, 256 * 1024, 256 * 1024 + 1, 5 * 2**20 + 77])
def test_a_quiet_file(read: Read, chunks: Chunks, source: Path, size: int) -> None:
    data = os.urandom(size)
    (source / "file").write_bytes(data)
    result = read(source / "file")
    assert chunks.content(result) == data
    assert (result.changed, result.reason, result.read_bytes) == (False, "", size)
    assert result.entry is not None
    assert result.entry.extents is None
    assert len(result.entry.chunks) == (size > 0) if size <= 256 * 1024 else len(result.entry.chunks) >= 1


def test_disk_images_are_cut_at_fixed_offsets(read: Read, chunks: Chunks, source: Path) -> None:
    data = os.urandom(3 * 2**20 + 5)
    (source / "disk.img").write_bytes(data)
    result = read(source / "disk.img", patterns=("*.img",))
    assert result.entry is not None
    assert result.entry.fixed_chunks
    assert [ref.length for ref in result.entry.chunks] == [2**20, 2**20, 2**20, 5]
    assert chunks.content(result) == data


def test_equal_files_have_equal_chunks_however_they_are_allocated(chunks: Chunks, read: Read, source: Path) -> None:
    data = os.urandom(300_000) + bytes(3_000_000) + os.urandom(1_000_000) + bytes(65536 * 3)
    (source / "written").write_bytes(data)
    with open(source / "sparse", "wb") as file:
        file.write(data[:300_000])
        file.seek(3_300_000)
        file.write(data[3_300_000:4_300_000])
        file.truncate(len(data))
    results = [read(source / name) for name in ("written", "sparse")]
    contents = [chunks.content(result) for result in results]
    assert contents == [data, data]
    lengths = [[ref.length for ref in result.entry.chunks] for result in results if result.entry]
    assert lengths[0] == lengths[1]
    assert results[0].entry is not None
    assert results[1].entry is not None
    assert results[0].entry.extents == results[1].entry.extents


def test_a_file_that_grows_is_kept_as_long_as_it_was(read: Read, chunks: Chunks, source: Path) -> None:
    path = source / "log"
    path.write_bytes(b"line\n" * 1000)
    result = read(path, lambda: path.open("ab").write(b"more\n" * 1000))
    assert chunks.content(result) == b"line\n" * 1000
    assert result.changed
    assert result.entry is not None
    assert result.entry.ctime_ns != path.stat().st_ctime_ns, "the next backup reads it again"


@pytest.mark.parametrize("size", [100_000, 5 * 2**20])
@pytest.mark.parametrize("left", [0, 1, 70_001])
def test_a_file_that_shrinks_is_kept_as_far_as_it_went(
    read: Read, chunks: Chunks, source: Path, size: int, left: int
) -> None:
    data = os.urandom(size)
    (source / "file").write_bytes(data)
    result = read(source / "file", lambda: os.truncate(source / "file", left))
    assert chunks.content(result) == data[:left]
    assert result.changed


def test_a_sparse_file_that_shrinks_into_its_hole(read: Read, chunks: Chunks, source: Path) -> None:
    with open(source / "file", "wb") as file:
        file.write(b"start")
        file.truncate(50 * 2**20)
    result = read(source / "file", lambda: os.truncate(source / "file", 3 * 2**20))
    assert chunks.content(result) == b"start" + bytes(3 * 2**20 - 5)
    assert result.changed


def test_a_write_in_between_is_told(read: Read, source: Path) -> None:
    path = source / "file"
    path.write_bytes(b"a" * 1000)

    def write() -> None:
        with path.open("r+b") as file:
            file.write(b"b")

    assert read(path, write).changed


def test_a_file_that_vanished_before_it_was_opened(read: Read, source: Path) -> None:
    (source / "file").write_bytes(b"x")
    item = ReadItem(os.fsencode(source), b"gone", 1)
    reader = FileReader(Chunks().add, 7, Patterns(()))
    assert reader.read(item) == FileResult(reason="vanished", path=item.path)
    reader.close()


def test_a_file_deleted_while_it_is_read_is_kept(read: Read, chunks: Chunks, source: Path) -> None:
    (source / "file").write_bytes(b"x" * 1000)
    result = read(source / "file", (source / "file").unlink)
    assert chunks.content(result) == b"x" * 1000
    assert result.changed, "its link count, and so ctime, changed"


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), EntryType.SYMLINK),
        (os.mkfifo, EntryType.FIFO),
    ],
)
def test_a_name_that_became_something_else_is_taken_as_that(
    chunks: Chunks, source: Path, make: Callable[[Path], None], kind: EntryType
) -> None:
    make(source / "name")
    reader = FileReader(chunks.add, 7, Patterns(()))
    result = reader.read(ReadItem(os.fsencode(source), b"name", 5))
    reader.close()
    assert result.entry is not None
    assert (result.entry.type, result.changed) == (kind, True)
    assert not chunks.held


def test_a_name_that_became_a_folder_is_missing(chunks: Chunks, source: Path) -> None:
    (source / "name").mkdir()
    reader = FileReader(chunks.add, 7, Patterns(()))
    assert reader.read(ReadItem(os.fsencode(source), b"name", 5)).reason == "changed_type"
    reader.close()


def test_a_folder_on_the_way_that_became_a_link_is_not_followed(chunks: Chunks, source: Path) -> None:
    (source / "real").mkdir()
    (source / "real" / "file").write_text("secret")
    (source / "way").symlink_to("real")
    reader = FileReader(chunks.add, 7, Patterns(()))
    result = reader.read(ReadItem(os.fsencode(source / "way"), b"file", 6))
    reader.close()
    assert result.entry is None
    assert not chunks.held


def test_a_folder_that_was_replaced_is_found_again(chunks: Chunks, source: Path) -> None:
    reader = FileReader(chunks.add, 7, Patterns(()))
    for content in (b"one", b"two"):
        (source / "folder").mkdir()
        (source / "folder" / "file").write_bytes(content)
        result = reader.read(ReadItem(os.fsencode(source / "folder"), b"file", 3))
        assert chunks.content(result) == content
        (source / "folder" / "file").unlink()
        (source / "folder").rmdir()
    reader.close()


def test_a_locked_file_is_tried_again_then_missing(
    read: Read, chunks: Chunks, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write lease (fcntl F_SETLEASE) of another process refuses a non-blocking open with EWOULDBLOCK."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(filereader, "_settled", os.fstat)
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    path = source / "leased"
    path.write_bytes(b"x")
    fd = os.open(path, os.O_RDWR)
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    try:
        result = read(path)
    finally:
        os.close(fd)
        signal.signal(signal.SIGIO, before)
    assert (result.entry, result.reason, len(waits)) == (None, "EWOULDBLOCK", 3)
    assert chunks.content(read(path)) == b"x"


@pytest.mark.parametrize("number", [errno.EBUSY, errno.ETXTBSY])
def test_a_busy_file_that_comes_free_is_read(
    read: Read, chunks: Chunks, source: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (source / "busy").write_bytes(b"at last")
    refusals = iter([OSError(number, "busy")] * 2)
    real = open_file_in

    def opening(folder: int, name: bytes) -> int:
        refusal = next(refusals, None)
        if refusal is not None:
            raise refusal
        return real(folder, name)

    monkeypatch.setattr(filereader, "open_file_in", opening)
    assert chunks.content(read(source / "busy")) == b"at last"


def test_advisory_locks_do_not_stop_a_backup(read: Read, chunks: Chunks, source: Path) -> None:
    with open(source / "database", "wb") as file:
        file.write(b"rows")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert chunks.content(read(source / "database")) == b"rows"


def test_a_disk_error_makes_the_file_missing_and_too_few_descriptors_end_the_job(
    read: Read, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "file").write_bytes(b"x")

    def failing(number: int) -> Callable[..., int]:
        def fail(*_: object) -> int:
            raise OSError(number, os.strerror(number))

        return fail

    monkeypatch.setattr(os, "preadv", failing(errno.EIO))
    assert read(source / "file").reason == "EIO"
    monkeypatch.setattr(os, "preadv", failing(errno.EMFILE))
    with pytest.raises(OSError, match="Too many open files"):
        read(source / "file")


def test_a_file_that_just_changed_is_read_only_once_a_later_change_would_show(
    chunks: Chunks, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "file").write_bytes(b"x")
    born = (source / "file").stat().st_ctime_ns
    waits: list[float] = []
    monkeypatch.setattr(time, "time_ns", lambda: born + 5_000_000 + round(sum(waits) * 1e9))
    monkeypatch.setattr(time, "sleep", waits.append)
    reader = FileReader(chunks.add, 7, Patterns(()))
    reader.read(ReadItem(os.fsencode(source), b"file", 1))
    reader.close()
    assert waits == [0.015]


def test_packed_references_come_back() -> None:
    refs = [ChunkRef(os.urandom(32), number + 1) for number in range(CHUNKS_INLINE_MAX + 3)]
    assert list(unpack_refs(b"".join(map(pack_ref, refs)))) == refs


def test_a_file_of_very_many_chunks_has_them_packed(
    read: Read, chunks: Chunks, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "CHUNKS_INLINE_MAX", 2)
    data = os.urandom(5 * 2**20)
    (source / "many.img").write_bytes(data)
    result = read(source / "many.img", patterns=("*.img",))
    assert result.entry is not None
    assert result.entry.chunks == ()
    assert len(result.packed_chunks) == 5 * 36
    assert chunks.content(result) == data


def test_modes_and_birth_time(read: Read, source: Path) -> None:
    before = time.time_ns() - 1_000_000_000
    (source / "file").write_bytes(b"x")
    (source / "file").chmod(0o4711)
    os.utime(source / "file", ns=(1, 2))
    entry = read(source / "file").entry
    assert entry is not None
    assert (entry.mode, entry.mtime_ns) == (stat.S_IMODE((source / "file").stat().st_mode), 2)
    assert entry.birth_ns is None or entry.birth_ns > before


def test_a_file_that_never_settles_is_told_and_read_again(
    read: Read, chunks: Chunks, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its times may hide a change: a kernel's time stamps are coarse."""
    path = source / "restless"
    path.write_bytes(b"content")
    monkeypatch.setattr(filereader, "_age_ns", lambda status: filereader.SETTLE_NS - 1)
    result = read(path)
    assert chunks.content(result) == b"content"
    assert result.changed
    assert result.entry is not None
    assert not is_unchanged(result.entry, path.stat())


def test_a_file_that_changed_within_the_step_of_a_coarse_time_stamp_is_read_again(
    read: Read, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on FAT, which keeps times in steps of two seconds; here every stamp is taken for one of whole seconds."""
    path = source / "fresh"
    path.write_bytes(b"content")
    monkeypatch.setattr(stamps, "_SECOND_NS", 1)
    result = read(path)
    assert not result.changed
    assert result.entry is not None
    assert not is_unchanged(result.entry, path.stat())
    monkeypatch.setattr(stamps, "COARSE_NS", 1)
    settled = read(path).entry
    assert settled is not None
    assert is_unchanged(settled, path.stat())
