"""kill -9 of agent, core and storage node in each phase of a restore: it goes on, or a retry takes it up."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agent.independent_walk import differences, walk
from tests.e2e import tree, watch
from tests.e2e.inotify import GETS_METADATA, Watched
from tests.e2e.killing import TRIES, Kill, give_up_soon, is_picked_up, kill_agent, kill_core, step_begins
from tests.e2e.lone_node import lone_node, restart
from tests.e2e.long_way import long_way_to
from tests.e2e.rig import Machine

pytestmark = pytest.mark.timeout(400)

Moment = Callable[["Restoring", str], bool]
"""Returns when the job, which was just started, has come to the moment; false where it had gone on already."""


def step(name: str) -> Moment:
    return lambda restoring, job: step_begins(name)(restoring.here, job)


def determined(restoring: "Restoring", job: str) -> bool:
    """WF6.5 takes no time: it is done, and writing begins."""
    step_begins("WF6.5")(restoring.here, job)
    return True


def first_files(restoring: "Restoring", job: str) -> bool:
    def something_is_there() -> bool:
        return any(restoring.target.rglob("file-*"))

    watch.wait_until(restoring.here.socket, "the first restored files", something_is_there)
    return True


def finishing(restoring: "Restoring", job: str) -> bool:
    """Folders get their metadata once all that is in them is there."""
    with Watched(restoring.restored, what=GETS_METADATA) as names:
        names.wait()
    return True


MOMENTS = (step("WF6.3"), step("WF6.4"), determined, first_files, finishing)


class Restoring:
    """An installation with a backup, whose restores are cut off; each goes to a folder of its own."""

    def __init__(self, here: Machine, *, files: int = 1200, size: int = 6000, in_folder: int = 3) -> None:
        self.here = here
        self.source = tree.make(here.folder / "source", files=files, size=size, in_folder=in_folder)
        self.before = walk(self.source)
        self.snapshot = str(here.json("backup", "one", str(self.source))["snapshot_id"])
        self.target: Path
        self._numbers = itertools.count()

    @property
    def restored(self) -> Path:
        return tree.below(self.target, self.source)

    def begin(self) -> str:
        """A restore into a new folder that takes a while to find; returns its job."""
        number = next(self._numbers)
        self.target = self.here.folder / f"target-{number}"
        self.restored.mkdir(parents=True)
        way = long_way_to(self.target, self.here.folder / f"way-{number}")
        return str(self.here.json("restore", "one", "--to", str(way), "--detach")["id"])

    def cut_off(self, kill: Kill, moment: Moment, *, goes_on: bool) -> None:
        """Restore, kill at the moment, start again; at the end all is there. `goes_on`: the agent still works, and the
        core picks the job up; else a retry does."""
        for _ in range(TRIES):
            job = self.begin()
            met = moment(self, job)
            if met:
                kill(self.here)
            ended = self.here.wait_job(job)
            if goes_on or ended["state"] == "successful":
                assert ended["state"] == "successful", ended["error"]
                met = met and goes_on and is_picked_up(self.here, job)
            else:
                assert ended["state"] == "aborted"
                assert ended["error"]["hint"]
                assert self.here.json("job", "retry", job)["state"] == "successful"
            self.check()
            if met:
                return
        raise AssertionError("the moment was never met")

    def check(self) -> None:
        """Everything is there as it was, and nothing beside it."""
        assert differences(self.before, walk(self.restored)) == []
        assert not [path for path in self.target.rglob("*") if "phoenix" in path.name]
        assert list((self.here.data / "agent" / "restores").iterdir()) == []

    def check_vault(self) -> None:
        tree.restores_as(self.here, "one", self.snapshot, self.source, self.before)
        assert self.here.json("backup", "one", str(self.source))["result"]["read_bytes"] == 0


def test_the_agent_is_killed_while_it_restores_and_a_retry_goes_on(here: Machine) -> None:
    give_up_soon(here)
    restoring = Restoring(here)
    for moment in MOMENTS:
        restoring.cut_off(kill_agent, moment, goes_on=False)
    restoring.check_vault()


def test_the_core_is_killed_while_an_agent_restores_and_picks_the_job_up_again(here: Machine) -> None:
    restoring = Restoring(here)
    for moment in MOMENTS:
        restoring.cut_off(kill_core, moment, goes_on=True)
        here.agent.stop()
        here.start_agent()  # Another one doesn't wait longer from loss to loss before it dials again.
    restoring.check_vault()


def test_a_storage_node_of_its_own_is_killed_while_an_agent_restores(here: Machine) -> None:
    with lone_node(here) as node:
        restoring = Restoring(here, files=2000, size=20_000)
        job = restoring.begin()
        assert first_files(restoring, job)
        assert here.job(job)["state"] == "running"
        restart(node)
        assert here.wait_job(job)["state"] == "successful"
        restoring.check()
        restoring.check_vault()
