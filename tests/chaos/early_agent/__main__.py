"""Lowers what keeps the walk ahead from small scans, slows those down so that it has the time, then is the command
line. As a `__main__` it isn't imported by the workers."""

import os
import time
from pathlib import Path

from phoenix_core.agent.backup import livefiles, scanahead
from phoenix_core.agent.backup.aheadmessages import Unchanged
from phoenix_core.cli.main import run
from tests.chaos.early_agent import WALKS

FOLDER_S = 0.02


class EarlyAhead(scanahead.ScanAhead):
    """It begins in the first folder."""

    from_entries = 0
    _taken = 0

    def unchanged(self, path: bytes, tree: bytes) -> Unchanged | None:
        time.sleep(FOLDER_S)
        found = super().unchanged(path, tree)
        self._taken += found is not None
        return found

    def close(self) -> None:
        if self._pool is not None and self._pool.process_ids:
            with Path(os.environ[WALKS]).open("a") as walks:
                walks.write(f"{self._taken}\n")
        super().close()


scanahead.LISTEN_FOLDERS = 1
livefiles.ScanAhead = EarlyAhead  # type: ignore[attr-defined]
run()
