"""WF4.4, 4.6, 4.8: shadow copies are made, verified and deleted, whatever happens; others' are never touched."""

import os
from pathlib import Path

import pytest

from phoenix_core.agent.windows.errors import NO_SUCH_DEVICE, ShadowCopyLost
from phoenix_core.agent.windows.native.powershell import TIMEOUT
from phoenix_core.agent.windows.seam import Service, WindowsFailure
from phoenix_core.agent.windows.shadows import COMING_S, FOLDER
from phoenix_core.agentlink.reports import StepReport
from phoenix_core.domain.errors import Cancelled, RemoteError
from tests.agent.windows.memory_nodes import Fault
from tests.agent.windows.rig import WindowsRig, windows_rig


class Crash(BaseException):
    """The agent's process ends, at once."""


@pytest.fixture
def data(rig: WindowsRig) -> WindowsRig:
    rig.windows.file("C:\\Data\\a.txt", b"a")
    return rig


def step(rig: WindowsRig, name: str) -> str:
    """The last detail of a step."""
    assert rig.ports is not None
    return [body.detail for body in rig.ports.reports if isinstance(body, StepReport) and body.step == name][-1]


def test_a_service_that_is_stopped_is_started_and_one_that_runs_is_left_alone(data: WindowsRig) -> None:
    data.backup(b"/C/Data")
    assert "was stopped, and was started" in step(data, "WF4.4")
    data.windows.calls.clear()
    data.backup(b"/C/Data")
    assert "start_vss" not in data.windows.calls


def test_files_are_those_of_the_moment_of_the_copy(data: WindowsRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written while the backup runs is not in it, and a file that is locked now is."""
    windows = data.windows
    windows.locked.add("C:\\DATA\\A.TXT")
    real = windows.create_shadow_copy

    def create(volume: str, note: Path) -> str:
        made = real(volume, note)
        windows.file("C:\\Data\\a.txt", b"changed since")
        windows.file("C:\\Data\\new.txt", b"new")
        windows.save()
        return made

    monkeypatch.setattr(windows, "create_shadow_copy", create)
    result = data.backup(b"/C/Data")
    entries = data.entries(result)
    assert data.vault.content(entries["/C/Data/a.txt"]) == b"a"
    assert "/C/Data/new.txt" not in entries
    assert result.missing_count == 0


@pytest.mark.parametrize(
    ("call", "code"), [("create_shadow_copy", 6), ("start_vss", 1058), ("vss_service", 5), ("shadow_copies", 5)]
)
def test_without_a_copy_the_live_files_are_read_and_locked_ones_are_missing(
    data: WindowsRig, call: str, code: int
) -> None:
    windows = data.windows
    windows.file("C:\\Data\\open.pst", b"mail")
    windows.locked.add("C:\\DATA\\OPEN.PST")
    windows.faults[call] = Fault(code)
    result = data.backup(b"/C/Data")
    entries = data.entries(result)
    assert data.vault.content(entries["/C/Data/a.txt"]) == b"a"
    assert "/C/Data/open.pst" not in entries
    assert [(each.path, each.reason) for each in result.missing] == [("/C/Data/open.pst", "locked")]
    assert "no shadow copy of C:" in result.problems[0]
    assert step(data, "WF4.6") == "C: live"


def test_a_locked_file_is_tried_again_by_the_next_backup(data: WindowsRig) -> None:
    windows = data.windows
    windows.faults["create_shadow_copy"] = Fault(6)
    windows.locked.add("C:\\DATA\\A.TXT")
    first = data.backup(b"/C/Data")
    windows.locked.clear()
    second = data.backup(b"/C/Data", parent=first)
    assert first.missing_count == 1
    assert second.missing_count == 0
    assert data.vault.content(data.entries(second)["/C/Data/a.txt"]) == b"a"


def test_a_disabled_service_is_told_and_not_enabled(data: WindowsRig) -> None:
    data.windows.service = Service("Stopped", "Disabled")
    result = data.backup(b"/C/Data")
    assert "disabled" in result.problems[0]
    assert data.windows.service.start_mode == "Disabled"


def test_a_copy_that_windows_no_longer_lists_counts_as_not_made(
    data: WindowsRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = data.windows
    real = windows.create_shadow_copy

    def create(volume: str, note: Path) -> str:
        made = real(volume, note)
        windows.copies.clear()
        return made

    monkeypatch.setattr(windows, "create_shadow_copy", create)
    result = data.backup(b"/C/Data")
    assert "lists it no more" in result.problems[0]
    assert result.files == 1


def test_a_copy_that_windows_removes_meanwhile_fails_the_backup_and_not_its_files(data: WindowsRig) -> None:
    for number in range(20):
        data.windows.file(f"C:\\Data\\{number}.txt", b"x")
    data.windows.vanishing_after = 5
    with pytest.raises(RemoteError) as error:
        data.backup(b"/C/Data")
    assert error.value.view().code == ShadowCopyLost.code
    assert "vssadmin resize shadowstorage" in error.value.view().hint


def test_a_copy_that_is_gone_at_the_end_is_not_recorded(data: WindowsRig, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = data.windows
    real = windows.shadow_copies
    asked = 0

    def listed() -> object:
        nonlocal asked
        asked += 1
        return real() if asked < 4 else []

    monkeypatch.setattr(windows, "shadow_copies", listed)
    with pytest.raises(ShadowCopyLost):
        data.backup(b"/C/Data")


def test_each_volume_has_a_copy_of_its_own_and_one_may_be_live(tmp_path: Path) -> None:
    with windows_rig(tmp_path, "CDE") as rig:
        for letter in "CDE":
            rig.windows.file(f"{letter}:\\Data\\{letter}.txt", letter.encode())
        rig.windows.disks["D"].file_system = "FAT32"
        rig.windows.faults["create_shadow_copy"] = Fault(4, rig.windows.disks["D"].device_id)
        result = rig.backup(b"/C/Data", b"/D/Data", b"/E")
        assert step(rig, "WF4.6") == "C: from its shadow copy, D: live, E: from its shadow copy"
        entries = rig.entries(result)
        assert [rig.vault.content(entries[f"/{each}/Data/{each}.txt"]) for each in "CDE"] == [b"C", b"D", b"E"]
        assert rig.windows.copies == []
        assert len(result.problems) == 1


def test_all_local_disks_are_meant_by_a_slash(tmp_path: Path) -> None:
    with windows_rig(tmp_path, "CDZ") as rig:
        for letter in "CDZ":
            rig.windows.file(f"{letter}:\\x", b"")
        rig.windows.disks["Z"].is_fixed = False
        entries = rig.entries(rig.backup(b"/"))
        assert {path for path in entries if path.count("/") == 1} == {"/C", "/D"}


def test_copies_of_others_are_never_deleted(data: WindowsRig) -> None:
    other = data.windows.somebody_elses_copy("C")
    data.backup(b"/C/Data")
    data.started_agent()
    assert [each.id for each in data.windows.copies] == [other]


def crash_while(rig: WindowsRig, call: str, monkeypatch: pytest.MonkeyPatch, path: bytes = b"/C/Data") -> None:
    """The agent dies in the middle of a backup, in or after a call."""
    windows = rig.windows
    real = windows.call

    def dying(name: str, path: str = "") -> None:
        if name == call:
            raise Crash
        real(name, path)

    with monkeypatch.context() as patch:
        patch.setattr(windows, "call", dying)
        patch.setattr("phoenix_core.agent.windows.source.WindowsVolumes.end", lambda self, steps: None)
        with pytest.raises(Crash):
            rig.backup(path)


def test_what_a_crashed_agent_left_is_deleted_when_the_next_one_starts(
    data: WindowsRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = data.windows.somebody_elses_copy("C")
    crash_while(data, "crash_after_note", monkeypatch)
    assert len(data.windows.copies) == 2
    data.started_agent()
    assert [each.id for each in data.windows.copies] == [other]
    assert list((data.vault.state_dir / FOLDER).iterdir()) == []


def test_a_later_backup_deletes_it_too_but_not_that_of_one_that_runs(
    data: WindowsRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_while(data, "crash_after_note", monkeypatch)
    still_running = data.jobs
    data.backup(b"/C/Data")
    assert len(data.windows.copies) == 1, "its job is still among those that run"
    data.jobs = data.started_agent()
    assert data.windows.copies == []
    assert still_running is not data.jobs


def test_a_copy_whose_id_was_never_noted_is_kept_in_mind_then_named_and_left(
    data: WindowsRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine went down in between: it may be somebody else's."""
    crash_while(data, "crash_after_create", monkeypatch)
    (left,) = [each.id for each in data.windows.copies]
    data.jobs = data.started_agent()
    (mark,) = (data.vault.state_dir / FOLDER).iterdir()
    asked = mark.stat().st_mtime - COMING_S - 1
    os.utime(mark, (asked, asked))
    data.backup(b"/C/Data")
    assert data.ports is not None
    assert any(left in text and "may be its own or somebody else's" in text for text in data.ports.logged())
    assert [each.id for each in data.windows.copies] == [left]
    assert list((data.vault.state_dir / FOLDER).iterdir()) == []


def test_a_copy_that_comes_after_its_agent_was_gone_is_deleted_once_its_id_is_noted(
    data: WindowsRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that makes it lived on, and the next agent started before it was through."""
    crash_while(data, "create_shadow_copy", monkeypatch)
    data.jobs = data.started_agent()
    (mark,) = (data.vault.state_dir / FOLDER).iterdir()
    data.windows.create_shadow_copy(data.windows.disks["C"].device_id, mark.with_suffix(".id"))
    data.jobs = data.started_agent()
    assert data.windows.copies == []
    assert list((data.vault.state_dir / FOLDER).iterdir()) == []


def test_a_copy_that_took_too_long_is_deleted_by_a_later_backup(data: WindowsRig) -> None:
    data.windows.faults["create_shadow_copy"] = Fault(TIMEOUT)
    assert "no shadow copy of C:" in data.backup(b"/C/Data").problems[0]
    data.windows.faults.clear()
    (mark,) = (data.vault.state_dir / FOLDER).iterdir()
    data.windows.create_shadow_copy(data.windows.disks["C"].device_id, mark.with_suffix(".id"))
    data.backup(b"/C/Data")
    assert data.windows.copies == []


def test_a_copy_that_windows_refused_to_make_leaves_no_mark(data: WindowsRig) -> None:
    data.windows.faults["create_shadow_copy"] = Fault(6)
    data.backup(b"/C/Data")
    assert list((data.vault.state_dir / FOLDER).iterdir()) == []


def test_a_copy_of_a_volume_that_is_away_is_deleted_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with windows_rig(tmp_path, "CD") as rig:
        rig.windows.file("D:\\Data\\d.txt", b"d")
        crash_while(rig, "crash_after_note", monkeypatch, b"/D/Data")
        disk, copies = rig.windows.disks.pop("D"), list(rig.windows.copies)
        rig.windows.copies.clear()
        rig.jobs = rig.started_agent()
        rig.windows.disks["D"], rig.windows.copies = disk, copies
        rig.jobs = rig.started_agent()
        assert rig.windows.copies == []


def test_a_note_that_was_cut_off_deletes_nothing(data: WindowsRig, monkeypatch: pytest.MonkeyPatch) -> None:
    crash_while(data, "crash_after_note", monkeypatch)
    (note,) = (data.vault.state_dir / FOLDER).glob("*.id")
    note.write_text(note.read_text()[:20])
    data.started_agent()
    assert len(data.windows.copies) == 1


def test_what_cannot_be_deleted_now_is_deleted_later(data: WindowsRig) -> None:
    data.windows.faults["delete_shadow_copy"] = Fault(5)
    data.backup(b"/C/Data")
    assert len(data.windows.copies) == 1
    assert data.ports is not None
    assert any("could not be deleted yet" in text for text in data.ports.logged())
    data.windows.faults.clear()
    data.backup(b"/C/Data")
    assert data.windows.copies == []


def test_a_cancelled_backup_leaves_no_copy(data: WindowsRig) -> None:
    order, ports = data.vault.backup_order(b"/C/Data")
    data.windows.save()
    job = data.jobs.make(order, ports)
    ports.cancelled.set()
    with pytest.raises(Cancelled):
        job.run()
    assert data.windows.copies == []


def test_an_error_of_windows_beside_files_has_words(data: WindowsRig) -> None:
    data.windows.faults["volumes"] = Fault(NO_SUCH_DEVICE)
    with pytest.raises(Exception, match="Windows refused what the agent needs: volumes"):
        data.backup(b"/C/Data")
    assert not isinstance(WindowsFailure(5, "x"), ShadowCopyLost)
