"""Restores that an agent asks for on its own host (WF2.1), with what it needs to choose and to wait: its server's
restore points, and how its job goes.

An agent may ask for its own server only, by the id of its certificate: nothing of another, and nothing of an earlier
enrolment under the same name. The job comes to it as any other: an operator sees it and may cancel it.
"""

from collections.abc import Callable

from phoenix_core.agentlink.messages import OwnRestoreAnswer, OwnRestoreRequest
from phoenix_core.agentlink.ownrestore import (
    MISSING_MAX,
    SNAPSHOTS_MAX,
    OwnJobAnswer,
    OwnJobRequest,
    OwnSnapshot,
    OwnSnapshotsAnswer,
    OwnSnapshotsRequest,
)
from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.names import shown
from phoenix_core.domain.requests import RestoreRequest
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.ledger import Ledger
from phoenix_core.engine.requests import AGENT_ASKS
from phoenix_core.engine.sources import Sources
from phoenix_core.engine.standing import since_epoch_ns
from phoenix_core.engine.vault import VaultSeat

OwnRequest = OwnRestoreRequest | OwnSnapshotsRequest | OwnJobRequest


class OwnRestores:
    def __init__(
        self, seat: VaultSeat, sources: Sources, desk: JobDesk, ledger: Ledger, name_of: Callable[[str], str]
    ) -> None:
        """`name_of`: a server's name by its id."""
        self._seat = seat
        self._sources = sources
        self._desk = desk
        self._ledger = ledger
        self._name_of = name_of

    async def answer(self, peer_id: str, request: OwnRequest) -> OwnRestoreAnswer | OwnSnapshotsAnswer | OwnJobAnswer:
        """Raises NoVault, NotOfThisJob, and what `JobDesk.restore` raises."""
        if isinstance(request, OwnSnapshotsRequest):
            return await self._snapshots(peer_id, request)
        if isinstance(request, OwnJobRequest):
            return await self._job(peer_id, request)
        return await self._restore(peer_id, request)

    async def _restore(self, peer_id: str, request: OwnRestoreRequest) -> OwnRestoreAnswer:
        job = await self._desk.restore(
            RestoreRequest(
                server=peer_id,
                snapshot=request.snapshot_id,
                paths=tuple(shown(path) for path in request.paths),
                destination=shown(request.destination),
                conflict=request.conflict,
            ),
            f"{AGENT_ASKS}{self._name_of(peer_id)}",
            own_only=True,
        )
        return OwnRestoreAnswer(number=request.number, job=job.id)

    async def _snapshots(self, peer_id: str, request: OwnSnapshotsRequest) -> OwnSnapshotsAnswer:
        self._seat.get()
        limit = max(1, min(request.limit, SNAPSHOTS_MAX))
        rows = await self._sources.listed(peer_id, limit, own_only=True)
        return OwnSnapshotsAnswer(number=request.number, snapshots=tuple(map(_told, rows)))

    async def _job(self, peer_id: str, request: OwnJobRequest) -> OwnJobAnswer:
        job = await self._ledger.job_of(peer_id, request.job)
        over = job.state.is_final
        missing = (await self._ledger.jobs.files(job.id))["missing"] if over and job.missing_count else []
        return OwnJobAnswer(
            number=request.number,
            job=job.id,
            state=job.state,
            is_over=over,
            snapshot_id=job.snapshot_id,
            result=job.result,
            missing=tuple(missing[:MISSING_MAX]),
            missing_count=job.missing_count,
            failure=job.error,
        )


def _told(row: SnapshotRow) -> OwnSnapshot:
    return OwnSnapshot(
        snapshot_id=row.id,
        taken_ns=since_epoch_ns(row.created_at),
        paths=row.paths,
        files=row.files,
        bytes=row.bytes,
        missing_count=row.missing_count,
        lost=not row.readable,
        tags=row.tags,
    )
