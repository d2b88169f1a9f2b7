"""Nothing is restored into a vault or a data directory of Phoenix, whoever it belongs to, however it gets there."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from phoenix_core.agent.restore.errors import OWN_FOLDER, DestinationForbidden
from phoenix_core.vault.descriptor import VaultDescriptor
from tests.agent.independent_walk import differences, walk
from tests.agent.restore.rig import RestoreRig


def a_vault(folder: Path) -> None:
    folder.mkdir(parents=True)
    descriptor = VaultDescriptor(
        vault_id="0" * 32,
        created_at=datetime(2026, 11, 23, tzinfo=UTC),
        public_key=bytes(1216),
        record_public_key=bytes(32),
        token_public_key=bytes(32),
        wrapped_keys=(),
    )
    (folder / "vault.json").write_bytes(descriptor.encode())


def a_vault_without_descriptor(folder: Path) -> None:
    for name in ("packs/data", "packs/meta", "snapshots", "records"):
        (folder / name).mkdir(parents=True)


def a_data_directory(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("phoenix.toml", "core.lock"):
        (folder / name).touch()


KINDS = (a_vault, a_vault_without_descriptor, a_data_directory)
Make = Callable[[Path], None]


@pytest.fixture
def place(rig: RestoreRig) -> Path:
    """Where the source's `place` comes to lie below the target."""
    (rig.source / "place" / "deeper").mkdir(parents=True)
    (rig.source / "place" / "deeper" / "file").write_bytes(b"restored")
    (rig.source / "beside").write_bytes(b"restored")
    return rig.restored / "place"


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("below", ["", "packs", "not/there"])
def test_it_is_no_destination(rig: RestoreRig, place: Path, make: Make, below: str) -> None:
    make(rig.target)
    before = walk(rig.target)
    with pytest.raises(DestinationForbidden, match=str(rig.target)):
        rig.restore(rig.backup(), to=rig.target / below)
    assert differences(before, walk(rig.target)) == []


def test_a_link_does_not_lead_into_it(rig: RestoreRig, place: Path) -> None:
    a_vault(rig.target)
    (rig.folder / "link").symlink_to(rig.target)
    with pytest.raises(DestinationForbidden, match="is a vault"):
        rig.restore(rig.backup(), to=rig.folder / "link" / "below")


def test_the_scratch_space_of_a_data_directory_is_a_destination(rig: RestoreRig, place: Path) -> None:
    """Quickstart restores into it."""
    a_data_directory(rig.target)
    assert rig.restore(rig.backup(), to=rig.target / "spool" / "quickstart-x").files == 2


@pytest.mark.parametrize("make", KINDS)
def test_nothing_goes_back_to_an_original_place_in_it(rig: RestoreRig, place: Path, make: Make) -> None:
    snapshot = rig.backup()
    (rig.source / "place").rename(rig.folder / "away")
    make(rig.source / "place")
    before = walk(rig.source)
    with pytest.raises(DestinationForbidden, match="place"):
        rig.restore(snapshot, destination=b"", paths=[rig.source / "place" / "deeper"])
    assert differences(before, walk(rig.source)) == []


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("check_only", [False, True])
def test_from_above_it_is_passed_by_and_told(rig: RestoreRig, place: Path, make: Make, check_only: bool) -> None:
    make(place)
    before = walk(place)
    result = rig.restore(rig.backup(), check_only=check_only)
    assert [(each.path, each.reason) for each in result.missing] == [(str(rig.source / "place"), OWN_FOLDER)]
    assert differences(before, walk(place)) == []
    assert (rig.restored / "beside").exists() is not check_only


def test_where_the_snapshot_puts_nothing_into_it_nothing_is_missing(rig: RestoreRig) -> None:
    (rig.source / "place").mkdir(mode=0o755)
    a_vault(rig.restored / "place")
    (rig.restored / "place").chmod(0o700)
    assert rig.restore(rig.backup()).missing_count == 0
    assert (rig.restored / "place").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("name", "content"),
    [("vault.json", b"{}"), ("vault.json", b"not JSON"), ("vault.json", b'{"vault_id": 1}'), ("phoenix.toml", b"")],
)
def test_a_name_alone_makes_no_folder_phoenixs(rig: RestoreRig, place: Path, name: str, content: bytes) -> None:
    place.mkdir(parents=True)
    (place / name).write_bytes(content)
    assert rig.restore(rig.backup()).missing_count == 0
    assert (place / "deeper" / "file").read_bytes() == b"restored"
    assert os.listdir(place / "deeper") == ["file"]
