"""What a fork server imports before it forks workers, so that they start with it: of all workers' modules, once."""

import gc

import psutil

from phoenix_core.agent.backup import aheadworker
from phoenix_core.agent.backup import worker as backup_worker
from phoenix_core.agent.restore import worker as restore_worker

__all__ = ["aheadworker", "backup_worker", "psutil", "restore_worker"]

gc.freeze()  # the workers share these pages
