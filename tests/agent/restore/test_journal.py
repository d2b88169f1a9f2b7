"""What a restore has completed is known to the next one; a journal that can't be kept costs nothing but that."""

import os
import sqlite3
from pathlib import Path

import pytest

from phoenix_core.agent.restore.completed import completed
from phoenix_core.agent.restore.errors import JournalUnreadable
from phoenix_core.agent.restore.journal import FOLDER, Journal
from phoenix_core.agent.restore.records import Known
from phoenix_core.agent.restore.restore_job import RestoreJob
from tests.agent.restore.rig import RestoreRig

PATHS = [b"/file %d" % number for number in range(1200)]


def begun(state: Path, job: str = "j1", target: str = "snapshot /target", began_ns: int = 7) -> Journal:
    journal = Journal(state, target, job, began_ns)
    journal.will_make(b"folder")
    journal.begin()
    return journal


def files(state: Path) -> list[str]:
    return sorted(path.suffix for path in (state / FOLDER).iterdir())


def test_what_was_complete_is_known_to_the_next_run(tmp_path: Path) -> None:
    first = begun(tmp_path)
    first.complete(b"".join(completed(path, number, number * 10) for number, path in enumerate(PATHS)))
    assert not first.is_resumed
    assert first.known(PATHS) == {}
    first.keep()
    second = Journal(tmp_path, "snapshot /target", "j2", 9)
    assert (second.earlier_jobs, second.began_ns) == (["j1"], 7)
    assert second.known([*PATHS, b"/other"]) == {path: Known(at, at * 10) for at, path in enumerate(PATHS)}
    assert (second.has_made(b"folder"), second.has_made(b"other")) == (True, False)
    second.drop()
    assert files(tmp_path) == []


def test_a_kill_loses_nothing_that_was_told(tmp_path: Path) -> None:
    """Not closed at all, as after SIGKILL."""
    first = begun(tmp_path)
    first.complete(completed(b"/file", 1, 2))
    assert first._db is not None
    other = sqlite3.connect(first._path)
    ((packed,),) = other.execute("SELECT entries FROM completed").fetchall()
    assert packed.endswith((1).to_bytes(8, "little") + (2).to_bytes(8, "little"))
    other.close()
    first.drop()


def test_other_restores_have_other_journals(tmp_path: Path) -> None:
    first = begun(tmp_path)
    first.keep()
    other = Journal(tmp_path, "snapshot /elsewhere", "j2", 9)
    assert not other.is_resumed
    other.drop()


def test_a_plan_alone_leaves_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "snapshot /target", "j1", 7)
    journal.will_make(b"folder")
    journal.keep()
    assert files(tmp_path) == []


def test_a_check_leaves_an_interrupted_restores_journal_as_it_is(tmp_path: Path) -> None:
    begun(tmp_path).keep()
    checking = Journal(tmp_path, "snapshot /target", "j2", 9)
    checking.will_make(b"other")
    checking.keep()
    third = Journal(tmp_path, "snapshot /target", "j3", 9)
    assert third.earlier_jobs == ["j1"]
    assert not third.has_made(b"other")
    third.drop()


def test_an_equal_restore_under_way_has_the_journal(tmp_path: Path) -> None:
    first = begun(tmp_path)
    second = Journal(tmp_path, "snapshot /target", "j2", 9)
    assert "under way" in second.trouble
    second.begin()
    second.complete(completed(b"/file", 1, 2))
    assert not second.is_resumed
    second.drop()
    first.keep()
    third = Journal(tmp_path, "snapshot /target", "j3", 9)
    assert third.earlier_jobs == ["j1"]
    third.drop()


def test_a_damaged_journal_is_begun_anew(tmp_path: Path) -> None:
    first = begun(tmp_path)
    path = first._path
    first.keep()
    path.write_bytes(b"not a database at all" * 500)
    second = begun(tmp_path, "j2")
    assert (second.trouble, second.is_resumed) == ("", False)
    second.drop()


def test_one_that_is_needed_and_cannot_be_read_ends_the_restore_and_stays(tmp_path: Path) -> None:
    first = begun(tmp_path)
    path = first._path
    first.keep()
    good = path.read_bytes()
    path.write_bytes(b"not a database at all" * 500)
    for _ in range(2):
        with pytest.raises(JournalUnreadable):
            Journal(tmp_path, "snapshot /target", "j2", 9, needed=True)
    path.write_bytes(good)
    again = Journal(tmp_path, "snapshot /target", "j2", 9, needed=True)
    assert again.earlier_jobs == ["j1"]
    assert again._db is not None
    again._db.execute("DROP TABLE begun")
    with pytest.raises(JournalUnreadable):
        again.begun([b"/file"])
    again.drop()


def test_what_was_done_once_and_is_in_hand_again_may_be_half_there(tmp_path: Path) -> None:
    """Somebody removed what the first run had completed; the second was killed as it made it anew."""
    first = begun(tmp_path, "j1")
    first.complete(completed(b"/file", 1, 2))
    first.keep()
    second = begun(tmp_path, "j2")
    assert second.hand_out([b"/file"])
    second.keep()
    third = begun(tmp_path, "j3")
    assert third.begun([b"/file"]) == {b"/file"}
    third.drop()


def test_old_journals_go_unless_a_restore_has_them(tmp_path: Path) -> None:
    left, held = begun(tmp_path, target="left"), begun(tmp_path, target="held")
    left.keep()
    for path in (tmp_path / FOLDER).iterdir():
        os.utime(path, (0, 0))
    begun(tmp_path, target="new").drop()
    assert {path.name.partition(".")[0] for path in (tmp_path / FOLDER).iterdir()} == {held._path.stem}
    held.drop()


def test_a_full_disk_costs_only_the_journal(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    assert journal._db is not None
    journal._db.execute("PRAGMA max_page_count = 1")
    journal.complete(b"".join(completed(path, 1, 2) for path in PATHS))
    assert "full" in journal.trouble
    journal.complete(completed(b"/file", 1, 2))
    assert journal.known(PATHS) == {}
    journal.drop()
    assert files(tmp_path) == []


def test_a_restore_goes_on_without_its_journal(rig: RestoreRig) -> None:
    (rig.source / "file").write_bytes(b"x")
    snapshot = rig.backup()
    (rig.vault.state_dir / FOLDER).write_bytes(b"a file where the folder should be")
    order, ports = rig.order(snapshot)
    assert RestoreJob(order, ports).run().files == 1
    assert any("would not know" in line for line in ports.logged())


def another_boot(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boot = folder / "boot"
    boot.write_text("another boot")
    monkeypatch.setattr("phoenix_core.agent.restore.journal._BOOT_ID", boot)


def test_what_was_handed_out_and_not_completed_may_be_half_there(tmp_path: Path) -> None:
    first = begun(tmp_path)
    first.intend([*PATHS, b"/waiting"])
    assert first.hand_out(PATHS)
    first.complete(completed(PATHS[0], 1, 2))
    first.keep()
    second = Journal(tmp_path, "snapshot /target", "j2", 9)
    assert second.begun([*PATHS, b"/waiting", b"/other"]) == set(PATHS[1:])
    second.drop()


def test_after_a_crash_of_the_host_all_that_was_intended_may_be_half_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begun(tmp_path)
    first.intend(PATHS)
    assert first.hand_out(PATHS[:2])
    first.complete(completed(PATHS[0], 1, 2))
    first.keep()
    another_boot(tmp_path, monkeypatch)
    for job in ("j2", "j3"):
        later = begun(tmp_path, job)
        assert later.begun([*PATHS, b"/other"]) == set(PATHS)
        assert later.known(PATHS) == {}
        later.keep()
    begun(tmp_path, "j4").drop()


def test_what_is_intended_is_on_the_disk_before_it_is_made(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    assert journal._db is not None
    told: list[str] = []
    journal._db.set_trace_callback(told.append)
    journal.intend([b"/file"])
    begin, end = told.index("PRAGMA synchronous = FULL"), told.index("PRAGMA synchronous = NORMAL")
    assert [line.partition(" ")[0] for line in told[begin + 1 : end]] == ["BEGIN", "INSERT", "COMMIT"]
    (mode,) = journal._db.execute("PRAGMA synchronous").fetchone()
    assert mode == 1
    journal.drop()


def test_without_a_journal_nothing_is_handed_out(tmp_path: Path) -> None:
    first = begun(tmp_path)
    second = Journal(tmp_path, "snapshot /target", "j2", 9)
    assert not second.hand_out([b"/file"])
    second.drop()
    first.drop()
