"""Network file systems are told from local ones."""

import subprocess
from pathlib import Path

import pytest

from phoenix_core.host import filesystem
from phoenix_core.host.filesystem import network_kind


def test_a_local_folder_is_local(tmp_path: Path) -> None:
    assert network_kind(tmp_path) == ""
    assert network_kind(Path("/proc")) == ""


def test_the_magic_is_what_stat_tells(tmp_path: Path) -> None:
    told = subprocess.run(["stat", "-f", "-c", "%t", tmp_path], capture_output=True, text=True, check=True)
    assert filesystem._magic(tmp_path) == int(told.stdout, 16)


@pytest.mark.parametrize(("magic", "kind"), [(0x6969, "nfs"), (0xFE534D42, "smb2"), (0x01021997, "9p"), (0xEF53, "")])
def test_kinds_by_magic(magic: int, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "_magic", lambda _: magic)
    assert network_kind(tmp_path) == kind


@pytest.mark.parametrize(("mounted", "kind"), [("fuse.sshfs", "fuse.sshfs"), ("fuseblk", ""), ("virtiofs", "virtiofs")])
def test_fuse_is_told_apart_by_its_mount(
    mounted: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "_magic", lambda _: 0x65735546)
    monkeypatch.setattr(filesystem, "_mount_kind", lambda _: mounted)
    assert network_kind(tmp_path) == kind


def test_a_mounts_kind_is_found_by_its_device() -> None:
    assert filesystem._mount_kind(Path("/proc")) == "proc"


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        network_kind(tmp_path / "none")
