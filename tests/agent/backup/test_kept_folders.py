"""An incremental backup keeps the trees of folders in which nothing changed; it must give what a full one gives."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phoenix_core.agent.backup.levels import Levels
from phoenix_core.agent.backup.records import KeepFolder, Record
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.vault.entry import Entry
from tests.agent.backup.running import back_up
from tests.agent.vault_rig import VaultRig

CHANGES = 12
ROUNDS = 6


@pytest.fixture
def folders(source: Path) -> Path:
    """Folders three levels deep with files, links, hard links within and across folders, and an empty folder."""
    dice = random.Random(4)
    for number in range(40):
        folder = source / f"one-{number % 3}" / f"two-{number % 5}" / f"three-{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file-{number}").write_bytes(dice.randbytes(dice.randrange(200)))
        if number % 7 == 0:
            (folder / f"symlink-{number}").symlink_to("nowhere")
        if number % 6 == 0:
            os.link(folder / f"file-{number}", source / f"one-{number % 3}" / f"hard-{number}")
    (source / "one-0" / "empty").mkdir()
    return source


def _file(root: Path, dice: random.Random) -> Path:
    return dice.choice(sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink()))


def _folder(root: Path, dice: random.Random) -> Path:
    return dice.choice(sorted(path for path in root.rglob("*") if path.is_dir()))


def _replace(root: Path, dice: random.Random) -> None:
    file = _file(root, dice)
    file.unlink()
    file.mkdir()


def _remove_folder(root: Path, dice: random.Random) -> None:
    shutil.rmtree(_folder(root, dice))
    (root / "one-0" / "two-0").mkdir(parents=True, exist_ok=True)
    (root / "one-0" / "two-0" / "file").write_bytes(b"x")


DISTURBANCES: tuple[Callable[[Path, random.Random], object], ...] = (
    lambda root, dice: _file(root, dice).write_bytes(dice.randbytes(50)),
    lambda root, dice: _file(root, dice).unlink(),
    lambda root, dice: (_folder(root, dice) / f"new-{dice.randrange(10**6)}").write_bytes(b"new"),
    lambda root, dice: (_folder(root, dice) / f"aaa-{dice.randrange(10**6)}").mkdir(),
    lambda root, dice: _folder(root, dice).chmod(dice.choice((0o700, 0o750))),
    lambda root, dice: _file(root, dice).chmod(dice.choice((0o600, 0o640))),
    lambda root, dice: (file := _file(root, dice)).rename(file.with_name(f"moved-{dice.randrange(10**6)}")),
    lambda root, dice: (folder := _folder(root, dice)).rename(folder.with_name(f"gone-{dice.randrange(10**6)}")),
    lambda root, dice: os.link(_file(root, dice), _folder(root, dice) / f"link-{dice.randrange(10**6)}"),
    _replace,
    _remove_folder,
)


def _source(rig: VaultRig, backup: BackupResult, root: Path) -> Entry:
    """The source's own entry, whose tree names all that is below."""
    return rig.entries(backup.snapshot_id)[os.fsencode(root)]


@pytest.mark.parametrize("seed", range(CHANGES))
def test_an_incremental_backup_has_the_tree_of_a_full_one(rig: VaultRig, folders: Path, seed: int) -> None:
    dice = random.Random(seed)
    parent, _ = back_up(rig, folders)
    for _ in range(ROUNDS):
        for _ in range(dice.randrange(3)):
            dice.choice(DISTURBANCES)(folders, dice)
        parent, _ = back_up(rig, folders, parent=parent)
        full, _ = back_up(rig, folders)
        assert _source(rig, parent, folders) == _source(rig, full, folders)
        for name in ("files", "directories", "other_entries", "bytes", "missing_count"):
            assert getattr(parent, name) == getattr(full, name), name


def test_one_record_stands_for_a_tree_in_which_nothing_changed(
    rig: VaultRig, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Record] = []
    make = Levels.__init__

    def listen(levels: Levels, append: Callable[[Record], None], *more: Any) -> None:
        def both(record: Record) -> None:
            written.append(record)
            append(record)

        make(levels, both, *more)

    first, _ = back_up(rig, folders)
    monkeypatch.setattr(Levels, "__init__", listen)
    back_up(rig, folders, parent=first)
    (kept,) = (record for record in written if isinstance(record, KeepFolder))
    assert kept.entry.name == os.fsencode(folders.name)
    assert kept.amounts.files == first.files


def test_an_excluded_file_leaves_the_next_snapshot(rig: VaultRig, folders: Path) -> None:
    (folders / "one-1" / "left-out").write_bytes(b"x")
    first, _ = back_up(rig, folders)
    second, _ = back_up(rig, folders, parent=first, excludes=("left-out",))
    assert os.fsencode(folders / "one-1" / "left-out") not in rig.entries(second.snapshot_id)
    assert second.files == first.files - 1


def test_a_folder_whose_tree_became_unusable_is_written_anew(rig: VaultRig, folders: Path) -> None:
    first, _ = back_up(rig, folders)
    tree = rig.entries(first.snapshot_id)[os.fsencode(folders / "one-2")].tree
    second, _ = back_up(rig, folders, parent=first, unusable_chunks=[tree])
    assert _source(rig, second, folders) == _source(rig, first, folders)
    assert second.read_bytes == 0
