"""The vault, the snapshots and the servers as operators see them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import structlog

from phoenix_core import __version__
from phoenix_core.catalog.backup_ends import BackupEnds, LastEnds
from phoenix_core.catalog.drills import Drills
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow, PeerRow, SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.policies import ContentRule
from phoenix_core.domain.readings import Readings
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.streams import name_of
from phoenix_core.domain.versions import standing
from phoenix_core.domain.views import ServerView, SnapshotView, StorageNodeView, VaultView
from phoenix_core.engine.content import parts_of
from phoenix_core.engine.events import EventBus
from phoenix_core.engine.peer_directory import AGENT, STORAGE, PeerDirectory
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.removed_servers import undo_left_s
from phoenix_core.engine.requests import VerifyJob
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.standing import holds, undo_until
from phoenix_core.engine.vault import OpenVault, VaultSeat
from phoenix_core.engine.vault_errors import DamageFound, NoVault, VaultRolledBack
from phoenix_core.storage.node_api import NodeStatus, PackState
from phoenix_core.vault.readturn import AHEAD

SECONDS_PER_DAY = 86400
VAULT_NEWS_INTERVAL_S = 1.0
VERIFIES_PAGE = 20
ANSWER_S = 5.0
"""So long is a storage node waited for that is to be shown."""

log = structlog.get_logger(__name__)

_NOTHING = NodeStatus(
    vault_id="",
    packs=0,
    chunks=0,
    stored_bytes=0,
    unproved_packs=0,
    condemned_packs=0,
    damaged_packs=0,
    snapshots=0,
    records=0,
    free_bytes=0,
    total_bytes=0,
    index_complete=False,
)


class Views:
    def __init__(
        self,
        seat: VaultSeat,
        directory: PeerDirectory,
        jobs: Jobs,
        ends: BackupEnds,
        snapshots: Snapshots,
        drills: Drills,
        attached: Attached,
        settings: Settings,
        clock: Clock,
        hostname: str,
        seen: SeenTime,
        upgrade_text: Callable[[str], str],
    ) -> None:
        """`upgrade_text`: what is to be said of a server's upgrade, by its id."""
        self._seat = seat
        self._directory = directory
        self._jobs = jobs
        self._ends = ends
        self._snapshots = snapshots
        self._drills = drills
        self._attached = attached
        self._settings = settings
        self._clock = clock
        self._hostname = hostname
        self._seen = seen
        self._upgrade_text = upgrade_text

    def snapshot(self, row: SnapshotRow) -> SnapshotView:
        age_s = (self._clock.now() - row.created_at).total_seconds()
        warm = age_s <= self._settings.whole("warm_days") * SECONDS_PER_DAY
        return SnapshotView(
            id=row.id,
            server_id=row.server_id,
            server_name=row.server_name,
            created_at=row.created_at,
            recorded_at=row.recorded_at,
            paths=row.paths,
            files=row.files,
            directories=row.directories,
            bytes=row.bytes,
            stored_bytes=row.stored_bytes,
            missing_count=row.missing_count,
            job_id=row.job_id,
            parent=row.parent,
            hostname=row.hostname,
            proved=row.proved and row.readable,
            tier="lost" if not row.readable else "warm" if warm else "cold",
            stream=name_of(row.paths),
            tags=row.tags,
            note=row.note,
            hold=holds(row, self._clock.now(), self._seen.now_s),
            removed_at=row.removed_at,
            removed_by=row.removed_by,
            undo_until=undo_until(row, self._clock.now(), self._seen.now_s),
        )

    async def servers(self) -> list[ServerView]:
        """Removed ones too, while they have snapshots or can be brought back."""
        counts = await self._snapshots.count_by_server()
        last = await self._ends.last()
        rules = await self._attached.rules_by_server()
        proofs = await self._drills.last_proofs()
        return [
            self._server(
                peer,
                counts.get(peer.id, 0),
                _last_backup(last.get(peer.id, {}), rules.get(peer.id, ())),
                proofs.get(peer.id),
            )
            for peer in self._directory.of_role(AGENT)
            if peer.revoked_at is None or counts.get(peer.id, 0) or self._undo_until(peer)
        ]

    async def server(self, peer: PeerRow) -> ServerView:
        counts = await self._snapshots.count_by_server()
        ends = (await self._ends.last([peer.id])).get(peer.id, {})
        last = _last_backup(ends, await self._attached.rules_of(peer.id))
        proofs = await self._drills.last_proofs()
        return self._server(peer, counts.get(peer.id, 0), last, proofs.get(peer.id))

    def _proof_due(self, proved_at: datetime | None) -> bool:
        days = self._settings.whole("drill.recent_days")
        return days > 0 and (proved_at is None or self._clock.now() - proved_at > timedelta(days=days))

    def _undo_until(self, peer: PeerRow) -> datetime | None:
        """None: it isn't removed, or stays so."""
        left_s = 0.0 if peer.revoked_at is None else undo_left_s(peer, self._settings, self._seen)
        if not left_s or self._directory.free_name(peer.name, peer.role) != peer.name:
            return None
        return self._clock.now() + timedelta(seconds=left_s)

    def _server(
        self, peer: PeerRow, snapshots: int, last: tuple[str, JobRow | None], proved_at: datetime | None
    ) -> ServerView:
        stream, job = last
        connected = self._directory.connected(peer.id)
        return ServerView(
            id=peer.id,
            name=peer.name,
            hostname=peer.hostname,
            platform=peer.platform,
            role=peer.role,
            agent_version=peer.version,
            connected=connected,
            enrolled_at=peer.enrolled_at,
            last_seen_at=self._clock.now() if connected else peer.last_seen_at,
            last_backup_at=job.finished_at if job else None,
            last_backup_state=job.state if job else None,
            last_backup_stream=stream,
            snapshots=snapshots,
            certificate_ends_at=self._directory.certificate_ends_at(peer.id),
            certificate_overdue_at=self._directory.certificate_overdue_at(peer.id),
            revoked=peer.revoked_at is not None,
            this_host=peer.this_host,
            default_paths=peer.default_paths,
            version_standing=standing(peer.version, __version__),
            last_proof_at=proved_at,
            proof_due=snapshots > 0 and peer.revoked_at is None and self._proof_due(proved_at),
            upgrade=self._upgrade_text(peer.id),
            undo_until=self._undo_until(peer),
        )

    async def storage_nodes(self) -> list[StorageNodeView]:
        """The core's own node, where it keeps the vault, and those that are enrolled."""
        chosen = self._settings.text("storage.node")
        answers = await self._node_answers()
        own = []
        if self._seat.descriptor is not None and not chosen:
            connected = self._seat.opened is not None
            own.append(StorageNodeView(id="embedded", name=self._hostname, url="", connected=connected, embedded=True))
        return own + [
            StorageNodeView(
                id=peer.id,
                name=peer.name,
                url=peer.url,
                connected=answers and chosen in {peer.id, peer.name, peer.url},
                embedded=False,
                enrolled_at=peer.enrolled_at,
            )
            for peer in self._directory.of_role(STORAGE)
            if peer.revoked_at is None
        ]

    async def _node_answers(self) -> bool:
        """Whether the storage node that keeps the vault can be had right now."""
        vault = self._seat.opened
        if vault is None:
            return False
        try:
            async with asyncio.timeout(ANSWER_S):
                await asyncio.to_thread(vault.node.status)
        except (PhoenixError, TimeoutError):
            return False
        return True

    async def vault(self) -> VaultView:
        """Raises NoVault. A vault that is locked or unreachable is shown with what is known of it."""
        descriptor = self._seat.descriptor
        if descriptor is None:
            raise self._seat.locked_by or NoVault(path=self._seat.location)
        status, unproved, problem = _NOTHING, 0, ""
        try:
            vault = self._seat.get()
            status, unproved = await asyncio.to_thread(_asked, vault)
        except PhoenixError as error:
            problem = error.message
        records = self._seat.records_problem
        if records is not None:
            problem = " ".join(filter(None, (problem, records.message)))
        verify = await self._last_verify()
        snapshots = await self._snapshots.totals()
        return VaultView(
            vault_id=descriptor.vault_id,
            format_version=descriptor.format_version,
            location=self._place(),
            created_at=descriptor.created_at,
            key_holder=self._seat.key_holder,
            key_available=self._seat.unlocked,
            packs=status.packs,
            chunks=status.chunks,
            stored_bytes=status.stored_bytes,
            source_bytes=snapshots.source_bytes,
            unproved_packs=unproved,
            condemned_packs=status.condemned_packs,
            damaged_packs=status.damaged_packs,
            snapshots=snapshots.count,
            lost_snapshots=snapshots.lost,
            removed_snapshots=snapshots.removed,
            records=status.records,
            free_bytes=status.free_bytes,
            total_bytes=status.total_bytes,
            index_complete=status.index_complete,
            index_problem=status.problem,
            epoch=descriptor.epoch,
            last_verify_at=verify.finished_at if verify else None,
            last_verify_state=verify.state if verify else None,
            last_verify_depth=_request(verify).depth if verify else None,
            last_verify_job=verify.id if verify else "",
            readings=self._readings(status),
            rolled_back=isinstance(records, VaultRolledBack),
            problem=problem,
        )

    def _readings(self, status: NodeStatus) -> Readings | None:
        if status.reads is None:
            return None
        ahead_ns = int((self._clock.now() + AHEAD).timestamp() * 1e9)
        return Readings(
            unread=status.reads.unread,
            oldest_at=_time(status.reads.oldest_ns),
            within_days=self._settings.whole("verify.days") if self._settings.text("verify.schedule") != "off" else 0,
            is_uncertain=status.reads.newest_ns > ahead_ns,
            unread_since=_time(status.reads.unread_since_ns),
            damaged=status.damaged_packs,
        )

    def _place(self) -> str:
        """Where the vault lies: a folder here, or a storage node elsewhere."""
        chosen = self._settings.text("storage.node")
        return f"storage node {chosen}" if chosen else self._seat.location

    async def _last_verify(self) -> JobRow | None:
        """The verify of all snapshots that came to its end last: well, or with damage found."""
        ends, seen = (JobState.SUCCESSFUL, JobState.FAILED), 0
        while page := await self._jobs.ended_last(JobKind.VERIFY, ends, VERIFIES_PAGE, seen):
            for job in page:
                damaged = job.error is not None and job.error.code == DamageFound.code
                if (job.state is JobState.SUCCESSFUL or damaged) and not _request(job).snapshots:
                    return job
            seen += len(page)
        return None


def _time(time_ns: int) -> datetime | None:
    return datetime.fromtimestamp(time_ns / 1e9, UTC) if time_ns else None


def _request(verify: JobRow) -> VerifyJob:
    return msgspec.json.decode(verify.request, type=VerifyJob)


def _asked(vault: OpenVault) -> tuple[NodeStatus, int]:
    """What the node tells, and how many packs wait to be read back: usable ones. Blocks."""
    status = vault.node.status()
    if not status.unproved_packs or not (status.damaged_packs or status.condemned_packs):
        return status, status.unproved_packs
    return status, sum(not pack.proved and pack.state is PackState.USABLE for pack in vault.node.packs())


class VaultNews:
    """Tells whoever follows the events of a vault that changed, at most once a second; `run` does so."""

    def __init__(self, views: Views, events: EventBus) -> None:
        self._views = views
        self._events = events
        self._changed = asyncio.Event()

    def changed(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                self._events.publish("vault", vault=await self._views.vault())
            except PhoenixError as error:
                log.info("the vault has nothing to tell", error=error.code)
            await asyncio.sleep(VAULT_NEWS_INTERVAL_S)


def _last_backup(ends: Mapping[str, LastEnds], rules: Sequence[ContentRule]) -> tuple[str, JobRow | None]:
    """That of the server's files, which no stream stands for; of its streams where its rules name nothing else, or
    where it has no rules and no backup of files: then with the stream's name, also of one that was never backed up."""
    newest = {stream: job for stream, of in ends.items() if (job := of.newest) is not None}
    named = parts_of(rules)
    if "" in named or (not named and "" in newest):
        return "", newest.get("")
    of_streams = {stream: job for stream, job in newest.items() if not named or stream in named}
    if of_streams:
        return max(of_streams.items(), key=lambda each: (each[1].ended_seen_s, each[0]))
    return ("", newest.get("")) if "" in newest else (next(iter(named), ""), None)
