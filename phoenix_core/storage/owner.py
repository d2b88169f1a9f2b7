"""Who owns a vault: one object, rewritten only under the condition that nobody else did, with a rising epoch.

A node writes it at its start and reads it again before each commit and each deletion. A node that was stopped in order
releases it; of one that died on this host the store's own lock tells (`ObjectStore.sole_user`), or that its process is
gone. In all other cases a second node is refused, and taking over is explicit.
"""

import secrets
import socket
from datetime import datetime

import msgspec

from phoenix_core.domain.clock import Clock
from phoenix_core.host.processid import ProcessName, this_process
from phoenix_core.storage.errors import ObjectMissing, OwnershipLost, VaultOwnedElsewhere
from phoenix_core.storage.objectstore import ObjectStore
from phoenix_core.vault.layout import OWNER
from phoenix_core.vault.malformed import MALFORMED

_NOBODY = ProcessName(machine="", boot="", pid=0, started="")


class Owner(msgspec.Struct, frozen=True):
    """The owner object, JSON."""

    epoch: int
    instance: str
    host: str
    process: ProcessName
    since: datetime
    released: bool = False


class Ownership:
    """Held by the one node that may write to a vault."""

    def __init__(self, store: ObjectStore, clock: Clock, *, take_over: bool = False) -> None:
        """Raises VaultOwnedElsewhere where another node owns the vault and `take_over` isn't set."""
        self._store = store
        found = store.head(OWNER)
        before = _decode(store.get(OWNER)) if found else None
        sole = store.sole_user()
        if before is not None and not take_over:
            free = before.released or sole is True or before.process.is_gone()
            if sole is False or not free:
                raise _owned(store, before)
        self._mine = Owner(
            epoch=before.epoch + 1 if before else 1,
            instance=secrets.token_hex(8),
            host=socket.gethostname(),
            process=this_process(),
            since=clock.now(),
        )
        data = msgspec.json.encode(self._mine)
        written = store.put(OWNER, data, if_match=found.version) if found else store.put(OWNER, data, if_absent=True)
        if not written:
            raise _owned(store, _decode(store.get(OWNER)))

    @property
    def epoch(self) -> int:
        return self._mine.epoch

    def problem(self) -> str:
        """What is wrong with the object, seen by the node that owns the vault; empty: nothing."""
        try:
            data = self._store.get(OWNER)
        except ObjectMissing:
            return "it is gone"
        now = _decode(data)
        if now != self._mine:
            return f"it names another owner, on {now.host}"
        return "" if data == msgspec.json.encode(self._mine) else "it isn't what was written"

    def check(self) -> None:
        """Raises OwnershipLost where another node took the vault over."""
        now = _decode(self._store.get(OWNER))
        if now.instance != self._mine.instance:
            raise OwnershipLost(host=now.host, place=self._store.place, epoch=now.epoch)

    def release(self) -> None:
        """Let the next node take the vault without asking; does nothing where another has it already."""
        found = self._store.head(OWNER)
        if found and _decode(self._store.get(OWNER)).instance == self._mine.instance:
            released = msgspec.structs.replace(self._mine, released=True)
            self._store.put(OWNER, msgspec.json.encode(released), if_match=found.version)


def _decode(data: bytes) -> Owner:
    """A damaged owner object counts as one of an unknown node."""
    try:
        return msgspec.json.decode(data, type=Owner)
    except MALFORMED:
        return Owner(epoch=0, instance="?", host="an unknown host", process=_NOBODY, since=datetime.min)  # noqa: DTZ901


def _owned(store: ObjectStore, owner: Owner) -> VaultOwnedElsewhere:
    return VaultOwnedElsewhere(place=store.place, host=owner.host, pid=owner.process.pid, epoch=owner.epoch)
