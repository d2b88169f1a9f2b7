"""The systemd units start what there is, and hide nothing from an agent that it is to back up."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from phoenix_core.cli.main import app
from phoenix_core.host.keyholder import CREDENTIAL_NAME

FOLDER = Path(__file__).parent.parent.parent / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
PROGRAM = "/opt/phoenix/bin/phoenix"
HIDING = {
    "DevicePolicy",
    "InaccessiblePaths",
    "PrivateDevices",
    "PrivateMounts",
    "PrivateTmp",
    "PrivateUsers",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectSystem",
    "RestrictSUIDSGID",
    "RootDirectory",
}
"""They take parts of the host away from a service, or the means to bring them back: ProtectKernelModules hides
/usr/lib/modules, ProtectClock forbids making device nodes, RestrictSUIDSGID set-id files."""
NEEDED_BY_RESTORES = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_MKNOD", "CAP_SETFCAP"}
NEEDED_BY_SCRIPTS = {"CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_AUDIT_WRITE"}
"""To go on as another user, which runuser logs, and to stop what does."""

RUN_BOTH = """
import subprocess, sys
from pathlib import Path
from phoenix_core.agent.scripts import ScriptFailed, Scripts, end_session
scripts = Scripts(Path(sys.argv[1]), grace_s=0.3)
_, process = scripts.begin("who", {}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
print(process.communicate()[0].decode().strip())
try:
    scripts.run("hang", {}, 1.5, lambda: None)
except ScriptFailed as error:
    print(error.fields["detail"])
session = Path(sys.argv[1], "..", "hang.pid").read_text().strip()
states = [path.read_text().rpartition(")")[2].split() for path in Path("/proc").glob("[0-9]*/stat")]
print("something is left" if any(state[3] == session and state[0] != "Z" for state in states) else "nothing is left")
"""


def directives(unit: Path) -> Iterator[tuple[str, str]]:
    for line in unit.read_text("utf-8").splitlines():
        if line and not line.startswith(("#", "[")):
            name, separator, value = line.partition("=")
            assert separator, line
            yield name, value


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_a_command_that_there_is(unit: Path) -> None:
    program, *words = dict(directives(unit))["ExecStart"].split()
    assert program == PROGRAM
    command = get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
    options = {option for parameter in command.params for option in parameter.opts}
    assert not hasattr(command, "commands")
    assert set(words) <= options


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_keeps_its_data_where_it_says_privately(unit: Path) -> None:
    found = dict(directives(unit))
    assert found["Environment"] == f"PHOENIX_DATA=/var/lib/{found['StateDirectory']}"
    assert found["StateDirectoryMode"] == "0700"
    assert found["UMask"] == "0077"


def test_each_role_has_a_data_directory_of_its_own() -> None:
    assert len({dict(directives(unit))["StateDirectory"] for unit in UNITS}) == len(UNITS) == 3


def test_an_agent_sees_the_whole_host_and_may_bring_everything_back() -> None:
    found = dict(directives(FOLDER / "phoenix-agent.service"))
    assert not HIDING & set(found)
    assert "User" not in found
    assert set(found["CapabilityBoundingSet"].split()) >= NEEDED_BY_RESTORES | NEEDED_BY_SCRIPTS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be given an agent's rights")
@pytest.mark.skipif(
    not (shutil.which("setpriv") and shutil.which("runuser")), reason="util-linux is not installed here"
)
def test_with_a_unit_s_rights_a_script_may_go_on_as_another_user_and_is_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "scripts"
    folder.mkdir(mode=0o755)
    for name, text in {"who": "id -un", "hang": "sleep 600"}.items():
        (folder / name).write_text(f"#!/bin/sh\necho $$ > {tmp_path}/{name}.pid\nexec runuser -u nobody -- {text}\n")
        (folder / name).chmod(0o755)
    found = dict(directives(FOLDER / "phoenix-agent.service"))
    rights = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in found["CapabilityBoundingSet"].split())
    assert found["NoNewPrivileges"] == "yes"
    ran = subprocess.run(
        ["setpriv", f"--bounding-set=-all,{rights}", "--no-new-privs", sys.executable, "-c", RUN_BOTH, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.splitlines() == ["nobody", "took too long and was stopped", "nothing is left"], ran.stderr


@pytest.mark.parametrize("name", ["phoenix-core", "phoenix-storage"])
def test_what_serves_the_network_has_no_privileges(name: str) -> None:
    found = dict(directives(FOLDER / f"{name}.service"))
    assert found["User"] == "phoenix"
    assert found["CapabilityBoundingSet"] == ""
    assert found["NoNewPrivileges"] == "yes"
    assert found["ProtectSystem"] == "strict"


def test_the_credential_has_the_name_that_the_core_looks_for() -> None:
    assert f"LoadCredentialEncrypted={CREDENTIAL_NAME}\n" in (FOLDER / "phoenix-core.service").read_text("utf-8")


def test_the_user_is_made() -> None:
    assert "u phoenix " in (FOLDER / "phoenix.sysusers.conf").read_text("utf-8")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text("utf-8").replace(PROGRAM, "/bin/true"))
    found = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / unit.name) for unit in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")


def test_an_agent_is_started_again_for_ever() -> None:
    """A limit would also count the starts of versions that failed, and then keep the one before from starting."""
    found = dict(directives(FOLDER / "phoenix-agent.service"))
    assert (found["StartLimitIntervalSec"], found["Restart"]) == ("0", "on-failure")
    assert float(found["RestartSec"]) >= 10
