"""Restore drills: one that found what can't be restored, and servers that are to have drills without recent proof."""

from datetime import datetime, timedelta

from phoenix_core.catalog.backup_ends import BackupEnds
from phoenix_core.catalog.drills import Drills
from phoenix_core.catalog.rows import DrillRow, PeerRow
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.drills import DrillOutcome
from phoenix_core.domain.states import JobKind
from phoenix_core.domain.views import Event
from phoenix_core.engine.alerts.condition import Condition, Found
from phoenix_core.engine.alerts.words import moment
from phoenix_core.engine.peer_directory import AGENT, PeerDirectory
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.settings import Settings

DAYS = "drill.recent_days"


class DrillSource:
    """What the newest drill of a server says that came to a verdict counts."""

    def __init__(
        self, drills: Drills, ends: BackupEnds, directory: PeerDirectory, attached: Attached, settings: Settings
    ) -> None:
        self._drills = drills
        self._ends = ends
        self._directory = directory
        self._attached = attached
        self._settings = settings

    def heed(self, event: Event) -> bool:
        job = event.job
        return job is not None and job.kind is JobKind.RESTORE_DRILL and job.state.is_final

    def forget(self) -> None:
        """Nothing is noted."""

    async def look(self, now: datetime) -> Found:
        found = Found({AlertKind.DRILL_FAILED, AlertKind.PROOF_OLD}, [], {})
        verdicts = await self._drills.newest_verdicts()
        proofs = await self._drills.last_proofs()
        days = self._settings.whole(DAYS)
        policies = await self._attached.policies_by_server() if days else {}
        asked = {server_id for server_id, policy in policies.items() if policy.drill}
        first = await self._ends.first_good(asked) if asked else {}
        for peer in self._directory.of_role(AGENT):
            if peer.revoked_at is not None:
                continue
            drill = verdicts.get(peer.id)
            if drill is not None and drill.outcome is DrillOutcome.FAILED:
                found.conditions.append(_failed(peer, drill))
            elif drill is None:
                found.over[AlertKind.DRILL_FAILED, peer.id] = "No restore drill of it is on record any more."
            proved = proofs.get(peer.id)
            begin = proved or first.get(peer.id)
            if peer.id in asked and begin is not None and now - begin > timedelta(days=days):
                found.conditions.append(_old(peer, proved, days))
            else:
                found.over[AlertKind.PROOF_OLD, peer.id] = _why_not(proved, days, asked=peer.id in asked)
        return found


def _why_not(proved: datetime | None, days: int, *, asked: bool) -> str:
    """No proof of the server's restore is missed."""
    if not days:
        return f"The setting {DAYS} is 0: no proof of restore is asked for."
    if not asked:
        return "No policy asks for restore drills of it any more."
    return f"A restore was proved {moment(proved)}." if proved else "No restore of it had to be proved yet."


def _failed(peer: PeerRow, drill: DrillRow) -> Condition:
    entries = amount(drill.failure_count, "entry", "entries")
    return Condition(
        AlertKind.DRILL_FAILED,
        peer.id,
        peer.name,
        Severity.CRITICAL,
        f"In a restore drill {entries} of {peer.name} could not be restored, or differed from the snapshot.",
        f"`phoenix drill show {drill.id}` names them. `phoenix vault verify --depth chunks` finds what is damaged. "
        f"Back it up again: `phoenix backup {peer.name}`.",
        server_id=peer.id,
        job_id=drill.id,
        at=drill.ended_at,
    )


def _old(peer: PeerRow, proved: datetime | None, days: int) -> Condition:
    last = f"since {moment(proved)}" if proved else "yet"
    return Condition(
        AlertKind.PROOF_OLD,
        peer.id,
        peer.name,
        Severity.WARNING,
        f"That {peer.name} can be restored was not proved {last}; within {days} days it is to be.",
        f"`phoenix drill list` says what came of its drills; `phoenix drill run {peer.name}` does one now.",
        server_id=peer.id,
    )
