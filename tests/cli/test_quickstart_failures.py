"""A quickstart that fails: before it made anything where that can be known, and never with a passphrase untold."""

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from phoenix_core.cli import quickstart_run
from phoenix_core.cli.quickstart_run import SPARE_BYTES
from phoenix_core.cli.vaultinit import make_vault
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import JobView
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.space import Space
from tests.cli.commands import Commands, Done

SOURCE_BYTES = 300_000


@pytest.fixture
def source(short_path: Path) -> Path:
    folder = short_path / "source"
    folder.mkdir()
    (folder / "file").write_bytes(bytes(range(256)) * (SOURCE_BYTES // 256) + bytes(SOURCE_BYTES % 256))
    return folder


def leave(monkeypatch: pytest.MonkeyPatch, free_bytes: Callable[[Path], int], *, one_disk: bool = True) -> None:
    """Have the file systems so many bytes free; `one_disk`: they are one."""

    def space_at(path: Path) -> Space:
        device = 1 if one_disk else hash(path)
        return Space(str(path), device, free_bytes(path), 2**40, -1)

    monkeypatch.setattr(quickstart_run, "space_at", space_at)


def told_passphrase(done: Done) -> str:
    (line,) = re.findall(r"^Recovery passphrase: (\S+)$", done.err, re.MULTILINE)
    assert isinstance(line, str)
    return line


def opens(commands: Commands, passphrase: str) -> None:
    """The passphrase alone gives the vault's key back."""
    commands.data.key_file.unlink()
    commands.passphrase_file.write_text(passphrase)
    commands.run("vault", "key", "move", "file", "--recover", "--passphrase-file", commands.passphrase_file, code=0)
    commands.run("vault", "status", code=0)


def test_a_disk_without_any_space_is_refused_before_there_is_a_vault(
    commands: Commands, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(monkeypatch, lambda path: SPARE_BYTES - 1)
    error = commands.error("quickstart", source)
    assert error["code"] == "no_space"
    assert "needs at least 64.0 MiB" in error["message"]  # how much there is to back up isn't known yet
    assert "--data" in error["hint"]
    assert not commands.data.vault.exists()
    assert not commands.data.key_holder.exists()


def test_a_folder_that_is_not_there_is_refused_before_there_is_a_vault(commands: Commands) -> None:
    assert commands.error("quickstart", commands.root / "nothing", code=2)["code"] == "usage"
    assert not commands.data.root.exists()


def test_what_does_not_fit_is_refused_before_it_is_stored_and_the_passphrase_is_told(
    commands: Commands, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The space that the folder takes is known only once it was looked at, which needs the vault."""
    leave(monkeypatch, lambda path: SPARE_BYTES + 2 * SOURCE_BYTES - 1)
    done = commands.run("quickstart", source, "--json", code=1)
    error = done.json["error"]
    assert error["code"] == "no_space"
    assert str(commands.data.vault) in error["message"]
    assert "backup and a restore" in error["message"]
    assert commands.json("snapshot", "list") == []
    assert commands.json("vault", "status")["packs"] == 0
    opens(commands, told_passphrase(done))


@pytest.mark.parametrize(("short", "purpose"), [("vault", "a first backup needs"), ("spool", "the restore needs")])
def test_each_of_two_disks_is_looked_at_for_what_goes_there(
    commands: Commands, source: Path, monkeypatch: pytest.MonkeyPatch, short: str, purpose: str
) -> None:
    needed = SPARE_BYTES + SOURCE_BYTES
    leave(monkeypatch, lambda path: needed - 1 if path.name == short else needed + 100_000, one_disk=False)
    message = commands.error("quickstart", source)["message"]
    assert str(commands.data.root / short) in message
    assert purpose in message


def test_what_fits_exactly_is_done_and_the_passphrase_told_twice(
    commands: Commands, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(monkeypatch, lambda path: SPARE_BYTES + 2 * SOURCE_BYTES)
    done = commands.run("quickstart", source, "--json", code=0)
    assert done.json["recovery_passphrase"] == told_passphrase(done)
    assert done.json["bytes"] == SOURCE_BYTES
    again = commands.run("quickstart", source, "--json", code=0)
    assert "passphrase" not in again.err


def test_an_agent_that_stays_away_leaves_the_passphrase_told(
    commands: Commands, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phoenix_core.cli.ownagent.CONNECT_S", 0.0)
    monkeypatch.setattr("phoenix_core.cli.ownagent.OwnAgent._spawn", lambda self: None)
    done = commands.run("quickstart", source, "--json", code=4)
    assert done.json["error"]["code"] == "agent_stayed_away"
    opens(commands, told_passphrase(done))


async def test_an_interruption_while_the_vault_is_made_leaves_the_passphrase_told(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    begun, go_on, told = threading.Event(), threading.Event(), threading.Event()

    def make_slowly(data: DataDirectory, passphrase: str) -> object:
        begun.set()
        assert go_on.wait(20)
        return make_vault(data, passphrase, "file")

    monkeypatch.setattr(quickstart_run, "make_vault", make_slowly)
    data = DataDirectory(short_path / "data")
    making = asyncio.create_task(quickstart_run._vault(data, lambda text: None, lambda text: told.set()))
    assert await asyncio.to_thread(begun.wait, 20)
    making.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await making
    go_on.set()
    assert await asyncio.to_thread(told.wait, 20)


def test_a_core_that_runs_without_a_vault_is_in_the_way(commands: Commands, source: Path) -> None:
    """It would not know of a vault that is made now."""
    commands.data.create()
    commands.data.config.write_text('[core]\nlisten = "127.0.0.1:0"\n')
    core = commands.start_core()
    try:
        assert commands.error("quickstart", source)["code"] == "core_running"
    finally:
        core.terminate()
        core.communicate()
    assert not commands.data.vault.exists()


def test_the_time_of_the_scan_is_not_told_as_the_time_of_the_backup() -> None:
    began = datetime(2030, 1, 1, tzinfo=UTC)
    job = JobView(
        id="j1",
        kind=JobKind.FILE_BACKUP,
        state=JobState.SUCCESSFUL,
        title="Trial backup",
        started_at=began,
        finished_at=began + timedelta(seconds=3.3),
        result={"estimated_files": 5, "estimated_bytes": 2**20},
    )
    assert quickstart_run._ended("estimate", job) == (
        "Estimate: 5 files, 1.0 MiB to back up. Looking at them took 3.3 s."
    )
