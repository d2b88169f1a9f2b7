"""Numbers and times as the operator reads them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import pytest

from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import ProgressView
from phoenix_tui import formats
from phoenix_tui.formats import Formats
from phoenix_tui.widgets.bar import bar, fraction_done, percent_done
from phoenix_tui.widgets.data_flow import draw
from phoenix_tui.widgets.facts import fact_lines
from phoenix_tui.widgets.job_cells import outcome_text
from phoenix_tui.widgets.progress_line import line
from tests.tui import sample
from tests.tui.conftest import FixedClock


def test_times_are_in_the_operators_zone_and_name_it() -> None:
    here = Formats(FixedClock(), sample.CET)
    assert here.clock() == "21:02 CET"
    assert here.moment(datetime(2026, 11, 23, 23, 30, tzinfo=UTC)) == "2026-11-24 00:30:00 CET"
    assert here.time(sample.ago(minutes=1)) == "21:01:11"
    assert here.time(sample.ago(days=2)) == "Nov 21 21:02"
    assert here.time(sample.ago(days=700)) == "2024-12-23"
    assert here.time(None) == "–"


def test_a_time_names_the_zone_that_held_then() -> None:
    try:
        berlin = ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError:
        pytest.skip("this machine has no time zone data")
    assert Formats(FixedClock(), berlin).moment(datetime(2026, 7, 1, 12, tzinfo=UTC)) == "2026-07-01 14:00:00 CEST"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (812 << 20, "812.0 MiB"), (3 << 40, "3.0 TiB")]
)
def test_sizes_are_binary(count: int, text: str) -> None:
    assert formats.size(count) == text


def test_spans() -> None:
    assert formats.clock_span(3_723) == "1:02:03"
    assert formats.clock_span(7.9) == "0:07"
    assert formats.clock_span(-1) == "–"
    assert formats.took(0.34) == "0.3 s"
    assert formats.took(75) == "1:15"
    assert [formats.span(seconds) for seconds in (5, 65, 7_300, 86_400, 200_000)] == [
        "5 s",
        "1 min",
        "2 h",
        "1 day",
        "2 days",
    ]
    assert formats.ratio(52, 12.4) == "4.2 : 1"
    assert formats.ratio(1, 0) == "–"


def test_a_bar_reads_without_colour_and_is_full_only_at_the_end() -> None:
    assert bar(0.5, 10).plain == "━━━━━─────"
    assert bar(0.25, 10).plain == "━━╸───────"
    assert bar(None, 4).plain == "────"
    assert percent_done(0.999) == "99 %"
    assert fraction_done(None) is None
    assert fraction_done(sample.PROGRESS) == pytest.approx(0.488, abs=0.001)


def test_data_flows_from_agent_to_storage_and_back_for_a_restore() -> None:
    backup = draw(sample.RUNNING, 78).plain.splitlines()
    assert backup[1].index("agent web1") < backup[1].index("▶") < backup[1].index("storage")
    assert "61.2 MiB/s" in backup[0]
    assert {len(line) for line in backup} == {len(backup[0])}
    restore = draw(sample.FAILED, 78).plain.splitlines()
    assert "◀" in restore[1]
    assert "▶" not in restore[1]


def test_a_restore_to_another_server_names_that_one() -> None:
    import msgspec

    job = msgspec.structs.replace(sample.FAILED, state=JobState.RUNNING, agent_name="db1")
    assert "agent db1" in draw(job, 78).plain


def test_facts_are_aligned() -> None:
    lines = fact_lines([("Id", "x"), ("Longer name", "y")])
    assert [line.plain.index(value) for line, value in zip(lines, "xy", strict=True)] == [13, 13]


def test_since_counts_to_now_while_it_runs() -> None:
    here = Formats(FixedClock(), sample.CET)
    assert here.since(sample.ago(seconds=52), None) == 52
    assert here.since(sample.ago(seconds=52), sample.ago(seconds=40)) == 12
    assert here.since(None, None) is None
    assert here.ago(sample.NOW - timedelta(seconds=1)) == "just now"


def test_a_backup_that_stored_next_to_nothing_found_nothing_new() -> None:
    result: dict[str, int | float | str | bool] = {"read_bytes": 2 * sample.GIB, "stored_bytes": 1_412}
    text = draw(msgspec.structs.replace(sample.DONE, result=result), 80).plain
    assert "nothing new" in text
    assert " : 1" not in text


def test_a_check_is_not_told_as_a_restore() -> None:
    check = msgspec.structs.replace(
        sample.FAILED, state=JobState.SUCCESSFUL, error=None, result={"check_only": True, "bytes": 0, "files": 0}
    )
    assert outcome_text(check) == "only checked"


def test_one_file_is_no_files() -> None:
    job = msgspec.structs.replace(sample.RUNNING, progress=ProgressView(phase="scan", files_done=1))
    assert "scan: 1 file" in line(job, 80).plain
    assert "1 files" not in line(job, 80).plain
