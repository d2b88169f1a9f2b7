"""The seam that runs commands."""

import os
from pathlib import Path

import psutil
import pytest

from phoenix_core.agent.sourcesnapshots import commands
from phoenix_core.agent.sourcesnapshots.commands import HostCommands
from phoenix_core.agent.sourcesnapshots.errors import CommandFailed, CommandMissing, CommandTimedOut


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(commands, "FOLDERS", (str(tmp_path),))
    return tmp_path


def script(folder: Path, text: str) -> None:
    (folder / "lvs").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "lvs").chmod(0o755)


def test_a_command_sees_its_own_environment_and_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LVM_SYSTEM_DIR", "/tmp/evil")
    script(folder, "/usr/bin/env; pwd; read line; echo input=$line; echo args=$*")
    told = HostCommands().run("lvs", "-o", "a b; rm -rf /")
    assert "LVM_SYSTEM_DIR" not in told
    assert "LC_ALL=C\n" in told
    assert "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n" in told
    assert told.endswith("/\ninput=\nargs=-o a b; rm -rf /\n")


def test_one_that_fails_is_told_with_its_last_words(folder: Path) -> None:
    script(folder, 'echo "  Volume group \\"vg9\\" not found" >&2; exit 5')
    with pytest.raises(CommandFailed, match='`lvs vg9` failed: Volume group "vg9" not found'):
        HostCommands().run("lvs", "vg9")


def test_one_that_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(CommandMissing, match="lvs is not installed"):
        HostCommands().run("lvs")


def test_one_that_hangs_is_asked_to_end_and_never_killed(folder: Path) -> None:
    """LVM that is killed leaves volumes suspended."""
    script(folder, "trap '' TERM; echo $$ > pid; while :; do /usr/bin/sleep 0.05; done")
    (folder / "lvs").write_text((folder / "lvs").read_text().replace("> pid", f"> {folder}/pid"))
    with pytest.raises(CommandTimedOut, match="did not end within 1 s"):
        HostCommands(1, grace_s=0.2).run("lvs")
    process = psutil.Process(int((folder / "pid").read_text()))
    try:
        assert process.is_running()
    finally:
        os.killpg(process.pid, 9)
    script(folder, "exec /usr/bin/sleep 60")
    with pytest.raises(CommandTimedOut) as caught:
        HostCommands(0.1, grace_s=20).run("lvs")
    assert not psutil.pid_exists(int(caught.value.fields["pid"]))
