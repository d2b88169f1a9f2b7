"""Versions in use, on trial, and taken back: with the unit that each ran with.

What a unit runs before a start is the real script, in a real shell."""

import os
import threading
from pathlib import Path

import pytest

from phoenix_core.rollout.onserver.stop import Stop
from phoenix_core.rollout.onserver.versions import TRIES, Versions
from tests.rollout.placed import installed, placed, start

OLD, NEW, NEXT = "0.1.0-a", "0.2.0-b", "0.3.0-c"


def test_a_new_version_that_never_comes_up_gives_way_to_the_one_before(versions: Versions) -> None:
    placed(versions, "0.1.0-a", "0.2.0-b")
    assert versions.switch("0.1.0-a") == ""
    assert versions.trial() is None, "there is nothing to go back to"
    assert versions.switch("0.2.0-b") == "0.1.0-a"
    assert [start(versions) for _ in range(TRIES)] == ["0.2.0-b"] * TRIES
    assert start(versions) == "0.1.0-a"
    assert (versions.trial(), versions.rolled_back()) == (None, "0.2.0-b")
    assert start(versions) == "0.1.0-a"


def test_a_version_that_its_core_greeted_stays_and_the_oldest_goes(versions: Versions) -> None:
    placed(versions, "0.1.0-a", "0.2.0-b")
    versions.switch("0.1.0-a")
    versions.switch("0.2.0-b")
    assert start(versions) == "0.2.0-b"
    assert not versions.confirm("0.1.0-a"), "the one before says nothing about the new one"
    assert versions.confirm("0.2.0-b")
    assert [start(versions) for _ in range(TRIES + 2)] == ["0.2.0-b"] * (TRIES + 2)
    placed(versions, "0.3.0-c")
    versions.switch("0.3.0-c")
    assert versions.confirm("0.3.0-c")
    assert installed(versions) == ["0.2.0-b", "0.3.0-c"]


def test_an_upgrade_cut_off_between_its_two_steps_changes_nothing(versions: Versions) -> None:
    placed(versions, "0.1.0-a", "0.2.0-b")
    versions.switch("0.1.0-a")
    Path(versions.prefix, "trial").write_text("0.2.0-b 0.1.0-a 3\n")  # and the power fails before the link is moved
    assert [start(versions) for _ in range(5)] == ["0.1.0-a"] * 5
    assert versions.switch("0.2.0-b") == "0.1.0-a"
    assert start(versions) == "0.2.0-b"


def test_a_new_try_after_one_that_was_taken_back(versions: Versions) -> None:
    placed(versions, "0.1.0-a", "0.2.0-b")
    versions.switch("0.1.0-a")
    versions.switch("0.2.0-b")
    while start(versions) == "0.2.0-b":
        pass
    versions.switch("0.2.0-b")
    assert versions.rolled_back() == ""
    assert start(versions) == "0.2.0-b"


def test_without_a_service_that_could_go_back_nothing_is_on_trial(versions: Versions) -> None:
    placed(versions, "0.1.0-a", "0.2.0-b")
    Path(versions.prefix, "before-start").unlink()
    versions.switch("0.1.0-a")
    versions.switch("0.2.0-b")
    assert versions.trial() is None


def test_whoever_looks_while_versions_change_finds_one_of_them(versions: Versions) -> None:
    placed(versions, "0.1.0-a", "0.2.0-b")
    versions.switch("0.1.0-a")
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.add(os.readlink(f"{versions.prefix}/current"))

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(50):
        versions.switch("0.2.0-b")
        versions.switch("0.1.0-a")
    over.set()
    thread.join()
    assert seen == {"versions/0.1.0-a", "versions/0.2.0-b"}


# --- one after the other ---------------------------------------------------------------------------------------------


def test_a_version_put_in_use_while_another_is_on_trial_gives_way_to_the_one_that_was_greeted(
    versions: Versions,
) -> None:
    placed(versions, OLD, NEW, NEXT)
    versions.switch(OLD)
    versions.switch(NEW)
    assert start(versions) == NEW
    assert versions.switch(NEXT) == NEW
    assert versions.trial() == (NEXT, OLD, TRIES)
    assert [start(versions) for _ in range(TRIES)] == [NEXT] * TRIES
    assert start(versions) == OLD, "nobody knows whether the one between them works"
    assert versions.rolled_back() == NEXT


def test_who_goes_back_by_hand_to_the_version_that_was_greeted_ends_the_trial(versions: Versions) -> None:
    placed(versions, OLD, NEW)
    versions.switch(OLD)
    versions.switch(NEW)
    assert versions.switch(OLD) == NEW
    assert versions.trial() is None
    assert [start(versions) for _ in range(TRIES + 2)] == [OLD] * (TRIES + 2)


def test_a_version_that_failed_twice_leaves_the_one_before_in_use(versions: Versions) -> None:
    placed(versions, OLD, NEW, NEXT)
    versions.switch(OLD)
    for name in (NEW, NEXT, NEW):
        versions.switch(name)
        assert [start(versions) for _ in range(TRIES + 2)] == [name] * TRIES + [OLD] * 2


def test_what_is_just_being_built_is_not_removed_when_a_version_stays(versions: Versions) -> None:
    placed(versions, OLD, NEW, NEXT)
    versions.switch(OLD)
    versions.switch(NEW)
    with versions.alone():
        assert versions.confirm(NEW)
        assert installed(versions) == [OLD, NEW, NEXT]


# --- the unit --------------------------------------------------------------------------------------------------------


@pytest.fixture
def unit(versions: Versions) -> Path:
    placed(versions, OLD, NEW, NEXT)
    versions.switch(OLD)
    path = Path(versions.prefix).with_name("phoenix-agent.service")
    path.write_text(f"of {OLD}\n")
    return path


def renewed(versions: Versions, unit: Path, name: str) -> None:
    def renew() -> None:
        unit.write_text(f"of {name}\n")

    versions.switch(name, str(unit), renew)


def test_the_unit_goes_back_with_the_version_and_systemd_is_told(versions: Versions, unit: Path) -> None:
    told = unit.with_name("told")
    systemctl = unit.with_name("bin") / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(f'#!/bin/sh\necho "$@" >>{told}\n')
    systemctl.chmod(0o755)
    renewed(versions, unit, NEW)
    assert [start(versions, str(systemctl.parent)) for _ in range(TRIES)] == [NEW] * TRIES
    assert (unit.read_text(), told.exists()) == (f"of {NEW}\n", False)
    assert start(versions, str(systemctl.parent)) == OLD
    assert (unit.read_text(), told.read_text()) == (f"of {OLD}\n", "daemon-reload\n")
    assert unit.stat().st_mode & 0o777 == 0o644


def test_the_unit_stays_with_a_version_that_was_greeted(versions: Versions, unit: Path) -> None:
    renewed(versions, unit, NEW)
    assert start(versions) == NEW
    versions.confirm(NEW)
    assert [start(versions) for _ in range(TRIES + 1)] == [NEW] * (TRIES + 1)
    assert unit.read_text() == f"of {NEW}\n"


def test_of_two_that_fail_one_after_the_other_the_unit_of_the_greeted_one_comes_back(
    versions: Versions, unit: Path
) -> None:
    renewed(versions, unit, NEW)
    renewed(versions, unit, NEXT)
    assert [start(versions) for _ in range(TRIES + 1)] == [NEXT] * TRIES + [OLD]
    assert unit.read_text() == f"of {OLD}\n"


def test_a_unit_that_the_new_version_cannot_renew_leaves_everything_as_it_was(versions: Versions, unit: Path) -> None:
    def fail() -> None:
        unit.write_text("half")
        raise Stop("no")

    renewed(versions, unit, NEW)
    with pytest.raises(Stop):
        versions.switch(NEXT, str(unit), fail)
    assert (versions.current, versions.trial(), unit.read_text()) == (NEW, (NEW, OLD, TRIES), f"of {NEW}\n")


def test_a_power_failure_between_the_unit_and_the_link_takes_the_unit_back(versions: Versions, unit: Path) -> None:
    renewed(versions, unit, NEW)
    current = Path(versions.prefix, "current")
    current.unlink()
    current.symlink_to(f"versions/{OLD}")  # as if it had not been moved yet
    assert start(versions) == OLD
    assert (unit.read_text(), versions.trial()) == (f"of {OLD}\n", None)


def test_a_start_waits_while_a_version_is_put_in_use(versions: Versions, unit: Path) -> None:
    seen: list[str] = []
    starting = threading.Thread(target=lambda: seen.append(start(versions)))

    def renew() -> None:
        starting.start()
        unit.write_text(f"of {NEW}\n")

    versions.switch(NEXT)
    versions.switch(NEW, str(unit), renew)
    starting.join()
    assert seen == [NEW]
    assert versions.trial() == (NEW, OLD, TRIES - 1)
