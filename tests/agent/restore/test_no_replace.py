"""What appears under a name while a restore is under way is not replaced, unless the rule says so."""

import os
from pathlib import Path

import pytest

from phoenix_core.agent.restore import noreplace
from phoenix_core.agent.restore.noreplace import rename_to_free_name


@pytest.fixture(params=["with the flag", "without the flag"])
def folder(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "without the flag":
        monkeypatch.setattr(noreplace, "_renameat2", None)
    return tmp_path


def test_a_free_name_is_taken(folder: Path) -> None:
    (folder / "temp").write_text("restored")
    fd = os.open(folder, os.O_RDONLY)
    rename_to_free_name(fd, b"temp", b"name")
    os.close(fd)
    assert (folder / "name").read_text() == "restored"
    assert not (folder / "temp").exists()


def test_a_name_that_was_taken_meanwhile_stays(folder: Path) -> None:
    (folder / "temp").write_text("restored")
    (folder / "name").write_text("made meanwhile")
    fd = os.open(folder, os.O_RDONLY)
    with pytest.raises(FileExistsError):
        rename_to_free_name(fd, b"temp", b"name")
    os.close(fd)
    assert (folder / "name").read_text() == "made meanwhile"
    assert (folder / "temp").read_text() == "restored"
