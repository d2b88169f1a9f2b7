"""What the agent remembers from run to run: the vault's newest record that it has seen; and the lock on its folder."""

from pathlib import Path

import msgspec

from phoenix_core.agent.errors import AgentRunning, StateUnusable, VaultBehind
from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.host.atomicfile import write_atomic
from phoenix_core.host.processlock import LockHeld, ProcessLock

FILE_NAME = "seen.json"
LOCK_NAME = "agent.lock"


class Seen(msgspec.Struct, frozen=True):
    """`seen.json`."""

    last_record: int = 0
    """Sequence number of the newest record that the core told of; 0: none yet."""
    last_job: str = ""
    """The job that it answered."""
    vault: str = ""
    """The vault whose record it is."""
    rollback_accepted: str = ""
    """As in the newest order: when an administrator last accepted the loss of records."""


class AgentState:
    """Reads and writes files: not on an event loop."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        try:
            self.seen = msgspec.json.decode(self._path.read_bytes(), type=Seen)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            self.seen = Seen()

    def recorded(self, job: str, record: int, vault: str = "") -> None:
        """Remember the record that answered one of our commits. Raises `StateUnusable`."""
        self._keep(Seen(record, job, vault, self.seen.rollback_accepted))

    def check(self, order: BackupOrder) -> None:
        """Whether the vault that the order tells of still has the record that is remembered, or its loss was accepted
        since. Raises `VaultBehind`, `StateUnusable`."""
        seen = self.seen
        if order.last_record < 0 or order.vault_id != seen.vault or order.last_record >= seen.last_record:
            return
        if order.rollback_accepted in ("", seen.rollback_accepted):
            raise VaultBehind(expected=seen.last_record, found=order.last_record, job=seen.last_job)
        self._keep(Seen(order.last_record, "", seen.vault, order.rollback_accepted))

    def _keep(self, seen: Seen) -> None:
        self.seen = seen
        try:
            write_atomic(self._path, msgspec.json.encode(self.seen))
        except OSError as error:
            raise StateUnusable(path=self._path.parent, detail=error.strerror) from error

    def roll_back(self, last_record: int, vault: str = "") -> str:
        """What is wrong if the vault's newest record is this one; empty if nothing is, or if it is another vault than
        the one whose record is remembered. Neither number nor vault: the core doesn't know."""
        unknown = not vault and not last_record
        if unknown or vault != self.seen.vault or last_record >= self.seen.last_record:
            return ""
        return (
            f"The vault was rolled back: its newest record is number {last_record}, but number"
            f" {self.seen.last_record} answered a backup of this server (job {self.seen.last_job})."
            " Snapshots may be lost; run `phoenix vault verify`."
        )


class AgentLock(ProcessLock):
    """Held by the one agent process that runs on a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / LOCK_NAME)
        self._folder = folder

    def acquire(self) -> None:
        """Raises `AgentRunning`, `StateUnusable`."""
        try:
            super().acquire()
        except LockHeld as held:
            raise AgentRunning(path=self._folder, pid=held.pid or "unknown") from held
        except OSError as error:
            raise StateUnusable(path=self._folder, detail=error.strerror) from error
