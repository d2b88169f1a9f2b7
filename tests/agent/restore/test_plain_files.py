"""Files that are made with their mode at once: what they are in the end doesn't depend on where they are made."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_core.agent.restore.folders import FolderCache, open_root
from phoenix_core.agent.restore.records import WRITTEN, Item
from phoenix_core.agent.restore.slots import TempNames
from phoenix_core.agent.restore.write import EntryWriter
from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.entry import Entry, EntryType
from tests.agent.restore.other_user import open_folder
from tests.vault.memory_vault import MemoryVault

TIME_NS = 10**18


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as made:
        yield made


@pytest.fixture
def without_mask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def put(folder: Path, *, fresh: bool = True, **fields: object) -> os.stat_result:
    """Restore an empty file in a process without umask; its lstat then."""
    values = {"mode": 0o640, "uid": os.geteuid(), "gid": os.getegid(), "mtime_ns": TIME_NS} | fields
    entry = Entry(b"file", EntryType.FILE, **values)  # type: ignore[arg-type]
    root = open_root(os.fsencode(folder))
    folders = FolderCache(root)
    writer = EntryWriter(
        folders,
        ConflictRule.OVERWRITE,
        "",
        TempNames("j", 0),
        MemoryVault().reader(),
        bytes(32),
        lambda count: None,
        without_mask=True,
    )
    try:
        outcome = writer.put(Item(b"", entry, fresh=fresh))
    finally:
        folders.close()
        os.close(root)
    assert (outcome.state, outcome.problems) == (WRITTEN, ())
    found = (folder / "file").lstat()
    assert (outcome.inode, found.st_mtime_ns) == (found.st_ino, TIME_NS)
    return found


@pytest.mark.usefixtures("without_mask")
@pytest.mark.parametrize("mode", [0o000, 0o400, 0o640, 0o666, 0o777, 0o4755, 0o2755, 0o1644])
def test_every_mode_comes_back(folder: Path, mode: int) -> None:
    assert stat.S_IMODE(put(folder, mode=mode).st_mode) == mode


@pytest.mark.usefixtures("without_mask")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_folder_that_gives_its_group_to_new_files_changes_nothing(folder: Path) -> None:
    os.chown(folder, 0, 4711)
    folder.chmod(0o2770)
    made = put(folder)
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (0, os.getegid(), 0o640)


@pytest.mark.usefixtures("without_mask")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_of_somebody_else_is_his_and_never_open_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    make = os.open

    def listen(path: bytes, flags: int, mode: int = 0o777, **more: int) -> int:
        if flags & os.O_CREAT:
            modes.append(mode)
        return make(path, flags, mode, **more)

    monkeypatch.setattr("phoenix_core.agent.restore.write.os.open", listen)
    made = put(folder, uid=4711, gid=4712, mode=0o666)
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (4711, 4712, 0o666)
    put_before = list(modes)
    (folder / "file").unlink()
    put(folder, fresh=False, mode=0o666)
    assert put_before + modes[-1:] == [0o600, 0o600]
