"""What is particular to the store in a folder: crashes, full disks, locks."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from phoenix_core.storage import staged as staged_module
from phoenix_core.storage.errors import StorageFailed, StorageFull
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.objectstore import Tier
from tests.storage.faulty import Died, FaultyStore


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_a_dead_writer_left_is_swept_and_nothing_of_it_was_visible(tmp_path: Path) -> None:
    store = FaultyStore(LocalStore(tmp_path))
    store.faults.die("sync")
    with store.stage() as staged:
        staged.write(b"half")
        with pytest.raises(Died):
            staged.commit("object")
    assert [info.name for info in store.list("")] == []
    assert len(files(tmp_path)) == 1
    assert store.sweep_leftovers() == 1
    assert files(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_to_be_full_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    store = FaultyStore(LocalStore(tmp_path))
    store.faults.fail("write", number)
    with pytest.raises(StorageFull, match="full") as raised, store.stage() as staged:
        staged.write(b"half of it")
    assert raised.value.retryable
    assert files(tmp_path) == []


def test_a_disk_that_fails_at_the_sync_leaves_nothing(tmp_path: Path) -> None:
    store = FaultyStore(LocalStore(tmp_path))
    store.faults.fail("sync", errno.EIO)
    with store.stage() as staged:
        staged.write(b"content")
        with pytest.raises(StorageFailed, match="Input/output error"):
            staged.commit("object")
    assert files(tmp_path) == []


@pytest.mark.parametrize("refused", ["_clone", "_copy_in_kernel"])
def test_a_copy_falls_back_where_the_kernel_can_not_do_it(
    tmp_path: Path, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staged_module.StagedFile, "_clone", lambda *_: False)
    monkeypatch.setattr(staged_module.StagedFile, refused, lambda *_: False)
    content = os.urandom(3_000_001)
    (tmp_path / "source").write_bytes(content)
    store = LocalStore(tmp_path / "store")
    with (tmp_path / "source").open("rb") as file, store.stage() as staged:
        staged.copy_from(file.fileno(), len(content))
        staged.commit("copy")
    assert store.get("copy") == content


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    store = LocalStore(tmp_path)
    assert store.put("object", b"first", if_absent=True)
    assert not store.put("object", b"second", if_absent=True)
    assert store.get("object") == b"first"
    assert files(tmp_path) == ["object"]


def test_objects_can_not_be_changed_in_place_by_mistake(tmp_path: Path) -> None:
    LocalStore(tmp_path).put("object", b"x")
    assert (tmp_path / "object").stat().st_mode & 0o777 == 0o400


def test_a_crash_between_archiving_and_removing_counts_as_archiving(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "warm", archive=tmp_path / "cold")
    store.put("object", b"x")
    (tmp_path / "cold").mkdir()
    (tmp_path / "cold" / "object").write_bytes(b"x")
    assert store.thaw_state("object").tier is Tier.ARCHIVING
    assert [info.name for info in store.list("")] == ["object"]
    store.archive("object")
    assert store.thaw_state("object").tier is Tier.COLD


def test_one_user_is_alone_until_it_ends(tmp_path: Path) -> None:
    holder = f"""
import sys
from pathlib import Path
from phoenix_core.storage.local import LocalStore
store = LocalStore(Path({str(tmp_path)!r}))
print(store.sole_user(), flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    store = LocalStore(tmp_path)
    assert store.sole_user() is False
    process.kill()
    process.wait()
    process.communicate()
    assert store.sole_user() is True
    assert store.sole_user() is True
    store.close()
