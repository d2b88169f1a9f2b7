"""How long a console takes for a key press: `python -m tests.scale.keys DATA LEAST`, a process of its own. It presses
keys, at least so many, until its standard input ends, and prints them."""

import asyncio
import sys
import threading
import time
from itertools import cycle
from pathlib import Path

import msgspec

from phoenix_tui.app import Console

KEYS = (
    *("2", "down", "down", "up", "pagedown", "end", "home", "slash", "s", "0", "escape"),
    *("3", "down", "down", "up", "f", "f", "f", "f", "enter", "l", "escape"),
    *("4", "down", "pagedown", "5", "6", "down", "7", "down", "8", "down", "9", "question_mark", "escape", "1"),
)
"""Through all screens: servers and a search in them, jobs by their states, one job and its log, snapshots, vault,
settings, policies, alerts, notifications, help, dashboard."""
LOADED_S = 60.0
PAUSE_S = 0.15
"""Between presses, as somebody types."""


class Press(msgspec.Struct, frozen=True):
    key: str
    at: float
    """By the clock, in seconds since the epoch."""
    took_s: float
    """Until the screen stood."""


async def press(data: Path, least: int, enough: threading.Event) -> list[Press]:
    app = Console(data)
    made: list[Press] = []
    async with app.run_test(size=(120, 36)) as pilot:
        async with asyncio.timeout(LOADED_S):
            while not app.live.model.loaded:
                await pilot.pause(0.05)
        for key in cycle(KEYS):
            if enough.is_set() and len(made) >= least:
                break
            at, began = time.time(), time.monotonic()
            await pilot.press(key)
            made.append(Press(key, at, time.monotonic() - began))
            await asyncio.sleep(PAUSE_S)
    return made


def main() -> None:
    data, least = sys.argv[1:]
    enough = threading.Event()

    def wait() -> None:
        sys.stdin.buffer.read()
        enough.set()

    threading.Thread(target=wait, name="end of input", daemon=True).start()
    made = asyncio.run(press(Path(data), int(least), enough))
    sys.stdout.write(msgspec.json.encode(made).decode() + "\n")


if __name__ == "__main__":
    main()
