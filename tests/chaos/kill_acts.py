"""What the kill campaign cuts off beside backups, restores and the upkeep of the vault: comparisons, drills, repairs,
and streams that are handed to the agent. Each begins in its way, and something must be true of it once it is over."""

import random
import select
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from phoenix_core.agent.drill.scratch import FOLDER as SCRATCH
from phoenix_core.agent.restore.journal import FOLDER as JOURNALS
from phoenix_core.agent.restore.journal import PASSING
from phoenix_core.agent.streamframes import SOCKET, StreamHello, StreamResult
from phoenix_core.cli.streamwork import Sender
from phoenix_core.domain.errors import PhoenixError
from tests.agent.independent_walk import Facts
from tests.chaos.kill_installation import SERVER, WELL, Installation
from tests.e2e import tree
from tests.e2e.watch import WITHIN_S

STREAM = "orders"
STREAM_BYTES = (1 << 20, 6 << 20)
STREAM_PAUSE_S = 0.3
"""In the middle of it, so that there is time to kill something."""


class Act(Protocol):
    def begin(self) -> str:
        """The job."""

    def check(self, ended: dict[str, Any], victims: tuple[str, ...]) -> None:
        """What must be true once the job is over and all that was killed was started again."""


class Comparison:
    """Of all bytes of a snapshot with the source as it is now."""

    def __init__(self, here: Installation, snapshot: str, dice: random.Random) -> None:
        del dice
        self._here = here
        self._snapshot = snapshot
        self._before = here.snapshots()[snapshot]

    def begin(self) -> str:
        return self._here.api.compare(SERVER, self._snapshot)

    def check(self, ended: dict[str, Any], victims: tuple[str, ...]) -> None:
        del victims
        if ended["state"] not in WELL:
            return
        told = {(each["path"], each["change"]) for each in self._here.api.differences(ended["id"])}
        told = {each for each in told if each[1] in {"added", "removed", "content"}}
        expected = self._expected(self._before, self._here.facts)
        assert told == expected, f"told of what isn't: {told - expected}, not told of: {expected - told}"
        self._here.counts["comparisons right"] += 1

    def _expected(self, before: dict[bytes, Facts], now: dict[bytes, Facts]) -> set[tuple[str, str]]:
        other = {
            path
            for path in before.keys() & now.keys()
            if (before[path].size, before[path].content) != (now[path].size, now[path].content)
        }
        found = {"added": now.keys() - before.keys(), "removed": before.keys() - now.keys(), "content": other}
        return {(f"{self._here.source.root}/{path.decode()}", change) for change in found for path in found[change]}


class Drill:
    """Of all of a snapshot."""

    def __init__(self, here: Installation, snapshot: str, dice: random.Random) -> None:
        del dice
        self._here = here
        self._snapshot = snapshot

    def begin(self) -> str:
        return self._here.api.drill(SERVER, self._snapshot)

    def check(self, ended: dict[str, Any], victims: tuple[str, ...]) -> None:
        del victims
        proofs = {each["id"]: each["outcome"] for each in self._here.api.drills()}
        outcome = proofs.get(ended["id"])
        if ended["state"] in WELL:
            assert (ended["result"]["failures"], outcome) == (0, "proved"), f"{ended['result']}, {outcome}"
            self._here.counts["drills that proved"] += 1
        else:
            assert outcome != "proved", "a drill that did not end proves something"
        state = self._here.here.data / "agent"
        wait_until(lambda: not _names(state / SCRATCH), f"the drill's scratch place keeps {_names(state / SCRATCH)}")
        left = [name for name in _names(state / JOURNALS) if name.startswith(PASSING)]
        assert not left, f"the drill's journal stays: {left}"


class Repair:
    """Of a pack whose table of blocks has a flipped bit: all of it can be saved."""

    def __init__(self, here: Installation, snapshot: str, dice: random.Random) -> None:
        del snapshot
        self._here = here
        self._dice = dice

    def begin(self) -> str:
        packs = sorted(path for path in (self._here.here.vault / "packs").rglob("*") if path.is_file())
        pack = self._dice.choice(packs)
        content = bytearray(pack.read_bytes())
        content[self._dice.randrange(-100, 0)] ^= 1 << self._dice.randrange(8)
        pack.unlink()
        pack.write_bytes(content)
        self._here.counts["packs harmed"] += 1
        return self._here.api.repair()

    def check(self, ended: dict[str, Any], victims: tuple[str, ...]) -> None:
        """Half a repair made nothing worse: a whole one saves all."""
        del ended, victims
        self._here.succeeds(self._here.api.repair())
        self._here.verifies()
        self._here.counts["vaults repaired"] += 1


class Stream:
    """Handed over by a command on the server."""

    def __init__(self, here: Installation, snapshot: str, dice: random.Random) -> None:
        del snapshot
        self._here = here
        self._content = dice.randbytes(dice.randint(*STREAM_BYTES))
        self._ends: list[StreamResult | PhoenixError] = []
        self._thread = threading.Thread(target=self._send, name="sender", daemon=True)
        self._source = Path(tempfile.mkdtemp(prefix="stream-", dir=here.room)) / STREAM
        self._source.write_bytes(self._content)

    def begin(self) -> str:
        before = {job["id"] for job in self._here.api.jobs()}
        self._thread.start()
        found: list[str] = []

        def begun() -> bool:
            found.extend(job["id"] for job in self._here.api.jobs() if job["id"] not in before and _is_stream(job))
            return bool(found) or bool(self._ends)

        wait_until(begun, "the stream has no job")
        assert found, f"the stream was not taken: {self._ends}"
        return found[0]

    def check(self, ended: dict[str, Any], victims: tuple[str, ...]) -> None:
        """A snapshot of it is whole; one that its sender was told of is there."""
        self._thread.join(WITHIN_S)
        assert self._ends, "the sender isn't told how it ended"
        (end,) = self._ends
        if isinstance(end, StreamResult) and end.snapshot_id:
            assert ended["snapshot_id"] == end.snapshot_id, f"told of {end}, but {ended}"
        elif ended["state"] in WELL:
            assert "agent" in victims, f"the stream is backed up, and its sender is told {end}"
        made = [each for each in self._here.api.snapshots() if each.get("stream")]
        assert ended["state"] not in WELL or [each["id"] for each in made] == [ended["snapshot_id"]], made
        for each in made:
            self._comes_back(each)
            self._here.succeeds(self._here.begin_removal(each["id"]))
        shutil.rmtree(self._source.parent)

    def _comes_back(self, snapshot: dict[str, Any]) -> None:
        (path,) = snapshot["paths"]
        job, target = self._here.begin_restore(snapshot["id"], Path(path))
        self._here.succeeds(job)
        content = tree.below(target, Path(path)).read_bytes()
        assert content == 2 * self._content, f"another stream of {len(content)} bytes came back"
        shutil.rmtree(target)
        self._here.counts["streams compared"] += 1

    def _send(self) -> None:
        sender = Sender(self._here.here.data / "agent" / SOCKET, StreamHello(STREAM, (), 600), quiet=True)
        command = ("sh", "-c", f'cat "$0"; sleep {STREAM_PAUSE_S}; cat "$0"', str(self._source))
        try:
            self._ends.append(sender.run(command))
        except PhoenixError as error:
            self._ends.append(error)


ACTS: dict[str, Callable[[Installation, str, random.Random], Act]] = {
    "compare": Comparison,
    "drill": Drill,
    "repair": Repair,
    "stream": Stream,
}


def wait_until(ready: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + WITHIN_S
    while not ready():
        assert time.monotonic() < end, otherwise
        select.select([], [], [], 0.02)


def _is_stream(job: dict[str, Any]) -> bool:
    return f"stream {STREAM}" in job["title"]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
