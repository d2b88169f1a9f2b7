"""What comes out of a tar or zip stream is what the snapshot holds, unpacked by the programs that people have."""

import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_core.domain.ids import ChunkId
from phoenix_core.engine.reading.errors import FileUnreadable
from phoenix_core.engine.reading.snapshotfiles import SnapshotFiles
from phoenix_core.engine.reading.tarstream import tar_stream
from phoenix_core.engine.reading.zipstream import zip_stream
from phoenix_core.vault.entry import Entry, EntryType, Extent
from phoenix_core.vault.errors import PathNotInSnapshot
from tests.engine.reading.memory_snapshot import Content, snapshot

MTIME_NS = 1_700_000_000_123_456_789
ODD = b"caf\xe9 \xff\n.txt"
SPARSE_BYTES = 3 * 2**20


def file(name: bytes, plain: bytes, **more: object) -> tuple[Entry, bytes]:
    facts: dict[str, object] = {"size": len(plain), "mtime_ns": MTIME_NS, "inode": 7, **more}
    return Entry(name, EntryType.FILE, 0o640, os.geteuid(), os.getegid(), **facts), plain  # type: ignore[arg-type]


LONG = b"n" * 200
DATA = os.urandom(5000)
HOLES = os.urandom(4096)
WWW: dict[bytes, Content] = {
    b"index.html": file(b"index.html", DATA, xattrs=((b"user.note", b"caf\xe9\x00x"),)),
    b"empty": file(b"empty", b""),
    ODD: file(ODD, b"odd"),
    LONG: {LONG: file(LONG, b"deep")},
    b"link": Entry(b"link", EntryType.SYMLINK, 0o777, 0, 0, target=b"../\xffelsewhere", size=13),
    b"one": file(b"one", b"linked", links=2, inode=99),
    b"two": file(b"two", b"linked", links=2, inode=99),
    b"holes": file(b"holes", HOLES, size=SPARSE_BYTES, extents=(Extent(2**20, 4096),)),
    b"pipe": Entry(b"pipe", EntryType.FIFO, 0o600, 0, 0),
    b"socket": Entry(b"socket", EntryType.SOCKET, 0o600, 0, 0),
}
TREE: dict[bytes, Content] = {b"srv": {b"www": WWW, b"beside": file(b"beside", b"not asked for")}}


@pytest.fixture(scope="module")
def files() -> SnapshotFiles:
    return snapshot(TREE)[1]


def test_gnu_tar_unpacks_every_kind_of_entry(files: SnapshotFiles, tmp_path: Path) -> None:
    archive = tmp_path / "www.tar"
    archive.write_bytes(b"".join(tar_stream(files, b"/srv/www")))
    assert archive.stat().st_size < SPARSE_BYTES // 2
    done = subprocess.run(
        ["tar", "--extract", "--file", archive, "--directory", tmp_path], capture_output=True, check=False
    )
    said = {line for line in done.stderr.splitlines() if b"'hdrcharset'" not in line}  # it takes names as they are
    assert (done.returncode, said) == (0, set())
    top = os.fsencode(tmp_path / "www")
    assert set(os.listdir(top)) == set(WWW) - {b"socket"}
    status = os.lstat(top + b"/index.html")
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o640, MTIME_NS)
    assert read(top + b"/index.html") == DATA
    assert read(top + b"/" + ODD) == b"odd"
    assert read(top + b"/" + LONG + b"/" + LONG) == b"deep"
    assert os.readlink(top + b"/link") == b"../\xffelsewhere"
    assert os.path.samefile(top + b"/one", top + b"/two")
    assert stat.S_ISFIFO(os.lstat(top + b"/pipe").st_mode)
    assert read(top + b"/holes") == bytes(2**20) + HOLES + bytes(2 * 2**20 - 4096)


def test_python_reads_the_same_and_the_attributes(files: SnapshotFiles) -> None:
    with tarfile.open(fileobj=io.BytesIO(b"".join(tar_stream(files, b"/srv/www")))) as archive:
        index = archive.getmember("www/index.html")
        value = index.pax_headers["SCHILY.xattr.user.note"]
        assert value.encode("utf-8", "surrogateescape") == b"caf\xe9\x00x"
        holes = archive.extractfile("www/holes")
        assert holes is not None
        assert holes.read() == bytes(2**20) + HOLES + bytes(2 * 2**20 - 4096)
        names = {member.name.encode("utf-8", "surrogateescape") for member in archive}
        assert b"www/" + ODD in names


def test_a_tar_of_everything_and_of_one_file_begin_at_their_names(files: SnapshotFiles) -> None:
    def names(path: bytes) -> list[str]:
        with tarfile.open(fileobj=io.BytesIO(b"".join(tar_stream(files, path)))) as archive:
            return archive.getnames()

    assert names(b"/")[:2] == ["srv", "srv/beside"]
    assert names(b"/srv/beside") == ["beside"]


def test_a_zip_opens_and_its_names_are_safe_everywhere(files: SnapshotFiles, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(b"".join(zip_stream(files, b"/srv/www")))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert "www/caf%E9 %FF%0A.txt" in names
        assert archive.read("www/index.html") == DATA
        assert archive.read("www/two") == b"linked"
        assert archive.read("www/holes") == bytes(2**20) + HOLES + bytes(2 * 2**20 - 4096)
        link = archive.getinfo("www/link")
        assert stat.S_ISLNK(link.external_attr >> 16)
        assert archive.read(link) == b"../\xffelsewhere"
        assert not {"www/pipe", "www/socket"} & set(names)


def test_unzip_takes_it(files: SnapshotFiles, tmp_path: Path) -> None:
    if shutil.which("unzip") is None:
        pytest.skip("unzip isn't installed")
    archive = tmp_path / "www.zip"
    archive.write_bytes(b"".join(zip_stream(files, b"/srv/www")))
    done = subprocess.run(["unzip", "-q", archive, "-d", tmp_path], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "www/index.html").read_bytes() == DATA
    assert os.readlink(os.fsencode(tmp_path / "www/link")) == b"../\xffelsewhere"


def test_no_name_leads_out_of_where_it_is_unpacked() -> None:
    """A name with a backslash or a colon is a plain one on Linux and a way out on Windows."""
    bad = (b"..\\..\\evil", b"C:evil", b"a%5Cb", b"a\\b")
    _, files = snapshot({b"d": {name: file(name, name) for name in bad}})
    with zipfile.ZipFile(io.BytesIO(b"".join(zip_stream(files, b"/d")))) as archive:
        names = archive.namelist()
    assert sorted(names) == ["d/", "d/..%5C..%5Cevil", "d/C%3Aevil", "d/a%255Cb", "d/a%5Cb"]
    with tarfile.open(fileobj=io.BytesIO(b"".join(tar_stream(files, b"/d")))) as tar:
        assert all(member.name.startswith("d") and ".." not in member.name.split("/") for member in tar)


def test_a_damaged_chunk_leaves_no_whole_archive() -> None:
    plain = os.urandom(3000)
    vault, files = snapshot({b"d": {b"a": file(b"a", b"good" * 9), b"b": file(b"b", plain), b"c": file(b"c", b"good")}})
    del vault.places[ChunkId(files.entry(b"/d/b").chunks[1].id)]
    for stream in (tar_stream, zip_stream):
        sent: list[bytes] = []
        with pytest.raises(FileUnreadable, match="/d/b of snapshot 000000000000 of web1"):
            sent.extend(bytes(block) for block in stream(files, b"/d"))
        broken = io.BytesIO(b"".join(sent))
        if stream is zip_stream:
            assert not zipfile.is_zipfile(broken)
        else:
            with pytest.raises(tarfile.ReadError), tarfile.open(fileobj=broken) as archive:
                archive.extractfile("d/b").read()  # type: ignore[union-attr]


def test_what_is_not_there_has_no_archive(files: SnapshotFiles) -> None:
    with pytest.raises(PathNotInSnapshot):
        next(tar_stream(files, b"/srv/nowhere"))


def test_memory_does_not_grow_with_the_number_of_files() -> None:
    """Many files in a process of its own, whose peak is little more than that of few."""
    few, many = peak_kib(200), peak_kib(20_000)
    assert many - few < 12_000, (few, many)


def peak_kib(count: int) -> int:
    code = f"from tests.engine.reading.test_archives import peak; peak({count})"
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)


def peak(count: int) -> None:
    import resource

    names = [b"%07d" % number for number in range(count)]
    _, files = snapshot({b"d": {name: file(name, b"") for name in names}})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for stream in (tar_stream, zip_stream):
        drain(stream(files, b"/d"))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def drain(blocks: Iterator[bytes | memoryview]) -> None:
    for _ in blocks:
        pass


def read(path: bytes) -> bytes:
    with open(path, "rb") as opened:
        return opened.read()
