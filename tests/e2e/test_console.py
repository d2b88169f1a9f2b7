"""The console in a real terminal, on a data directory that quickstart made: core, agent and screens together."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil
import pytest

from tests.e2e import killing, tree, watch
from tests.e2e.rig import Machine, machine
from tests.e2e.standing_still import standing_still
from tests.e2e.terminal import DOWN, ENTER, RIGHT, Terminal

CTRL_N, CTRL_S = "\x0e", "\x13"
FILES = 20


class Installed:
    """What quickstart left: a vault, this machine as a server, two snapshots of a folder."""

    def __init__(self, here: Machine) -> None:
        self.here = here
        self.source = tree.make(here.folder / "source", files=FILES, size=3000)
        (here.data / "phoenix.toml").write_text('[core]\nlisten = "127.0.0.1:0"\n')
        self.snapshots: list[str] = here.json("quickstart", str(self.source))["snapshots"]
        (server,) = here.json("server", "list")
        self.server: str = server["name"]

    @contextmanager
    def console(self) -> Iterator[Terminal]:
        """A console that shows its dashboard, with the agent connected."""
        terminal = Terminal(self.here)
        try:
            terminal.sees("1 protected", "● connected")
            yield terminal
        finally:
            terminal.clean_up()
            self.end_all()

    def end_all(self) -> None:
        """End what still runs for this machine: known by its home, which no other process has."""
        for process in self.processes(lambda _: True):
            with suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait(30)

    def processes(self, chosen: Callable[[list[str]], bool]) -> list[psutil.Process]:
        """This machine's processes whose command line is `chosen`."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("HOME") == str(self.here.folder) and chosen(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    with machine() as here:
        yield Installed(here)


def test_it_shows_what_is_there_and_backs_up(installed: Installed) -> None:
    here = installed.here
    with installed.console() as console:
        console.type("4")
        console.sees(installed.server, "2 snapshots", installed.snapshots[-1][:8])
        console.type("2")
        console.sees(installed.server, "2 snapshots")
        console.type("b")
        console.sees("Back up now", str(installed.source))
        before = {job["id"] for job in here.json("job", "list")}
        console.type(CTRL_S)
        (job,) = _wait_new_jobs(here, before)
        assert here.wait_job(job["id"])["state"] == "successful"
        console.sees("successful")
        listed = here.json("job", "list")
        assert [(each["kind"], each["state"]) for each in listed if each["id"] == job["id"]] == [
            (job["kind"], "successful")
        ]
        console.type("q")
        assert console.ends() == 0
        assert not installed.processes(lambda _: True), "an idle console leaves nothing behind"
    assert len(here.json("snapshot", "list")) == len(installed.snapshots) + 1


def test_the_wizard_restores_a_file_to_a_folder(installed: Installed) -> None:
    here = installed.here
    wanted = installed.source / "folder-000" / "file-00007"
    target = here.folder / "restored"
    with installed.console() as console:
        console.type("r")
        console.sees("Choose the server", installed.server, "/tmp/phx-")
        console.type(CTRL_N)
        console.sees("Space selects", "[ ]")
        console.type("/", wanted.name)
        console.sees(wanted.name)
        console.type(ENTER)
        console.sees("[ ] " + str(wanted))
        console.type(" ")
        console.sees("1 selected: " + str(wanted))
        console.type(CTRL_N)
        console.sees("Where to?")
        console.type(DOWN, ENTER)
        console.sees("Such as /srv/restored")
        console.type(CTRL_N)
        console.sees("Name a folder that begins with /.")
        console.type(str(target)[:9])
        console.type(str(target)[9:])
        console.sees(str(target))
        console.type(CTRL_N)
        console.sees("It can be restored", str(target))
        before = {job["id"] for job in here.json("job", "list")}
        console.type(ENTER)
        (job,) = _wait_new_jobs(here, before)
        assert here.wait_job(job["id"])["state"] == "successful"
        console.sees("successful")
        console.type("q")
        assert console.ends() == 0
    assert [path for path in target.rglob("*") if path.is_file()] == [tree.below(target, wanted)]
    assert tree.below(target, wanted).read_bytes() == wanted.read_bytes()


def test_a_lost_file_is_back_with_five_keys_beside_its_name(installed: Installed) -> None:
    """Eight may be needed from the dashboard on; each call of `press` is one."""
    here = installed.here
    wanted = installed.source / "folder-000" / "file-00003"
    before = wanted.read_bytes()
    wanted.unlink()
    pressed: list[str] = []
    with installed.console() as console:

        def press(key: str, *then_sees: str) -> None:
            pressed.append(key)
            console.type(key)
            console.sees(*then_sees)

        jobs = {job["id"] for job in here.json("job", "list")}
        press("f", "Part of a name")
        console.type(wanted.name)
        console.sees(wanted.name)
        press(ENTER, "version fits", wanted.name + "  /tmp/")
        press(ENTER, "Where to?")
        press(CTRL_N, "It can be restored", "WF6.3", "WF6.4", "WF6.5", wanted.name)
        assert not wanted.exists()
        press(ENTER)
        (job,) = _wait_new_jobs(here, jobs)
        assert here.wait_job(job["id"])["state"] == "successful"
        console.type("q")
        assert console.ends() == 0
    assert len(pressed) <= 8
    assert wanted.read_bytes() == before


def test_a_terminal_that_stops_reading_holds_up_no_backup(installed: Installed) -> None:
    here = installed.here
    with installed.console() as console:
        console.stall()
        assert here.json("backup", installed.server, str(installed.source))["state"] == "successful"
        console.go_on()
        console.type("1")
        console.sees("1 protected", "● connected")
        refused = here.command("core", "stop").expect(1)
        assert "Leave that console" in refused.err
        console.type("q")
        assert console.ends() == 0


@pytest.mark.parametrize("leave", ["keep", "hang up"])
def test_a_job_goes_on_when_the_core_is_kept(installed: Installed, leave: str) -> None:
    here = installed.here
    large = tree.make(here.folder / f"large {leave}", files=600, size=300_000, seed=len(leave))
    with installed.console() as console:
        job = here.json("backup", installed.server, str(large), "--detach")["id"]
        assert killing.step_begins("WF1.4")(here, job), "the transfer was over too soon"
        with standing_still([agent.pid for agent in installed.processes(lambda command: "agent" in command)]):
            assert here.job(job)["state"] == "running"
            if leave == "keep":
                console.type("q")
                console.sees("Leave while the core works?")
                console.type(RIGHT, ENTER)
            else:
                console.hang_up()
            assert console.ends() == 0
        assert here.wait_job(job)["state"] == "successful"
        here.command("core", "stop").expect()
        for process in installed.processes(lambda _: True):
            process.wait(30)


def _wait_new_jobs(here: Machine, before: set[str]) -> list[dict[str, Any]]:
    """Those that aren't mere checks."""

    def new() -> list[dict[str, Any]]:
        return [job for job in watch.get(here.socket, "/v1/jobs") if job["id"] not in before and not job["check_only"]]

    found: list[dict[str, Any]] = watch.wait_until(here.socket, "a new job", new)
    return found
