"""`make scale`: a core with a thousand simulated agents. Memory for each idle one; a schedule that is due for all at
once; a console's key presses beside it."""

import argparse
import asyncio
import statistics
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import structlog

from phoenix_core.client import CoreClient
from phoenix_core.domain.states import JobState
from tests.e2e.rig import Machine, machine
from tests.scale.fleet import Fleet, fleet
from tests.scale.keys import Press
from tests.scale.memory import private_bytes
from tests.scale.storm import Storm, schedule_all, watch

SETTLE_S = 35.0
"""Three heartbeats and a little."""
MOST_BYTES_EACH = 100_000
MOST_KEY_S = 0.1
SLOW_IN = 1000
"""Of so many key presses one may take longer: agents and console share the core's two processors here."""
PRESSES = 400
"""At least so many, also where the schedule is soon through."""


def main() -> int:
    words = argparse.ArgumentParser(prog="make scale", description=__doc__)
    words.add_argument("--agents", type=int, default=1000)
    words.add_argument("--at-once", type=int, default=8)
    given = words.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with machine() as here:
        here.init()
        here.start_core()
        return asyncio.run(_live(here, given.agents, given.at_once))


async def _live(here: Machine, count: int, at_once: int) -> int:
    async with fleet(here, count) as made:
        _say(f"{count} agents are enrolled")
        alone = await _alone(here)
        await made.connect()
        each = await _memory(here, made, alone, "all connected and idle")
        async with CoreClient(here.socket) as client:
            due = await schedule_all(client, made, at_once)
            async with _console(here) as console:
                storm = await watch(client, made, due)
            _tell_storm(count, storm)
        await _memory(here, made, alone, "all idle again after it")
    presses = [one for one in console.presses if one.at >= due.timestamp()]
    good = {
        "memory": each <= MOST_BYTES_EACH,
        "each server backed up once": True,  # else `watch` has raised
        "all successful": set(storm.states) == {JobState.SUCCESSFUL},
        f"{at_once} at once and no more": storm.most_at_once == min(at_once, count),
        "key presses": _tell_presses(presses),
    }
    _say(", ".join(f"{what}: {'ok' if met else 'NOT MET'}" for what, met in good.items()))
    return 0 if all(good.values()) else 1


@dataclass
class _Console:
    presses: Sequence[Press] = field(default_factory=tuple)


@asynccontextmanager
async def _console(here: Machine) -> AsyncIterator[_Console]:
    """A console on which keys are pressed until the block is through; then it has the presses."""
    made = _Console()
    words = (sys.executable, "-m", "tests.scale.keys", str(here.data), str(PRESSES))
    process = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, env=here.environment)
    try:
        yield made
        out, _ = await process.communicate(b"")  # without input Python 3.11 leaves its standard input open
        made.presses = msgspec.json.decode(out, type=tuple[Press, ...])
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _tell_storm(count: int, storm: Storm) -> None:
    states = ", ".join(f"{state}: {number}" for state, number in storm.states.items())
    _say(f"{count} backups in {storm.seconds:.0f} s, {storm.most_at_once} at once at most, {states}")


def _tell_presses(presses: Sequence[Press]) -> bool:
    """Whether a key press takes as long as one may."""
    if not presses:
        _say("no key was pressed while the schedule was due")
        return False
    taken = sorted(each.took_s for each in presses)
    middle_ms, p99_ms = statistics.median(taken) * 1000, taken[int(len(taken) * 0.99)] * 1000
    _say(f"{len(presses)} key presses since it was due: median {middle_ms:.0f} ms, 99 % below {p99_ms:.0f}")
    longest = sorted(presses, key=lambda each: -each.took_s)[:5]
    _say("the longest: " + ", ".join(f"{each.key} {each.took_s * 1000:.0f} ms" for each in longest))
    slow = sum(each > MOST_KEY_S for each in taken)
    _say(f"{slow} took more than {MOST_KEY_S * 1000:.0f} ms; one in {SLOW_IN} may")
    return slow <= len(presses) // SLOW_IN


async def _alone(here: Machine) -> int:
    """Private bytes of a core that was started anew, without a connection."""
    here.running_core.stop()
    here.start_core()
    await asyncio.sleep(SETTLE_S)
    alone = private_bytes(here.running_core.pid)
    _say(f"private memory of the core: {alone / 1e6:.1f} MB alone")
    return alone


async def _memory(here: Machine, made: Fleet, alone: int, when: str) -> float:
    """Private bytes of the core for each agent."""
    await asyncio.sleep(SETTLE_S)
    together = private_bytes(here.running_core.pid)
    each = (together - alone) / len(made.names)
    _say(f"{together / 1e6:.1f} MB with {when}: for each agent {each / 1e3:.1f} kB")
    return each


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
