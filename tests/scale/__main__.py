"""`make scale`: a core with a thousand simulated agents. Memory for each idle one; a schedule that is due for all at
once; a console's key presses beside it."""

import argparse
import asyncio
import json
import statistics
import sys
from asyncio.subprocess import PIPE

import structlog

from phoenix_core.client import CoreClient
from phoenix_core.domain.states import JobState
from tests.e2e.rig import Machine, machine
from tests.scale.fleet import Fleet, fleet
from tests.scale.memory import private_bytes
from tests.scale.storm import schedule_all, watch

SETTLE_S = 35.0
"""Three heartbeats and a little."""
MOST_BYTES_EACH = 100_000
MOST_KEY_S = 0.1
PRESSES = 400


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
        each = await _memory(here, made)
        async with CoreClient(here.socket) as client:
            due = await schedule_all(client, made, at_once)
            console = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.scale.keys",
                str(here.data),
                str(PRESSES),
                stdout=PIPE,
                env=here.environment,
            )
            storm = await watch(client, made, due)
        out, _ = await console.communicate()
        took = sorted(json.loads(out))
    states = ", ".join(f"{state}: {number}" for state, number in storm.states.items())
    _say(f"{count} backups in {storm.seconds:.0f} s, {storm.most_at_once} at once at most, {states}")
    p99 = took[int(len(took) * 0.99)]
    middle_ms, p99_ms, longest_ms = statistics.median(took) * 1000, p99 * 1000, took[-1] * 1000
    _say(f"key presses: median {middle_ms:.0f} ms, 99 % below {p99_ms:.0f}, longest {longest_ms:.0f}")
    good = {
        "memory": each <= MOST_BYTES_EACH,
        "at once": storm.most_at_once <= at_once,
        "all successful": set(storm.states) == {JobState.SUCCESSFUL},
        "key presses": p99 <= MOST_KEY_S,
    }
    _say(", ".join(f"{what}: {'ok' if met else 'NOT MET'}" for what, met in good.items()))
    return 0 if all(good.values()) else 1


async def _memory(here: Machine, made: Fleet) -> float:
    """Private bytes of the core for each agent that is connected and idle."""
    here.running_core.stop()
    here.start_core()
    await asyncio.sleep(SETTLE_S)
    alone = private_bytes(here.running_core.pid)
    await made.connect()
    await asyncio.sleep(SETTLE_S)
    together = private_bytes(here.running_core.pid)
    each = (together - alone) / len(made.names)
    _say(f"private memory of the core: {alone / 1e6:.1f} MB alone, {together / 1e6:.1f} MB with all connected and idle")
    _say(f"for each agent {each / 1e3:.1f} kB")
    return each


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
