"""Moments of a job at which something is killed: after some time, as a step begins, as a name comes or goes."""

import random
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import psutil

from phoenix_core.agent.backup import aheadworker
from phoenix_core.agent.backup import workerbody as backup_worker
from phoenix_core.agent.restore import worker as restore_worker
from tests.agent.workers import workers_of
from tests.chaos.operators_api import OperatorsApi
from tests.e2e import watch
from tests.e2e.inotify import COMES, GOES, Watched
from tests.e2e.rig import FINAL, Machine

NEVER_S = 1.0
"""So long a moment is waited for that need not come: where nothing is unused, no pack is deleted."""
APPEARS_S = 3.0
"""So long a worker is waited for; nearly every job has one."""
LONGEST_PAUSE_S = 0.7
"""Longer than most of the jobs."""
Wait = Callable[[str], None]
Moment = Callable[[Machine], AbstractContextManager[Wait]]
"""Made ready before the job begins; gives what then waits until the job has come to the moment, or is over."""

STEPS = {
    "backup": ("WF5.3", "WF5.4", "WF1.4", "record"),
    "restore": ("WF2.2", "WF6.3", "WF6.4", "WF6.6"),
    "prune": ("plan", "rewrite", "wait", "sweep"),
    "compare": ("WF2.2", "compare"),
    "drill": ("sample", "WF2.2", "WF6.4", "WF6.6", "check"),
    "repair": ("look", "rescue", "index", "trees"),
    "stream": ("WF5.3", "WF1.4", "record"),
    "verify": (),
    "remove": (),
}


PHASES = {
    "WF5.4": "scan",
    "WF5.5": "scan",
    "WF5.6": "scan",
    "WF1.4": "transfer",
    "record": "record",
    "WF6.3": "plan",
    "WF6.4": "plan",
    "WF6.5": "plan",
    "WF6.6": "write",
    "check": "check",
    "compare": "compare",
}
"""By step; before all of these a job is `assigned`."""
AT_THE_AGENT = {"file_backup", "file_restore", "file_compare", "restore_drill"}
"""Jobs that have these phases; of others the phase is their kind."""
WORKERS = {
    "worker": {backup_worker.NAME: "backup-worker", restore_worker.NAME: "restore-worker"},
    "walker": {aheadworker.NAME: "walker"},
}
"""By role the names of its processes, and what they are called here."""


def moment(kind: str, victim: str, dice: random.Random) -> Moment:
    """One for a job of this kind."""
    if victim == "worker":
        return a_worker_runs(victim, dice.uniform(0, 0.3))
    if victim == "walker":
        return a_worker_runs(victim, dice.uniform(0, 0.03))
    if victim == "forkserver" and kind in {"backup", "restore", "drill"} and dice.random() < 0.5:
        return a_worker_runs(dice.choice(("worker", "walker") if kind == "backup" else ("worker",)), 0)
    choices: list[Moment] = [after(dice.uniform(0, LONGEST_PAUSE_S))]
    if STEPS[kind]:
        choices.append(step_begins(dice.choice(STEPS[kind])))
    if kind in {"backup", "stream", "prune", "remove"}:
        choices.append(comes(".incoming", dice.randint(1, 6)))
    if kind in {"backup", "stream"}:
        choices += [comes("snapshots"), comes("records")]
    if kind == "repair":
        choices.append(comes(".incoming"))
    if kind == "prune":
        choices += [_a_pack_goes]
    if kind == "remove":
        choices.append(comes("records"))
    return dice.choice(choices)


def after(pause_s: float) -> Moment:
    @contextmanager
    def ready(here: Machine) -> Iterator[Wait]:
        del here
        yield lambda job: _pause(pause_s)

    return ready


def step_begins(step: str) -> Moment:
    @contextmanager
    def ready(here: Machine) -> Iterator[Wait]:
        def reached(job: str) -> bool:
            found = here.job(job)
            return found["state"] in FINAL or any(
                each["id"] == step and each["state"] != "pending" for each in found["steps"]
            )

        yield lambda job: watch.wait_until(here.socket, f"step {step} of job {job}", lambda: reached(job))

    return ready


def comes(folder: str, number: int = 1) -> Moment:
    """So many names have come into a folder of the vault."""

    @contextmanager
    def ready(here: Machine) -> Iterator[Wait]:
        with Watched(here.vault / folder, what=COMES) as names:
            yield lambda job: _look(names, number)

    return ready


@contextmanager
def _a_pack_goes(here: Machine) -> Iterator[Wait]:
    folders = [folder for folder in (here.vault / "packs").rglob("*") if folder.is_dir()]
    with Watched(*folders, what=GOES) as names:
        yield lambda job: _look(names, 1)


def a_worker_runs(role: str, pause_s: float) -> Moment:
    """A process of this role that the agent has for a job, and a moment later."""

    @contextmanager
    def ready(here: Machine) -> Iterator[Wait]:
        def wait(job: str) -> None:
            del job
            end = time.monotonic() + APPEARS_S
            while not workers(here.agent.pid, role) and time.monotonic() < end:
                select.select([], [], [], 0.005)
            _pause(pause_s)

        yield wait

    return ready


def workers(agent: int, role: str) -> list[tuple[psutil.Process, str]]:
    """The agent's processes of this role, with what they are called."""
    found = []
    for each in workers_of(agent):
        with suppress(psutil.NoSuchProcess):
            if kind := WORKERS[role].get(each.name()):
                found.append((each, kind))
    return found


def phase(here: Machine, job: str) -> str:
    """Where the job is now, in a word: `idle` where it is over."""
    found = OperatorsApi(here.socket).job(job)
    if found["state"] in FINAL:
        return "idle"
    if found["kind"] not in AT_THE_AGENT:
        return str(found["kind"])
    begun = [str(each["id"]) for each in found["steps"] if each["state"] != "pending"]
    return next((PHASES[step] for step in reversed(begun) if step in PHASES), "assigned")


def make_folders(vault: Path) -> None:
    """The folders that moments look into; a new vault doesn't have them all."""
    for name in ("snapshots", "records", "packs", ".incoming"):
        (vault / name).mkdir(mode=0o700, exist_ok=True)


def _look(names: Watched, number: int) -> None:
    end = time.monotonic() + NEVER_S
    while number > 0 and (left := end - time.monotonic()) > 0:
        number -= len(names.look(left))


def _pause(seconds: float) -> None:
    """A kill at a moment that nothing announces is what the campaign is about."""
    threading.Event().wait(seconds)
