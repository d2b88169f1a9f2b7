"""The vault: that it can be used, that nothing of it is damaged or lost, that there is space, that packs are proved.

What `phoenix doctor` says of it is looked at here without being asked.
"""

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta

import structlog

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.amounts import amount, size
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import Event, VaultView
from phoenix_core.engine.alerts.condition import Condition, Found, Key
from phoenix_core.engine.alerts.holding import Holding
from phoenix_core.engine.alerts.words import moment
from phoenix_core.engine.lost_snapshots import LostSnapshots
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.vault_errors import NoVault
from phoenix_core.engine.vault_space import Space, judged
from phoenix_core.engine.vault_view import Views
from phoenix_core.engine.vault_words import broken_index, damage

VAULT = "vault"
ANSWER_S = 5.0
UNUSABLE_HOLDS_S = 120.0
"""A storage node may restart."""
PROOF_HOLDS_S = 600.0
"""After a catalog was made anew, the proof marks what it had proved within a round."""
LOST_EVERY_S = 3600.0
PROOF_DAYS = "alert.proof_days"
_KINDS = {
    AlertKind.VAULT_UNUSABLE,
    AlertKind.RECORDS_LOST,
    AlertKind.VAULT_DAMAGED,
    AlertKind.INDEX_UNUSABLE,
    AlertKind.VERIFY_FAILED,
    AlertKind.SNAPSHOTS_LOST,
    AlertKind.SPACE_LOW,
    AlertKind.PROOF_BEHIND,
}
_JOBS = frozenset({JobKind.VERIFY, JobKind.REPAIR, JobKind.PRUNE, JobKind.REBUILD_INDEX})

log = structlog.get_logger(__name__)


class VaultSource:
    def __init__(
        self,
        seat: VaultSeat,
        views: Views,
        snapshots: Snapshots,
        lost: LostSnapshots,
        settings: Settings,
        holding: Holding,
        clock: Clock,
    ) -> None:
        self._seat = seat
        self._views = views
        self._snapshots = snapshots
        self._lost = lost
        self._settings = settings
        self._holding = holding
        self._clock = clock
        self._asking: asyncio.Task[VaultView] | None = None
        """One at a time, so that a storage node that doesn't answer holds up one thread only."""
        self._looked_for_lost_s: float | None = None

    def heed(self, event: Event) -> bool:
        job = event.job
        return event.vault is not None or (job is not None and job.kind in _JOBS and job.state.is_final)

    def forget(self) -> None:
        """Nothing is noted."""

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def look(self, now: datetime) -> Found:
        await self._look_for_lost()
        try:
            view = await self._view()
        except NoVault:
            return Found(set())
        except PhoenixError as error:
            return self._unusable(error.message, error.what_to_do)
        if view is None:
            return self._unusable("Its storage node does not answer.", "See that it runs, and that its disk is there.")
        if not view.key_available or not view.total_bytes:
            cause = self._seat.locked_by
            hint = cause.what_to_do if cause else "See that its storage node runs, and that its disk is there."
            return self._unusable(view.problem or "Its key is not available.", hint)
        self._holding.for_s(AlertKind.VAULT_UNUSABLE, VAULT, UNUSABLE_HOLDS_S, holds=False)
        conditions = [*self._records(), *_contents(view), *_verify(view), *self._space(view)]
        conditions += [_loss(name, rows) for name, rows in _by_server(await self._snapshots.lost()).items()]
        conditions += await self._proof(view, now)
        return Found(set(_KINDS), conditions, self._why_over(view))

    async def _look_for_lost(self) -> None:
        """That names of snapshots are gone from the store is found by nobody else, unless somebody asks."""
        at_s = self._clock.monotonic_s()
        if self._looked_for_lost_s is None or at_s - self._looked_for_lost_s >= LOST_EVERY_S:
            self._looked_for_lost_s = at_s
            await self._lost.look()

    async def _view(self) -> VaultView | None:
        """None: there is no answer yet. Raises NoVault, and why it is locked."""
        asking = self._asking
        if asking is None:
            asking = self._asking = asyncio.create_task(self._views.vault(), name="alerts: ask the vault")
        await asyncio.wait((asking,), timeout=ANSWER_S)
        if not asking.done():
            return None
        self._asking = None
        return asking.result()

    def _unusable(self, why: str, hint: str) -> Found:
        found = Found({AlertKind.VAULT_UNUSABLE}, self._records())
        if self._holding.for_s(AlertKind.VAULT_UNUSABLE, VAULT, UNUSABLE_HOLDS_S, holds=True):
            text = f"The vault can't be used; no backup or restore can run. {why}"
            found.conditions.append(_of_vault(AlertKind.VAULT_UNUSABLE, Severity.CRITICAL, text, hint))
        return found

    def _records(self) -> list[Condition]:
        error = self._seat.records_problem
        if error is None:
            return []
        return [_of_vault(AlertKind.RECORDS_LOST, Severity.CRITICAL, error.message, error.what_to_do)]

    def _space(self, view: VaultView) -> list[Condition]:
        reserve = self._settings.whole("storage.reserve_bytes")
        found = judged(view.free_bytes, view.total_bytes, reserve)
        if found is Space.NONE:
            text = f"Not more than {size(reserve)} are free at {view.location}: backups are refused to keep them free."
            hint = "Free space there, or `phoenix vault prune --execute`."
            return [_of_vault(AlertKind.SPACE_LOW, Severity.CRITICAL, text, hint)]
        if found is Space.LOW:
            text = f"Less than {size(max(3 * reserve, view.total_bytes // 20))} are free at {view.location}."
            hint = "Plan for more space, or remove snapshots and `phoenix vault prune --execute`."
            return [_of_vault(AlertKind.SPACE_LOW, Severity.WARNING, text, hint)]
        return []

    def _why_over(self, view: VaultView) -> dict[Key, str]:
        """Where something else than its mending ended an alert."""
        found: dict[Key, str] = {}
        if view.last_verify_state is None:
            found[AlertKind.VERIFY_FAILED, VAULT] = "No verify of all snapshots is on record any more."
        if why := self._why_no_proof(view):
            found[AlertKind.PROOF_BEHIND, VAULT] = why
        return found

    def _why_no_proof(self, view: VaultView) -> str:
        """Why no proof is waited for; empty: it is."""
        if not self._settings.whole(PROOF_DAYS):
            return f"The setting {PROOF_DAYS} is 0: no proof is waited for."
        if not self._settings.flag("prove.enabled"):
            return "The setting prove.enabled is false: no proof is waited for."
        if view.damaged_packs:
            return "Packs are damaged, which is an alert of its own; they are never proved."
        return ""

    async def _proof(self, view: VaultView, now: datetime) -> list[Condition]:
        days = self._settings.whole(PROOF_DAYS)
        wanted = not self._why_no_proof(view)
        oldest = await self._snapshots.unproved_before(now - timedelta(days=days)) if wanted else None
        if not self._holding.for_s(AlertKind.PROOF_BEHIND, VAULT, PROOF_HOLDS_S, holds=oldest is not None):
            return []
        text = f"Snapshots recorded at {moment(oldest)} and later wait to be read back, decrypted and re-hashed."
        hint = (
            "The proof takes what jobs leave of one processor: see that the core's machine isn't overloaded, and its "
            "log for packs that can't be read."
        )
        return [_of_vault(AlertKind.PROOF_BEHIND, Severity.WARNING, text, hint)]


def _contents(view: VaultView) -> list[Condition]:
    found: list[Condition] = []
    if view.damaged_packs:
        found.append(_of_vault(AlertKind.VAULT_DAMAGED, Severity.CRITICAL, *damage(view)))
    if not view.index_complete:
        found.append(_of_vault(AlertKind.INDEX_UNUSABLE, Severity.CRITICAL, *broken_index(view)))
    return found


def _verify(view: VaultView) -> list[Condition]:
    if view.last_verify_state is not JobState.FAILED:
        return []
    text = f"The last verify of all snapshots, depth {view.last_verify_depth}, found damage."
    hint = f"`phoenix job show {view.last_verify_job}` names it. Mend it, then `phoenix vault verify` again."
    return [
        Condition(
            AlertKind.VERIFY_FAILED,
            VAULT,
            VAULT,
            Severity.CRITICAL,
            text,
            hint,
            job_id=view.last_verify_job,
            at=view.last_verify_at,
        )
    ]


def _by_server(lost: list[SnapshotRow]) -> dict[str, list[SnapshotRow]]:
    found: defaultdict[str, list[SnapshotRow]] = defaultdict(list)
    for row in lost:
        found[row.server_id].append(row)
    return found


def _loss(server_id: str, rows: list[SnapshotRow]) -> Condition:
    name = rows[0].server_name
    text = f"{amount(len(rows), 'snapshot')} of {name} can't be read: the object is gone from the vault, or damaged."
    hint = f"`phoenix doctor` names each, and what to do. Back {name} up again: `phoenix backup {name}`."
    return Condition(AlertKind.SNAPSHOTS_LOST, server_id, name, Severity.CRITICAL, text, hint, server_id=server_id)


def _of_vault(kind: AlertKind, severity: Severity, text: str, hint: str) -> Condition:
    return Condition(kind, VAULT, VAULT, severity, text, hint)
