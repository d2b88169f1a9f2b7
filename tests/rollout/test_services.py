"""Services are installed and removed on real files, in a folder that stands for a system's root."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from phoenix_core.host.datadir import CoreLock, DataDirectory
from tests.cli.commands import PHOENIX, Commands

CORE_UNIT = "etc/systemd/system/phoenix-core.service"
AGENT_UNIT = "etc/systemd/system/phoenix-agent.service"
WANTS = "etc/systemd/system/multi-user.target.wants"
PROGRAM = "/opt/phoenix/bin/phoenix"
NEEDED_BY_RESTORES = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_MKNOD", "CAP_SETFCAP"}


class Image:
    """A system in a folder, with a program in it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        program = self.root / PROGRAM.lstrip("/")
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        self.commands = Commands(folder)
        del self.commands.environment["PHOENIX_DATA"]

    def run(self, *words: str, code: int = 0):  # type: ignore[no-untyped-def]
        return self.commands.run(*words, "--root", self.root, code=code)

    def install(self, role: str, *words: str, code: int = 0):  # type: ignore[no-untyped-def]
        return self.run(role, "install", "--program", PROGRAM, *words, code=code)

    def read(self, name: str) -> dict[str, str]:
        lines = (self.root / name).read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))

    def files(self) -> dict[str, tuple[str, int]]:
        return {
            str(path.relative_to(self.root)): (
                os.readlink(path) if path.is_symlink() else path.read_text("utf-8"),
                path.lstat().st_mtime_ns,
            )
            for path in sorted(self.root.rglob("*"))
            if path.is_symlink() or path.is_file()
        }


@pytest.fixture
def image(short_path: Path) -> Image:
    return Image(short_path)


def test_a_core_is_installed_as_a_user_without_powers_and_starts_with_the_system(image: Image) -> None:
    said = image.install("core").out
    unit = image.read(CORE_UNIT)
    assert unit["ExecStart"] == f"{PROGRAM} core run --quiet"
    assert (unit["User"], unit["CapabilityBoundingSet"], unit["ProtectSystem"]) == ("phoenix", "", "strict")
    assert (unit["Environment"], unit["StateDirectory"]) == ("PHOENIX_DATA=/var/lib/phoenix", "phoenix")
    assert os.readlink(image.root / WANTS / "phoenix-core.service") == f"/{CORE_UNIT}"
    assert "u phoenix " in (image.root / "etc/sysusers.d/phoenix.conf").read_text()
    if shutil.which("systemd-sysusers"):
        assert "\nphoenix:" in "\n" + (image.root / "etc/passwd").read_text()
    for step in ("vault init --holder file", "systemd doesn't run here", "core bundle"):
        assert step in said


def test_an_agent_is_installed_as_root_with_what_restores_need(image: Image) -> None:
    image.install("agent")
    unit = image.read(AGENT_UNIT)
    assert unit["ExecStart"] == f"{PROGRAM} agent run"
    assert unit["Environment"] == "PHOENIX_DATA=/var/lib/phoenix-agent"
    assert "User" not in unit
    assert set(unit["CapabilityBoundingSet"].split()) >= NEEDED_BY_RESTORES
    assert os.readlink(image.root / "usr/local/bin/phoenix") == PROGRAM


@pytest.mark.parametrize("role", ["core", "agent"])
def test_again_it_changes_nothing(image: Image, role: str) -> None:
    image.install(role)
    before = image.files()
    assert "nothing was changed" in image.install(role).out
    assert image.files() == before


@pytest.mark.parametrize("role", ["core", "agent"])
def test_a_dry_run_shows_every_line_and_writes_none(image: Image, role: str) -> None:
    before = image.files()
    said = image.install(role, "--dry-run").out
    assert image.files() == before
    assert f"/etc/systemd/system/phoenix-{role}.service (new)" in said
    assert f"    ExecStart={PROGRAM} {role} run" in said
    assert "Nothing was written." in said


def test_a_unit_that_somebody_changed_is_kept_beside_the_new_one(image: Image) -> None:
    image.install("core")
    unit = image.root / CORE_UNIT
    unit.write_text(unit.read_text() + "# by hand\n")
    assert "(changed)" in image.install("core", "--dry-run").out
    image.install("core")
    assert "# by hand" not in unit.read_text()
    assert "# by hand" in unit.with_name("phoenix-core.service.before").read_text()


def test_a_vault_elsewhere_may_be_written_and_one_in_a_home_is_refused(image: Image) -> None:
    config = image.root / "var/lib/phoenix/phoenix.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[storage]\npath = "/srv/vault"\n')
    image.install("core")
    assert image.read(CORE_UNIT)["ReadWritePaths"] == "/srv/vault"
    config.write_text('[storage]\npath = "/home/somebody/vault"\n')
    assert "services don't see" in image.install("core", code=2).err
    config.write_text('[storage]\npath = "/home2/vault"\n')
    image.install("core")
    assert image.read(CORE_UNIT)["ReadWritePaths"] == "/home2/vault"


def test_another_data_directory_is_in_the_unit(image: Image) -> None:
    image.install("core", "--data", "/srv/phoenix")
    unit = image.read(CORE_UNIT)
    assert (unit["Environment"], unit["ReadWritePaths"]) == ("PHOENIX_DATA=/srv/phoenix", "/srv/phoenix")
    assert "StateDirectory" not in unit
    assert "can't hold" in image.install("core", "--data", "/srv/a b", code=2).err
    assert "services don't see" in image.install("core", "--data", "/home/somebody/data", code=2).err
    assert image.read(CORE_UNIT) == unit


def test_upgrades_by_the_core_are_off_until_somebody_allows_them_and_stay_as_they_are(image: Image) -> None:
    image.install("agent")
    assert "allow-upgrade" not in image.read(AGENT_UNIT)["ExecStart"]
    image.install("agent", "--allow-upgrade")
    image.install("agent")
    assert image.read(AGENT_UNIT)["ExecStart"] == f"{PROGRAM} agent run --allow-upgrade"
    image.install("agent", "--no-allow-upgrade")
    assert image.read(AGENT_UNIT)["ExecStart"] == f"{PROGRAM} agent run"


def test_what_was_installed_is_removed_and_the_data_stays_unless_the_hosts_name_is_given(image: Image) -> None:
    image.install("core")
    data = image.root / "var/lib/phoenix"
    data.mkdir(parents=True)
    (data / "catalog.sqlite").write_text("x")
    refused = image.run("core", "uninstall", "--remove-data", "another-host", code=2)
    assert "Nothing was removed" in refused.err
    assert (image.root / CORE_UNIT).exists()
    said = image.run("core", "uninstall").out
    assert not (image.root / CORE_UNIT).exists()
    assert not (image.root / WANTS / "phoenix-core.service").is_symlink()
    assert (data / "catalog.sqlite").exists()
    assert f"--remove-data {socket.gethostname()}" in said
    image.run("core", "uninstall", "--remove-data", socket.gethostname())
    assert not data.exists()
    assert "nothing to remove" in image.run("core", "uninstall").out


def test_data_that_a_core_works_on_is_not_deleted(image: Image) -> None:
    data = DataDirectory(image.root / "var/lib/phoenix")
    data.create()
    held = CoreLock(data)
    held.acquire()
    try:
        refused = image.run("core", "uninstall", "--remove-data", socket.gethostname(), code=1)
        assert "needs it stopped" in refused.err
        assert data.logs.exists()
    finally:
        held.release()


def test_an_agents_removal_says_what_is_left_at_the_core(image: Image) -> None:
    image.install("agent")
    said = image.run("agent", "uninstall").out
    assert not (image.root / AGENT_UNIT).exists()
    assert "phoenix server remove" in said


def test_a_program_that_is_not_there_is_not_installed(image: Image) -> None:
    refused = image.run("agent", "install", "--program", "/opt/elsewhere/phoenix", code=2)
    assert "isn't there" in refused.err
    assert not (image.root / AGENT_UNIT).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_without_root_it_says_what_to_type() -> None:
    other = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    environment = {**os.environ, "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    if subprocess.run([*other, sys.executable, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip("another user can't start this Python")
    done = subprocess.run(
        [*other, *PHOENIX, "agent", "uninstall"], capture_output=True, text=True, env=environment, check=False, cwd="/"
    )
    assert done.returncode == 2
    assert "needs root" in done.stderr
    assert "Type: sudo " in done.stderr
    assert "agent uninstall" in done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_finds_no_fault_in_what_was_written(image: Image, tmp_path: Path) -> None:
    image.install("core", "--data", "/srv/phoenix")
    image.install("agent", "--allow-upgrade")
    units = []
    for name in (CORE_UNIT, AGENT_UNIT):
        unit = tmp_path / Path(name).name
        unit.write_text((image.root / name).read_text("utf-8").replace(PROGRAM, "/bin/true"))
        units.append(str(unit))
    found = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
