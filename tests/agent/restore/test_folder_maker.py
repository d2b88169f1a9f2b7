"""Folders that can't be made ready don't lead the restore astray, and all that it wrote to is synced."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_core.agent.restore import foldermaker
from phoenix_core.agent.restore.foldermaker import FolderMaker
from phoenix_core.agent.restore.folders import open_root
from phoenix_core.agent.restore.journal import Journal
from phoenix_core.agent.restore.records import Enter
from phoenix_core.agent.restore.tally import Displaced
from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.entry import Entry, EntryType
from tests.agent.restore.rig import RestoreRig

OTHER_FILE_SYSTEM = Path("/dev/shm")


def folder(name: bytes) -> Enter:
    return Enter(name, Entry(name, EntryType.DIRECTORY, 0o700, 0, 0, mtime_ns=1))


@pytest.fixture
def lost() -> list[tuple[bytes, str]]:
    return []


@pytest.fixture
def maker(tmp_path: Path, lost: list[tuple[bytes, str]]) -> Iterator[FolderMaker]:
    """Into `a`, which is there, with a file `b` in it."""
    (tmp_path / "target" / "a").mkdir(parents=True)
    (tmp_path / "target" / "a" / "b").write_bytes(b"mine")
    (tmp_path / "target" / "a").chmod(0o500)
    root = open_root(os.fsencode(tmp_path / "target"))
    journal = Journal(tmp_path, "target", "j1", 1)
    made = FolderMaker(
        root,
        ConflictRule.OVERWRITE,
        journal,
        Displaced(),
        original=False,
        lose=lambda path, why: lost.append((path, why)),
    )
    yield made
    made.close()
    journal.drop()
    os.close(root)


def test_the_next_folder_is_made_beside_one_that_failed(
    maker: FolderMaker, lost: list[tuple[bytes, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(FolderMaker, "_make_usable", refused)
    for name in (b"a", b"b"):
        maker.enter(folder(name))
        maker.leave()
        monkeypatch.undo()
    assert lost == [(b"/a", "EIO")]
    assert (tmp_path / "target" / "a" / "b").read_bytes() == b"mine"
    assert (tmp_path / "target" / "b").is_dir()


def test_a_mode_that_cannot_be_set_blocks_no_folder(
    maker: FolderMaker, lost: list[tuple[bytes, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "chmod", refused)
    maker.enter(folder(b"a"))
    maker.enter(folder(b"c"))
    maker.leave()
    maker.leave()
    assert lost == []
    assert (tmp_path / "target" / "a" / "c").is_dir()


def test_every_file_system_that_was_written_to_is_synced(
    rig: RestoreRig, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """To the original places, two of them."""
    elsewhere = OTHER_FILE_SYSTEM / f"phoenix-{os.getpid()}"
    elsewhere.mkdir()
    request.addfinalizer(lambda: shutil.rmtree(elsewhere))
    for place in (rig.source, elsewhere):
        (place / "file").write_bytes(b"x")
    assert rig.source.stat().st_dev != elsewhere.stat().st_dev
    snapshot = rig.backup(rig.source, elsewhere)
    synced: set[int] = set()
    monkeypatch.setattr(foldermaker, "sync_file_system", lambda fd: synced.add(os.fstat(fd).st_dev))
    rig.restore(snapshot, destination=b"", conflict=ConflictRule.OVERWRITE)
    assert synced >= {rig.source.stat().st_dev, elsewhere.stat().st_dev}
