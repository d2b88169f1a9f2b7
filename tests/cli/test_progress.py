"""How a job's way is shown."""

import msgspec
import pytest

from phoenix_core.cli import progress
from phoenix_core.cli.progress import BarDisplay, LineDisplay, SilentDisplay, describe, job_display
from phoenix_core.domain.states import JobKind, JobState, StepState
from phoenix_core.domain.views import JobView, ProgressView, StepView

HALF = ProgressView(
    phase="transfer",
    files_done=5,
    files_total=10,
    bytes_done=2**20,
    bytes_total=2**21,
    bytes_per_s=2.0**19,
    eta_s=2.0,
)


def _job(*steps: tuple[str, StepState, str]) -> JobView:
    views = tuple(StepView(id=name, title="Do it", state=state, detail=detail) for name, state, detail in steps)
    return JobView(id="j1", kind=JobKind.FILE_BACKUP, state=JobState.RUNNING, title="Backup", steps=views)


def test_progress_is_told_with_rate_and_time_left() -> None:
    assert describe(HALF) == "transfer 5 of 10 files, 1.0 MiB of 2.0 MiB, 512.0 KiB/s, 2.0 s left"


def test_what_is_not_known_is_not_told() -> None:
    assert describe(ProgressView(phase="scan", files_done=7)) == "scan 7 files"
    assert describe(ProgressView(phase="commit")) == "commit"


def test_plain_lines_name_each_step_once_when_it_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    with LineDisplay("") as display:
        display.job(_job(("WF5.4", StepState.RUNNING, "")))
        display.job(_job(("WF5.4", StepState.DONE, "3 files"), ("WF1.4", StepState.RUNNING, "")))
        display.job(_job(("WF5.4", StepState.DONE, "3 files"), ("WF1.4", StepState.FAILED, "")))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == ["WF5.4  Do it: 3 files", "WF1.4  Do it"]


def test_a_phase_of_several_shows_its_progress_under_its_name_without_steps(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    with LineDisplay("first backup") as display:
        display.job(_job(("WF5.4", StepState.DONE, "")))
        display.progress(HALF)
    assert capsys.readouterr().err.splitlines() == [f"first backup: {describe(HALF)}"]


def test_plain_lines_come_every_five_seconds_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with LineDisplay("") as display:
        for now in (101.0, 104.9, 105.0, 106.0, 110.1):  # noqa: B007 - the clock reads it
            display.progress(HALF)
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_nothing_is_shown_beside_json(capsys: pytest.CaptureFixture[str]) -> None:
    with job_display(as_json=True) as display:
        display.job(_job(("WF5.4", StepState.DONE, "")))
        display.progress(HALF)
    assert isinstance(display, SilentDisplay)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_and_a_file_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert isinstance(job_display(as_json=False), BarDisplay)
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert isinstance(job_display(as_json=False), LineDisplay)


def test_a_bar_shows_share_rate_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with BarDisplay("restore") as display:
        display.job(_job(("WF5.4", StepState.DONE, "")))
        display.progress(HALF)
    shown = capsys.readouterr().err
    assert "50%" in shown
    assert "512.0 KiB/s, 2.0 s left" in shown


def test_above_a_restore_s_bar_stand_its_checks_each_once_it_is_over(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    done, running = StepState.DONE, StepState.RUNNING
    place = ("WF6.3", done, "/srv/[new] is there, and everything below it can be written")
    first = _job(place, ("WF6.4", running, ""))
    then = _job(place, ("WF6.4", StepState.FAILED, "1.0 GiB of 2.0 GiB"), ("WF6.6", done, "12 files"))
    with BarDisplay("") as display:
        for view in (first, first, then):
            display.job(msgspec.structs.replace(view, kind=JobKind.FILE_RESTORE))
    lines = [line.strip() for line in capsys.readouterr().err.splitlines() if "WF" in line]
    assert lines == [f"WF6.3  Do it: {place[2]}", "WF6.4  Do it: 1.0 GiB of 2.0 GiB"]


def test_a_bar_of_a_backup_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with BarDisplay("") as display:
        display.job(_job(("WF5.4", StepState.DONE, "3 files")))
    assert "WF5.4" not in capsys.readouterr().err


def test_one_file_is_told_in_the_singular() -> None:
    assert describe(ProgressView("scan", files_done=1)) == "scan 1 file"
    assert describe(ProgressView("scan", files_done=1, files_total=1)) == "scan 1 of 1 file"


LOST = "The connection to the agent of web1 is lost; it is waited for up to 60 s."


@pytest.mark.parametrize("kind", [LineDisplay, BarDisplay])
def test_an_agent_that_is_lost_is_told_once_and_that_the_work_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: type[LineDisplay] | type[BarDisplay]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    running = _job()
    with kind("") as display:
        for view in (running, held_up(running), held_up(running), running):
            display.job(view)
    shown = capsys.readouterr().err
    assert (shown.count(LOST), shown.count(progress.WORK_GOES_ON)) == (1, 1)


def held_up(job: JobView) -> JobView:
    return msgspec.structs.replace(job, held_up=LOST)
