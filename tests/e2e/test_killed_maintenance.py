"""kill -9 of core and storage node while they prune, verify and rebuild: nothing that a snapshot needs is lost, and the
next try succeeds."""

import functools
import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.agent.independent_walk import walk
from tests.e2e import tree, watch
from tests.e2e.inotify import GOES, Watched
from tests.e2e.killing import step_begins
from tests.e2e.lone_node import lone_node, restart
from tests.e2e.rig import FINAL, Machine
from tests.e2e.standing_still import standing_still

FILES, SIZE = 90, 30_000
KEPT = FILES // 3
PRUNES = 5
pytestmark = pytest.mark.timeout(400)

Wait = Callable[[str], object]
Moment = Callable[[Machine], AbstractContextManager[Wait]]
"""Made ready before a job begins; gives what waits until the job has come to the moment."""


@contextmanager
def it_runs(here: Machine) -> Iterator[Wait]:
    yield lambda job: here.wait_state(job, "running", *FINAL)


@contextmanager
def a_pack_is_rewritten(here: Machine) -> Iterator[Wait]:
    with Watched(*_pack_folders(here)) as names:
        yield lambda job: names.wait()


@contextmanager
def a_pack_is_deleted(here: Machine) -> Iterator[Wait]:
    with Watched(*_pack_folders(here), what=GOES) as names:
        yield lambda job: names.wait()


@contextmanager
def it_waits_for_a_backup(here: Machine) -> Iterator[Wait]:
    large = tree.make(here.folder / "large", files=200, size=300_000, seed=next(_seeds))
    backup = here.json("backup", "one", str(large), "--detach")["id"]
    assert step_begins("WF1.4")(here, backup), "the transfer was over too soon"
    with standing_still([here.agent.pid]):
        yield lambda job: watch.wait_until(here.socket, "the wait", lambda: _step(here, job, "wait") == "running")
    made = here.wait_job(backup)
    assert made["state"] == "successful"
    here.json("snapshot", "remove", made["snapshot_id"], "--at-once", "--confirm", made["snapshot_id"][:12])


_seeds = itertools.count(1000)


def _step(here: Machine, job: str, step: str) -> str:
    (found,) = (str(each["state"]) for each in here.job(job)["steps"] if each["id"] == step)
    return found


def _pack_folders(here: Machine) -> list[Path]:
    packs = here.vault / "packs"
    return [folder for folder in packs.rglob("*") if folder.is_dir()]


class Littered:
    """A vault with packs that nothing needs, and some of which little is needed."""

    def __init__(self, here: Machine) -> None:
        self.here = here
        self.source = tree.make(here.folder / "source", files=FILES, size=SIZE, seed=1)
        self.snapshots = {self._backup(): walk(self.source)}
        self._last = ""
        self._seed = 1

    def litter(self) -> None:
        """Packs of two snapshots that are gone; of one of them the newest snapshot needs a third."""
        if self._last:
            self._remove(self._last)
        self._change(0)
        gone = self._backup()
        self._change(KEPT)
        self._last = self._backup()
        self.snapshots[self._last] = walk(self.source)
        self._remove(gone)

    def cut_off_prune(self, kill: Callable[[], None], moment: Moment) -> None:
        """Prune, kill at the moment and start again; then all is whole, and the next prune does what was left."""
        self.litter()
        with moment(self.here) as wait:
            job = self.here.json("vault", "prune", "--execute", "--yes", "--detach")["id"]
            wait(job)
            kill()
        ended = self.here.wait_job(job)
        assert ended["state"] == "successful" or ended["error"]["hint"]
        self.check()
        assert self.here.json("vault", "prune", "--execute", "--yes")["state"] == "successful"
        self.check()

    def check(self) -> None:
        assert self.here.json("vault", "verify", "--depth", "chunks")["state"] == "successful"

    def check_all(self) -> None:
        """What is kept restores as it was; what nobody needs goes, second copies once the others are proved."""
        for _ in range(PRUNES):
            plan = self.here.json("vault", "prune", "--execute", "--yes")["result"]
            if not plan["unused_packs"]:
                break
        else:
            raise AssertionError(f"something unused stays: {plan}")
        self.check()
        listed = {each["id"] for each in self.here.json("snapshot", "list")}
        assert listed == self.snapshots.keys()
        for snapshot, expected in self.snapshots.items():
            tree.restores_as(self.here, "one", snapshot, self.source, expected)

    def _backup(self) -> str:
        made: str = self.here.json("backup", "one", str(self.source))["snapshot_id"]
        return made

    def _change(self, first: int) -> None:
        """New content for the files from `first` on."""
        self._seed += 1
        kept = [(path, path.read_bytes()) for path in sorted(self.source.rglob("file-*"))[:first]]
        tree.make(self.source, files=FILES, size=SIZE, seed=self._seed)
        for path, content in kept:
            path.write_bytes(content)

    def _remove(self, snapshot: str) -> None:
        self.here.json("snapshot", "remove", snapshot, "--at-once", "--confirm", snapshot[:12])
        self.snapshots.pop(snapshot, None)


MOMENTS: tuple[Moment, ...] = (it_runs, a_pack_is_rewritten, it_waits_for_a_backup, a_pack_is_deleted)


def _connected(here: Machine) -> bool:
    """Whether the core says that the storage node elsewhere is there."""
    (node,) = watch.get(here.socket, "/v1/storage-nodes")
    return bool(node["connected"])


def _core(here: Machine) -> None:
    here.running_core.kill()
    here.start_core()
    here.wait_connected(here.agent_id)


def test_the_core_is_killed_while_it_prunes(here: Machine) -> None:
    littered = Littered(here)
    for moment in MOMENTS:
        littered.cut_off_prune(lambda: _core(here), moment)
    littered.check_all()


def test_a_storage_node_of_its_own_is_killed_while_the_core_prunes(here: Machine) -> None:
    with lone_node(here) as node:
        littered = Littered(here)
        for moment in MOMENTS:
            littered.cut_off_prune(lambda: restart(node), moment)
        littered.check_all()


def test_killed_while_they_verify_and_rebuild(here: Machine) -> None:
    with lone_node(here) as node:
        littered = Littered(here)
        littered.litter()
        for kill in (functools.partial(_core, here), functools.partial(restart, node)):
            job = here.json("vault", "verify", "--depth", "chunks", "--detach")["id"]
            here.wait_state(job, "running", *FINAL)
            kill()
            ended = here.wait_job(job)
            assert ended["state"] == "successful" or ended["error"]["hint"]
            littered.check()

            assert _connected(here)
            node.storage.stop()
            assert not _connected(here)
            shutil.rmtree(node.data / "index")
            node.start_storage()
            watch.wait_until(here.socket, "the node", lambda: not watch.get(here.socket, "/v1/vault")["index_complete"])
            job = here.json("vault", "rebuild-index", "--detach")["id"]
            here.wait_state(job, "running", *FINAL)
            kill()
            here.wait_job(job)
            assert here.json("vault", "rebuild-index")["state"] == "successful"
            littered.check()
        littered.check_all()
