"""Streams that somebody on a server hands to its agent: the agent asks for a backup job, and how that job goes.

An agent may ask for its own server only, and a job comes to it as any other: an operator sees it and may cancel it.
Whoever stole an agent may ask too: so each server has so many a day (`streams.handed_per_day`).
"""

import asyncio
import hashlib

import msgspec

from phoenix_core.agentlink.ownstream import OwnStreamAnswer, OwnStreamRequest
from phoenix_core.catalog.handed_dumps import HandedDumps
from phoenix_core.catalog.jobs import ACTIVE
from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain import streams
from phoenix_core.domain.annotations import checked_tags
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import UsageError
from phoenix_core.domain.ids import id_of
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.errors import StreamsOfDayUsedUp, StreamUnderWay, TooManyStreams
from phoenix_core.engine.ledger import Ledger
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.queue import JobQueue
from phoenix_core.engine.requests import AGENT_ASKS, BackupJob, stream_of
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.titles import stream_title
from phoenix_core.engine.vault import VaultSeat

WAITING_MAX = 16
"""Of one server's streams; each has a sender that waits."""
TOKEN_MAX = 64
PER_DAY = "streams.handed_per_day"


class OwnStreams:
    def __init__(
        self,
        directory: PeerDirectory,
        seat: VaultSeat,
        ledger: Ledger,
        queue: JobQueue,
        handed: HandedDumps,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._seat = seat
        self._ledger = ledger
        self._queue = queue
        self._handed = handed
        self._settings = settings
        self._clock = clock
        self._turn = asyncio.Lock()
        """Limits hold for requests that come at once."""

    async def answer(self, peer_id: str, request: OwnStreamRequest) -> OwnStreamAnswer:
        """Raises UsageError, StreamUnderWay, TooManyStreams, StreamsOfDayUsedUp, NotOfThisJob, NoVault,
        ServerRemoved."""
        job = await self._ledger.job_of(peer_id, request.job) if request.job else await self._asked(peer_id, request)
        return OwnStreamAnswer(
            number=request.number,
            job=job.id,
            state=job.state,
            is_over=job.state.is_final,
            snapshot_id=job.snapshot_id,
            failure=job.error,
        )

    async def _asked(self, peer_id: str, request: OwnStreamRequest) -> JobRow:
        peer = self._directory.server_in_use(peer_id)
        self._seat.get()
        if not 0 < len(request.token) <= TOKEN_MAX:
            raise UsageError(detail="A sender of a stream is named by 1 to 64 signs.")
        try:
            stream = streams.handed(request.name, request.token)
        except ValueError as error:
            raise UsageError(detail=f"{error}.") from error
        tags = checked_tags(request.tags)
        job_id = id_of("j", hashlib.sha256(f"{peer_id}\0{request.token}".encode()).digest())
        known = await self._ledger.jobs.get(job_id)
        if known is not None:  # asked again, after a connection was lost
            return await self._ledger.job_of(peer_id, known.id)
        asked = BackupJob(peer.id, (streams.path_of(stream.name),), stream=stream, tags=tags)
        async with self._turn:
            await self._check(peer_id, stream.name)
            job = await self._ledger.create(
                JobKind.FILE_BACKUP,
                stream_title(peer.name, stream),
                msgspec.json.encode(asked).decode(),
                self._queue.plan_of(JobKind.FILE_BACKUP, peer.id),
                f"{AGENT_ASKS}{peer.name}",
                server_id=peer.id,
                agent_id=peer.id,
                job_id=job_id,
            )
        self._queue.poke()
        return job

    async def _check(self, peer_id: str, name: str) -> None:
        active = await self._ledger.jobs.listed(states=ACTIVE, server_id=peer_id, kind=JobKind.FILE_BACKUP)
        own = [each for each in active if each.requested_by.startswith(AGENT_ASKS)]
        same = next((each for each in own if stream_of(each.request) == name), None)
        if same is not None:
            raise StreamUnderWay(stream=name, job=same.id)
        if len(own) >= WAITING_MAX:
            raise TooManyStreams(count=len(own))
        most = self._settings.whole(PER_DAY)
        if most and await self._handed.asked_on(peer_id, self._clock.now()) >= most:
            raise StreamsOfDayUsedUp(server=self._directory.name_of(peer_id), count=most)
