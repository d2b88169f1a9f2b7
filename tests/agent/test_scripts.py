"""Scripts around a backup: which are run, and what becomes of those that fail or hang."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from phoenix_core.agent.scripts import ScriptFailed, Scripts, ScriptUnusable
from phoenix_core.domain.errors import Cancelled
from tests.agent.restore.other_user import NOBODY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "scripts"
    made.mkdir(mode=0o755)
    return made


def script(folder: Path, text: str, name: str = "it.sh", mode: int = 0o755) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return path


def run(folder: Path, name: str = "it.sh", timeout_s: float = 20, **environment: str) -> None:
    Scripts(folder, grace_s=0.3).run(name, environment, timeout_s, lambda: None)


def test_a_script_is_run_with_its_environment_and_no_input(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    script(folder, f'cat > {out}; echo "$PHOENIX_PHASE $HOME $(pwd)" >> {out}')
    run(folder, PHOENIX_PHASE="pre")
    assert out.read_text() == "pre  /\n"


def test_one_that_fails_says_how_and_what_it_said_last(folder: Path) -> None:
    script(folder, "echo first; echo the database is away >&2; exit 7")
    with pytest.raises(ScriptFailed, match="exit code 7") as failed:
        run(folder)
    assert "the database is away" in failed.value.what_to_do


def test_one_that_hangs_is_stopped_with_all_that_it_started(folder: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script(folder, f"trap '' TERM; sleep 600 & echo $! $$ > {pids}; wait; sleep 600")
    with pytest.raises(ScriptFailed, match="took too long"):
        run(folder, timeout_s=0.5)
    for pid in pids.read_text().split():
        assert not _runs(int(pid))


def test_so_is_what_runs_in_a_group_of_its_own(folder: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script(folder, f"timeout 300 sleep 299 & echo $! > {pids}; wait")
    with pytest.raises(ScriptFailed, match="took too long"):
        run(folder, timeout_s=0.5)
    assert not _runs(int(pids.read_text()))


def test_what_one_that_ends_well_leaves_running_goes_on(folder: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script(folder, f"sleep 60 & echo $! > {pids}")
    run(folder)
    pid = int(pids.read_text())
    try:
        assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    finally:
        os.kill(pid, signal.SIGKILL)


def test_of_much_output_only_the_end_is_kept(folder: Path) -> None:
    script(folder, "seq 1 200000; echo the end; exit 1")
    with pytest.raises(ScriptFailed) as failed:
        run(folder)
    assert failed.value.what_to_do.endswith("the end")
    assert len(failed.value.what_to_do) < 700


def test_a_cancel_stops_it(folder: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    script(folder, f"echo $$ > {begun}; sleep 600")

    def tick() -> None:
        if begun.exists() and begun.read_text():
            raise Cancelled(who="a test")

    with pytest.raises(Cancelled):
        Scripts(folder, grace_s=0.3).run("it.sh", {}, 60, tick)
    assert not _runs(int(begun.read_text()))


def _runs(pid: int) -> bool:
    """Whether it works still; one that ended and waits for its parent doesn't."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except (FileNotFoundError, ProcessLookupError):
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("name", ["none.sh", "../it.sh", "/bin/true", "", "a b", ".hidden"])
def test_only_a_plain_name_of_what_is_there_is_run(folder: Path, name: str) -> None:
    script(folder, "exit 0")
    with pytest.raises(ScriptUnusable):
        run(folder, name)


def test_what_others_may_change_is_not_run(folder: Path) -> None:
    path = script(folder, "exit 0", mode=0o775)
    with pytest.raises(ScriptUnusable, match="others than its owner"):
        run(folder)
    path.chmod(0o755)
    folder.chmod(0o777)
    with pytest.raises(ScriptUnusable, match="others than its owner"):
        run(folder)


def test_nor_what_lies_below_a_folder_that_others_may_change(folder: Path) -> None:
    script(folder, "exit 0")
    folder.parent.chmod(0o777)
    with pytest.raises(ScriptUnusable, match=re.escape(str(folder.parent))):
        run(folder)


def test_a_link_or_a_file_that_is_not_executable_is_not_run(folder: Path, tmp_path: Path) -> None:
    (folder / "it.sh").symlink_to("/bin/true")
    with pytest.raises(ScriptUnusable, match="is no file"):
        run(folder)
    script(folder, "exit 0", "plain", mode=0o644)
    with pytest.raises(ScriptUnusable, match="Permission denied"):
        run(folder, "plain")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_somebody_else_is_not_run(folder: Path) -> None:
    os.chown(script(folder, "exit 0"), NOBODY, NOBODY)
    with pytest.raises(ScriptUnusable, match="belongs to somebody else"):
        run(folder)
