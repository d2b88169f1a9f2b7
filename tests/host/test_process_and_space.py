"""Facts about this host, its room and its limits; files that are replaced whole."""

import ipaddress
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from phoenix_core.host.atomicfile import write_atomic
from phoenix_core.host.errors import SpaceUnknown
from phoenix_core.host.process import host_facts, machine_id, own_addresses, raise_open_files_limit
from phoenix_core.host.space import space_at
from tests.host.unprivileged import unprivileged


def test_a_host_says_what_it_is() -> None:
    facts = host_facts()
    assert facts == host_facts()
    assert facts.hostname
    assert facts.platform.split(" ")[0] == os.uname().sysname
    assert len(facts.platform) <= 100
    assert len(bytes.fromhex(facts.machine_id)) == 16


def test_the_machine_id_is_derived_stable_and_not_the_hosts_own(tmp_path: Path) -> None:
    own = "0123456789abcdef0123456789abcdef"
    (tmp_path / "machine-id").write_text(own + "\n")
    first = machine_id((tmp_path / "machine-id",))
    assert first == machine_id((tmp_path / "absent", tmp_path / "machine-id"))
    assert first != own
    (tmp_path / "other").write_text(own.replace("0", "1"))
    assert machine_id((tmp_path / "other",)) != first


@pytest.mark.parametrize("content", [b"", b"uninitialized\n", b"\xff" * 32])
def test_a_host_without_a_machine_id_still_has_a_stable_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "machine-id").write_bytes(content)
    assert machine_id((tmp_path / "machine-id",)) == machine_id(()) != ""


def test_addresses_are_such_as_others_can_dial() -> None:
    for address in own_addresses():
        assert not ipaddress.ip_address(address).is_loopback
        assert not ipaddress.ip_address(address).is_link_local


def test_the_limit_of_open_files_is_raised_as_far_as_it_goes() -> None:
    program = (
        "import resource\n"
        "from phoenix_core.host.process import raise_open_files_limit\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))\n"
        "print(raise_open_files_limit(128), resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
        "print(raise_open_files_limit(96))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["128", "128", "128"]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert raise_open_files_limit(min(soft, 1)) == soft
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)


def test_space_of_a_folder_that_is_only_going_to_exist(tmp_path: Path) -> None:
    here, later = space_at(tmp_path), space_at(tmp_path / "a" / "b" / "c")
    assert later.path == str(tmp_path)
    assert (later.device, later.total_bytes) == (here.device, here.total_bytes)
    assert 0 < here.free_bytes <= here.total_bytes
    assert here.free_files == -1 or here.free_files > 0


def test_space_below_a_file_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert space_at(tmp_path / "file" / "below").path == str(tmp_path / "file")


def test_space_of_a_folder_that_may_not_be_looked_into_is_told(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0)
    with unprivileged(), pytest.raises(SpaceUnknown, match="Permission denied"):
        space_at(tmp_path / "locked" / "below")


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
