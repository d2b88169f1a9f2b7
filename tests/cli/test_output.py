"""What people and programs read."""

import os
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from phoenix_core.cli import output
from phoenix_core.domain.errors import ErrorView, NotFound
from tests.cli.commands import PHOENIX, Commands

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_a_table_has_columns_as_wide_as_what_is_in_them(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("NAME", "STATE"), [("a", "connected"), ("longer", "away")], "none")
    assert capsys.readouterr().out.splitlines() == ["NAME    STATE", "a       connected", "longer  away"]


def test_an_empty_table_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("NAME",), [], "Nothing yet.")
    assert capsys.readouterr().out == "Nothing yet.\n"


def test_facts_stand_below_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_facts([("Id", "1"), ("Name", "web1")])
    assert capsys.readouterr().out.splitlines() == ["Id    1", "Name  web1"]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 Bytes"),
        (1, "1 Byte"),
        (1023, "1023 Bytes"),
        (1536, "1.5 KiB"),
        (3 * 2**30, "3.0 GiB"),
        (2**40, "1.0 TiB"),
    ],
)
def test_sizes_are_in_binary_units(count: int, text: str) -> None:
    assert output.size(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (61, "1 min 01 s"), (3599, "59 min 59 s"), (3600, "1 h 00 min")],
)
def test_durations_are_as_exact_as_they_are_short(count: float, text: str) -> None:
    assert output.seconds(count) == text


def test_a_time_is_local_and_names_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    import time

    time.tzset()
    try:
        assert output.when(START) == "2026-03-01 13:00:00 CET"
        assert output.when(None) == "-"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_duration_needs_a_start_but_no_end() -> None:
    assert output.duration(None, None) == "-"
    assert output.duration(START, START + timedelta(seconds=90)) == "1 min 30 s"


def test_an_error_goes_to_standard_error_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_error(NotFound(what="server", name="web9").view(), as_json=False)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == ("phoenix: There is no server named web9.\n  List what there is with `phoenix server list`.\n")


def test_an_error_without_advice_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_error(ErrorView("x", "It broke.", ""), as_json=False)
    assert capsys.readouterr().err == "phoenix: It broke.\n"


def test_a_reader_that_goes_away_is_no_error(vault: Commands) -> None:
    """As `phoenix setting list | head -1` does."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*PHOENIX, "setting", "list"],
        env=vault.environment,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
