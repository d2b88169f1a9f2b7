"""Compares the store's records with those that this core has seen: at its start, whenever somebody asks how the vault
is, and before each commit and each deletion."""

import asyncio
from collections.abc import Callable

import structlog

from phoenix_core.catalog.errors import CatalogFull
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.clock import Clock
from phoenix_core.engine.commit import last_record_seen
from phoenix_core.engine.reconcile import reconcile
from phoenix_core.engine.record_chain import Stored
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.standing import as_recorded
from phoenix_core.engine.vault import OpenVault, VaultSeat
from phoenix_core.engine.vault_errors import RecordsBroken, VaultRolledBack

ACCEPT = "vault.accept_rollback"
_ACCEPTED_AT = "vault.rollback_accepted."
"""Fact, by vault: when an administrator last accepted the loss of records."""

log = structlog.get_logger(__name__)


class RecordWatch:
    """Keeps the seat's `records_problem` true to the store. Used from the event loop only."""

    def __init__(
        self,
        seat: VaultSeat,
        snapshots: Snapshots,
        facts: Facts,
        settings: Settings,
        name_of: Callable[[str], str],
        changed: Callable[[], None],
        clock: Clock,
        seen: SeenTime,
    ) -> None:
        """`name_of`: a server's name by its id. `changed` is called when a problem comes, changes or goes."""
        self._seat = seat
        self._snapshots = snapshots
        self._facts = facts
        self._settings = settings
        self._name_of = name_of
        self._changed = changed
        self._clock = clock
        self._seen = seen
        self.turn = asyncio.Lock()
        """Held by whoever appends a record, or reads the records anew."""
        self.accepted_at = ""
        """When the loss of records was last accepted; empty: never."""

    async def open(self, vault: OpenVault) -> None:
        """Read all records of a vault that is to be seated. Raises what the node raises."""
        async with self.turn:
            self.accepted_at = await self._facts.get(_ACCEPTED_AT + vault.vault_id) or ""
            await self._read(vault)

    async def look(self) -> None:
        """Find out whether the store still has what it had; all records are read only where it hasn't. Raises what the
        node raises."""
        vault = self._seat.opened
        if vault is not None:
            async with self.turn:
                await self._look(vault)

    async def check(self) -> None:
        """Raises NoVault, RecordsBroken, VaultRolledBack, and what the node raises."""
        vault = self._seat.get()
        async with self.turn:
            await self.check_in_turn(vault)

    async def check_in_turn(self, vault: OpenVault) -> None:
        """As `check`, for who holds `turn`."""
        await self._look(vault)
        if self._seat.records_problem is not None:
            raise self._seat.records_problem

    async def _look(self, vault: OpenVault) -> None:
        accepted = self._settings.whole(ACCEPT)
        stored = await asyncio.to_thread(vault.chain.compare)
        await self._take_late(vault)
        if stored is Stored.SAME and self._seat.records_problem is None and not accepted:
            return
        last_seen = await last_record_seen(self._facts, vault)
        if stored is Stored.NONE and accepted != last_seen:
            # Perhaps a disk that isn't mounted: nothing is said of single snapshots.
            self._tell(VaultRolledBack(found=0, expected=max(last_seen, vault.chain.last)))
            return
        await self._read(vault)

    async def _take_late(self, vault: OpenVault) -> None:
        if self._seat.records_problem is not None:
            return  # they may tell less than they did
        late = vault.chain.taken_late()
        try:
            for snapshot in sorted(late):
                row = await self._snapshots.get(snapshot)
                if row is not None:
                    await self._snapshots.put(as_recorded(row, vault.chain.standing(snapshot), self._seen.now_s))
                late.discard(snapshot)
        except CatalogFull as error:
            log.warning("what was decided can't be kept in the catalog yet", error=error.message)
        finally:
            vault.chain.owe(late)

    async def _read(self, vault: OpenVault) -> None:
        accepted = self._settings.whole(ACCEPT)
        seen = await last_record_seen(self._facts, vault)
        problem = await reconcile(
            vault, self._snapshots, self._facts, self._name_of, seen_s=self._seen.now_s, accepted=accepted
        )
        if accepted and problem is None:
            # Once only: the next loss of a record with this number wants its own word.
            if accepted == seen or accepted > vault.chain.last:
                self.accepted_at = self._clock.now().isoformat()
                await self._facts.put(_ACCEPTED_AT + vault.vault_id, self.accepted_at)
            await self._settings.put(ACCEPT, "0", "the core")
        self._tell(problem)

    def _tell(self, problem: RecordsBroken | VaultRolledBack | None) -> None:
        before = self._seat.records_problem
        self._seat.records_problem = problem
        if (before and before.message) == (problem and problem.message):
            return
        if problem is not None:
            log.error("the records are not what this core has seen", error=problem.message)
        else:
            log.info("the records are right again")
        self._changed()
