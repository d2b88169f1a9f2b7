"""Which program a service may start."""

import os
from pathlib import Path

import pytest

from phoenix_core.rollout.errors import ProgramUnfit
from phoenix_core.rollout.program import check_fit, is_hidden_from_services, running_program


@pytest.fixture
def program(short_path: Path) -> Path:
    path = short_path / "opt" / "bin" / "phoenix"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_one_that_is_its_owners_alone_will_do(program: Path) -> None:
    check_fit(program, hidden_homes=False)


@pytest.mark.parametrize("place", [".", "..", "../.."])
def test_a_program_that_others_could_change_is_refused(program: Path, place: str) -> None:
    (program if place == "." else (program / place).resolve()).chmod(0o777)
    with pytest.raises(ProgramUnfit, match="others than root may write"):
        check_fit(program, hidden_homes=False)


def test_nor_one_that_a_link_leads_to(program: Path, short_path: Path) -> None:
    link = short_path / "link"
    link.symlink_to(program)
    program.chmod(0o777)
    with pytest.raises(ProgramUnfit, match="others than root may write"):
        check_fit(link, hidden_homes=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file away")
def test_nor_one_that_belongs_to_somebody_else(program: Path) -> None:
    os.chown(program, 65534, 65534)
    with pytest.raises(ProgramUnfit, match="belongs to somebody else"):
        check_fit(program, hidden_homes=False)


def test_nor_one_in_a_home_that_the_service_does_not_see() -> None:
    with pytest.raises(ProgramUnfit, match="a user's own folder"):
        check_fit(Path("/home/somebody/.venv/bin/phoenix"), hidden_homes=True)


def test_a_folder_whose_name_begins_like_a_home_is_none() -> None:
    hidden = ["/home", "/home/a", "/root/.venv", "/run/user/0"]
    seen = ["/home2/a", "/homes", "/rootfs/opt", "/run/users", "/srv/home"]
    assert [is_hidden_from_services(Path(each)) for each in [*hidden, *seen]] == [True] * 4 + [False] * 5


def test_nor_one_whose_python_is_in_a_home(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/home/somebody/.pyenv/bin/python3")
    with pytest.raises(ProgramUnfit, match="pyenv"):
        check_fit(program, hidden_homes=True)


def test_nor_one_that_is_not_there(program: Path) -> None:
    with pytest.raises(ProgramUnfit, match="no such file"):
        check_fit(program.with_name("another"), hidden_homes=False)


def test_a_program_outside_of_versions_has_none() -> None:
    assert running_program().versions is None
