"""An installation whose processes are killed: what runs, what was committed, what must be true at any time."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.agent.independent_walk import Facts, differences, walk
from tests.agent.workers import fork_servers_of
from tests.chaos import early_agent
from tests.chaos.changing_source import ChangingSource
from tests.chaos.kill_moments import make_folders
from tests.chaos.operators_api import OperatorsApi
from tests.e2e import lone_node, tree
from tests.e2e.rig import Machine, machine

SERVER = "one"
MEMORY = Path("/dev/shm")
"""Trees that are compared and thrown away lie there; a disk would only slow them down."""
AGENT = (sys.executable, "-m", early_agent.__name__)
LAST_CHARS = 8000
WELL = {"successful"}


class Installation:
    """A core and its agent, and perhaps a storage node of its own; all of them run."""

    def __init__(self, here: Machine, node: Machine | None, room: Path, counts: Counter[str]) -> None:
        """`room`: a folder for the source and for what is restored."""
        self.here = here
        self.node = node
        self.api = OperatorsApi(here.socket)
        self.counts = counts
        self.source = ChangingSource(room / "source")
        self.facts = self.source.facts()
        self.room = room
        self._walks = Path(here.environment[early_agent.WALKS])
        self._grace_s = 0
        self._tried: dict[str, dict[bytes, Facts]] = {}
        """What each backup's job saw, whether it ended well or not."""
        self._committed: set[str] = set()

    # --- jobs --------------------------------------------------------------------------------------------------------

    def change(self, dice: random.Random, *, much: bool) -> None:
        self.source.change(dice, much=much)
        self.facts = self.source.facts()

    def begin_backup(self, excludes: tuple[str, ...] = ()) -> str:
        job = self.api.backup(SERVER, self.source.root, excludes)
        self._tried[job] = self.facts
        return job

    def begin_restore(self, snapshot: str, path: Path | None = None) -> tuple[str, Path]:
        """Of the source, or of another path."""
        target = Path(tempfile.mkdtemp(prefix="back-", dir=self.room))
        return self.api.restore(SERVER, snapshot, path or self.source.root, target), target

    def begin_removal(self, snapshot: str) -> str:
        """From now on it doesn't count as committed; whether it goes depends on the job."""
        self._committed.discard(snapshot)
        return self.api.remove(snapshot)

    def wait_for_agents(self, seconds: int) -> None:
        """So long a job waits for its agent to come back."""
        if seconds != self._grace_s:
            self._grace_s = seconds
            self.api.set("agent.grace_s", str(seconds))

    def note(self, ended: dict[str, Any]) -> None:
        """What a job that ended well promises is held against it from now on."""
        if ended["kind"] == "file_backup" and ended["state"] in WELL:
            assert ended["snapshot_id"], ended
            self._committed.add(ended["snapshot_id"])

    def succeeds(self, job: str) -> dict[str, Any]:
        """A job that nothing disturbs."""
        ended = self.here.wait_job(job)
        assert ended["state"] in WELL, f"an undisturbed {ended['kind']} is {ended['state']}: {ended['error']}"
        self.note(ended)
        return ended

    def backs_up(self) -> str:
        """The snapshot of a backup that nothing disturbs: of one with a parent a second process shares the scan."""
        before = len(self._walks.read_text().splitlines())
        ended = self.succeeds(self.begin_backup())
        walks = self._walks.read_text().splitlines()[before:]
        (parent,) = (step["detail"] for step in ended["steps"] if step["id"] == "WF5.3")
        assert walks or parent == "full", f"nobody walked ahead of {ended}"
        self.counts["walks ahead"] += len(walks)
        self.counts["folders found ahead"] += sum(map(int, walks))
        return str(ended["snapshot_id"])

    # --- checks ------------------------------------------------------------------------------------------------------

    def snapshots(self) -> dict[str, dict[bytes, Facts]]:
        """All of files that are listed, oldest first, with what they must hold; all that were committed are among
        them."""
        listed = {each["id"]: each for each in self.api.snapshots() if not each.get("stream")}
        assert self._committed <= listed.keys(), f"committed and not listed: {self._committed - listed.keys()}"
        unread = [name for name, each in listed.items() if not each.get("readable", True)]
        assert not unread, f"listed, and can't be read: {unread}"
        in_order = sorted(listed.values(), key=lambda each: str(each["recorded_at"]))
        return {each["id"]: self._tried[each["job_id"]] for each in in_order}

    def compare(self, target: Path, expected: dict[bytes, Facts]) -> None:
        found = differences(expected, walk(tree.below(target, self.source.root)))
        assert not found, f"{len(found)} entries came back otherwise: {found[:5]}"
        shutil.rmtree(target)
        self.counts["restores compared"] += 1

    def all_restore(self) -> list[str]:
        """All that are listed, oldest first; the next ones are restored while one is compared."""
        listed = self.snapshots()
        begun = [(*self.begin_restore(snapshot), expected) for snapshot, expected in listed.items()]
        for job, target, expected in begun:
            self.succeeds(job)
            self.compare(target, expected)
        return list(listed)

    def verifies(self) -> None:
        self.succeeds(self.api.verify())

    # --- processes ---------------------------------------------------------------------------------------------------

    def start_again(self, roles: list[str]) -> None:
        """What was killed, in this order."""
        for role in roles:
            match role:
                case "core":
                    self.here.start_core()
                case "storage":
                    assert self.node is not None
                    self.node.start_storage()
                case "agent":
                    self.here.start_agent(wait=False)
        self.here.wait_connected(self.here.agent_id)

    def another_agent(self) -> None:
        """One that doesn't wait longer from loss to loss before it dials the core again."""
        self.here.agent.stop()
        self.here.start_agent()

    def last_words(self) -> str:
        """Where the threads of all processes are, which ends them, and what was logged last."""
        nodes = [self.node.storage] if self.node is not None else []
        for process in (self.here.agent, self.here.running_core, *nodes):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGABRT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        logs = [*self.here.folder.glob("*.log"), *self.here.data.glob("logs/*.log")]
        return "\n".join(f"{log.name}: …{log.read_text(errors='replace')[-LAST_CHARS:]}" for log in sorted(logs))

    def kill(self, role: str) -> None:
        match role:
            case "core":
                self.here.running_core.kill()
            case "storage":
                assert self.node is not None
                self.node.storage.kill()
            case "agent":
                self.here.agent.kill()
            case "forkserver":
                (server,) = fork_servers_of(self.here.agent.pid)
                server.kill()


@contextlib.contextmanager
def installation(counts: Counter[str], *, own_node: bool) -> Iterator[Installation]:
    """With a first snapshot. `own_node`: a storage node as a process of its own keeps the vault."""
    with contextlib.ExitStack() as held:
        here = held.enter_context(machine())
        room = held.enter_context(tempfile.TemporaryDirectory(prefix="phx-", dir=MEMORY if MEMORY.is_dir() else None))
        here.environment["PYTHONFAULTHANDLER"] = "1"
        walks = here.folder / "walks"
        walks.touch()
        here.environment[early_agent.WALKS] = str(walks)
        here.agent_program = AGENT
        here.init()
        here.start_core()
        here.enroll(SERVER)
        here.start_agent()
        node = held.enter_context(lone_node.lone_node(here)) if own_node else None
        made = Installation(here, node, Path(room), counts)
        make_folders(here.vault)
        made.backs_up()
        yield made
