"""What a fork server imports before it forks workers, so that they start with it: of all workers' modules, once."""

import gc

from phoenix_core.agent.backup import worker as backup_worker
from phoenix_core.agent.restore import worker as restore_worker

__all__ = ["backup_worker", "restore_worker"]

gc.freeze()  # the workers share these pages
