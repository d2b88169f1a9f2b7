"""How long a console takes for a key press: `python -m tests.scale.keys DATA PRESSES`, a process of its own."""

import asyncio
import json
import sys
import time
from itertools import cycle, islice
from pathlib import Path

from phoenix_tui.app import Console

KEYS = ("2", "down", "down", "up", "3", "down", "down", "up", "1")
"""Servers, jobs, dashboard, and moving in their tables."""
LOADED_S = 60.0
PAUSE_S = 0.15
"""Between presses, as somebody types."""


async def press(data: Path, presses: int) -> list[float]:
    """Seconds that each press took until the screen stood."""
    app = Console(data)
    taken: list[float] = []
    async with app.run_test(size=(120, 36)) as pilot:
        async with asyncio.timeout(LOADED_S):
            while not app.live.model.loaded:
                await pilot.pause(0.05)
        for key in islice(cycle(KEYS), presses):
            began = time.monotonic()
            await pilot.press(key)
            taken.append(time.monotonic() - began)
            await asyncio.sleep(PAUSE_S)
    return taken


def main() -> None:
    data, presses = sys.argv[1:]
    sys.stdout.write(json.dumps(asyncio.run(press(Path(data), int(presses)))) + "\n")


if __name__ == "__main__":
    main()
