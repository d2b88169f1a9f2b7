"""Backups that are cut off by kill -9 at chosen moments, and what must be true at any time afterwards: every committed
snapshot restores identically, nothing is damaged, and the next backup succeeds."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.agent.independent_walk import Facts, walk
from tests.e2e import tree, watch
from tests.e2e.inotify import Watched
from tests.e2e.rig import Machine

FILES = 500
SIZE = 30_000
SLOW_SCAN = 800
"""Patterns that every entry is held against, so that a scan lasts long enough to be cut off."""
TRIES = 5

Kill = Callable[[Machine], None]
Moment = Callable[[Machine, str], bool]
"""Returns when the job, which was just started, has come to the moment; false where it had gone on already."""


def step_begins(step: str) -> Moment:
    def wait(here: Machine, job: str) -> bool:
        def state() -> str:
            (found,) = (each["state"] for each in here.job(job)["steps"] if each["id"] == step)
            return "" if found == "pending" else str(found)

        return bool(watch.wait_until(here.socket, f"step {step}", state) == "running")

    return wait


def _appears_in(folder: str) -> Moment:
    def wait(here: Machine, job: str) -> bool:
        with Watched(here.vault / folder) as names:
            names.wait()
        return True

    return wait


MOMENTS = {
    "scan": step_begins("WF5.4"),
    "transfer": step_begins("WF1.4"),
    "sealed": _appears_in("snapshots"),
    "recorded": _appears_in("records"),
}

GOES_ON = dict.fromkeys(MOMENTS, ("successful",))
"""Whatever is killed: the agent still works, so the job ends well."""
AGENT_GONE = {**GOES_ON, "scan": ("aborted",), "transfer": ("aborted",), "sealed": ("aborted", "successful")}
"""With the agent goes its job, unless the last report is out already."""


def kill_agent(here: Machine) -> None:
    """kill -9, and another one is started."""
    here.agent.kill()
    here.start_agent()


def kill_core(here: Machine) -> None:
    """kill -9, and another one is started; the agent works on meanwhile, and comes back to it."""
    here.running_core.kill()
    here.start_core()
    here.wait_connected(here.agent_id)


def is_picked_up(here: Machine, job: str) -> bool:
    """Whether a core found the job running when it was started."""
    return any("The core was started again" in line["text"] for line in watch.get(here.socket, f"/v1/jobs/{job}/log"))


def give_up_soon(here: Machine) -> None:
    """A job whose agent was killed ends after seconds, not after ten."""
    here.json("setting", "set", "agent.grace_s", "3")


class Killing:
    """An installation whose backups and restores are cut off, and what must be true of it all the time."""

    def __init__(self, here: Machine) -> None:
        """`here`: a core and its agent that run; `vault` of it is the folder in which the vault really is."""
        self.here = here
        self.source = tree.make(here.folder / "source", files=FILES, size=SIZE)
        self.snapshots: dict[str, dict[bytes, Facts]] = {}
        self.excludes = here.folder / "excludes"
        self.excludes.write_text("".join(f"**/none-{at}-*/*.x\n" for at in range(SLOW_SCAN)))
        self._round = 0

    def backup(self) -> str:
        """A backup that nothing disturbs; the tree as it is now must come back from it."""
        made = self.here.json("backup", "one", str(self.source))
        assert made["state"] == "successful"
        self.keep(made)
        snapshot: str = made["snapshot_id"]
        return snapshot

    def change(self) -> None:
        """New content for every file, so that the next backup has all its phases."""
        self._round += 1
        tree.make(self.source, files=FILES, size=SIZE, seed=100 + self._round)

    def cut_off_backup(self, kill: Kill, moment: Moment, *, picked_up: bool = False) -> dict[str, Any]:
        """Back up, kill at the moment, start again; the job at its end. `picked_up`: it is running when the core starts
        again."""
        for _ in range(TRIES):
            self.change()
            job = self.here.json("backup", "one", str(self.source), "--exclude-file", str(self.excludes), "--detach")
            met = moment(self.here, job["id"])
            if met:
                kill(self.here)
            ended = self.here.wait_job(job["id"])
            if met and (not picked_up or is_picked_up(self.here, job["id"])):
                return ended
            self.keep(ended)
        raise AssertionError("the moment was never met")

    def keep(self, ended: dict[str, Any]) -> None:
        """What a backup that ended well recorded must come back from now on."""
        if ended["state"] == "successful":
            self.snapshots[ended["snapshot_id"]] = walk(self.source)

    def through_all_moments(
        self, kill: Kill, ends: Mapping[str, tuple[str, ...]] = GOES_ON, *, picked_up: bool = False
    ) -> None:
        """A backup is cut off at each of the moments, and must end in one of these states; then all that was recorded
        is checked."""
        self.backup()
        for name, moment in MOMENTS.items():
            ended = self.cut_off_backup(kill, moment, picked_up=picked_up)
            assert ended["state"] in ends[name], (name, ended["error"])
            self.keep(ended)
            if ended["state"] != "successful":
                assert ended["error"]["hint"]
                self.backup()
        self.backup()
        self.check_everything()

    def check_everything(self) -> None:
        """What was recorded restores as it was; nothing is damaged."""
        listed = {each["id"] for each in self.here.json("snapshot", "list")}
        assert self.snapshots.keys() <= listed
        for snapshot, expected in self.snapshots.items():
            tree.restores_as(self.here, "one", snapshot, self.source, expected)
        assert self.here.json("vault", "verify", "--depth", "chunks")["state"] == "successful"
