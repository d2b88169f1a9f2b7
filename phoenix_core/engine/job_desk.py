"""Takes operators' requests: checks what can be checked at once, and queues a job."""

import msgspec

from phoenix_core.catalog.jobs import ACTIVE
from phoenix_core.catalog.rows import JobRow, PeerRow
from phoenix_core.domain import streams
from phoenix_core.domain.annotations import checked_tags
from phoenix_core.domain.comparing import CompareRequest
from phoenix_core.domain.errors import Cancelled, Conflict, NotFound, PhoenixError, UsageError
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.names import absolute
from phoenix_core.domain.policies import ContentRule
from phoenix_core.domain.requests import BackupRequest, PruneRequest, RepairRequest, RestoreRequest, VerifyRequest
from phoenix_core.domain.states import ConflictRule, JobKind, JobState
from phoenix_core.engine.content import excludes_of, paths_of
from phoenix_core.engine.errors import (
    AmbiguousName,
    EarlierRuns,
    GroupWithoutRules,
    NothingToBackUp,
    OutsideWindow,
    PlatformMismatch,
    RunMissed,
    SourceGone,
    StreamNeedsPlace,
)
from phoenix_core.engine.families import family_of
from phoenix_core.engine.ledger import Ledger
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.queue import WAITING, JobQueue
from phoenix_core.engine.requests import (
    POLICY_ASKS,
    BackupJob,
    CompareJob,
    PruneJob,
    RebuildIndexJob,
    RemoveSnapshotJob,
    RepairJob,
    RestoreJob,
    RetentionJob,
    ScheduledBackup,
    VerifyJob,
    by_hand_instead,
    scheduled_job,
    stream_of,
)
from phoenix_core.engine.runner import Runner
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.snapshots_in_use import SnapshotsInUse
from phoenix_core.engine.sources import LATEST, Sources
from phoenix_core.engine.titles import listed, stream_title
from phoenix_core.engine.vault import VaultSeat

LOOKED_AT = 100
"""So many of a server's backups, for the newest one of files."""


class JobDesk:
    def __init__(
        self,
        seat: VaultSeat,
        directory: PeerDirectory,
        sources: Sources,
        settings: Settings,
        ledger: Ledger,
        queue: JobQueue,
        runner: Runner,
        attached: Attached,
        in_use: SnapshotsInUse,
    ) -> None:
        self._in_use = in_use
        self._attached = attached
        self._seat = seat
        self._directory = directory
        self._sources = sources
        self._settings = settings
        self._ledger = ledger
        self._queue = queue
        self._runner = runner

    # --- finding -----------------------------------------------------------------------------------------------------

    async def find_job(self, name: str) -> JobRow:
        """By id or unique prefix. Raises NotFound, AmbiguousName."""
        found = await self._ledger.jobs.with_prefix(name) if name else []
        exact = [job for job in found if job.id == name]
        if len(found) > 1 and not exact:
            raise AmbiguousName(what="Job", name=name, found=", ".join(job.id for job in found))
        if not found:
            raise NotFound(what="job", name=name or "nothing")
        return (exact or found)[0]

    # --- new jobs ----------------------------------------------------------------------------------------------------

    async def backup(self, request: BackupRequest, who: str) -> JobRow:
        peer = self._directory.server_in_use(request.server)
        self._seat.get()
        if request.stream or request.script:
            return await self._backup_stream(request, peer, who)
        paths = _absolute(request.paths)
        if streams.name_of(paths):
            raise UsageError(detail=f"In {streams.FOLDER} streams lie: name one with --stream NAME --from SCRIPT.")
        of_group = () if paths else await self._attached.rules_of(peer.id)
        rules = tuple(rule for rule in of_group if rule.paths)
        if rules:
            last = BackupJob(peer.id, paths_of(rules), excludes_of(rules), rules=rules)
        else:
            last = BackupJob(peer.id, paths) if paths else await self._last_backup(peer)
        job = msgspec.structs.replace(
            last,
            excludes=request.excludes or last.excludes,
            cross_mounts=request.cross_mounts or last.cross_mounts,
            dry_run=request.dry_run,
            full=request.full,
            source_snapshot=request.source_snapshot,
            scheduled=False,
            rules=_without(last.rules, request.excludes) if request.excludes else last.rules,
            tags=checked_tags(request.tags),
        )
        title = f"{'Trial backup' if job.dry_run else 'Backup'} of {peer.name}: {listed(job.paths)}"
        title += f", without {listed(job.excludes)}" if job.excludes else ""
        title += ", by its group's rules" if rules else ", as last time" if not paths else ""
        return await self._queue_job(JobKind.FILE_BACKUP, title, job, who, peer.id, peer.id)

    async def _backup_stream(self, request: BackupRequest, peer: PeerRow, who: str) -> JobRow:
        if request.paths or request.excludes or request.dry_run:
            raise UsageError(detail="A stream is backed up by itself: without paths or patterns, and not on trial.")
        try:
            stream = streams.checked(request.stream, request.script)
        except ValueError as error:
            raise UsageError(detail=f"{error}.") from error
        job = BackupJob(peer.id, (streams.path_of(stream.name),), stream=stream, tags=checked_tags(request.tags))
        return await self._queue_job(JobKind.FILE_BACKUP, stream_title(peer.name, stream), job, who, peer.id, peer.id)

    async def scheduled_backup(self, wanted: ScheduledBackup, rules: tuple[ContentRule, ...]) -> JobRow:
        """A backup that its policy's schedule asks for; the job that is there, where it was made before. `_why_skipped`
        says where it is one that is skipped."""
        known = await self._ledger.jobs.get(wanted.job_id)
        if known is not None:
            return known
        name = self._directory.name_of(wanted.server_id)
        request = scheduled_job(wanted, rules)
        if request.stream is not None:
            title = stream_title(name, request.stream)
        else:
            title = f"Backup of {name}: {listed(request.paths) or 'nothing'}"
            title += f", without {listed(request.excludes)}" if request.excludes else ""
        why = await self._why_skipped(wanted, name, request)
        job = await self._ledger.create(
            JobKind.FILE_BACKUP,
            title,
            msgspec.json.encode(request).decode(),
            self._queue.plan_of(JobKind.FILE_BACKUP, wanted.server_id),
            POLICY_ASKS + wanted.policy,
            server_id=wanted.server_id,
            agent_id=wanted.server_id,
            job_id=wanted.job_id,
            skipped=why.view() if why else None,
        )
        if wanted.missed and why is None:
            text = f"It was due at {wanted.due_text}, and could not begin then; it is made up for."
            await self._ledger.note(job.id, text, "warning")
        self._queue.poke()
        return job

    async def _why_skipped(self, wanted: ScheduledBackup, name: str, request: BackupJob) -> PhoenixError | None:
        if not request.paths:
            return GroupWithoutRules(group=wanted.group, policy=wanted.policy, server=name)
        if wanted.left_out:
            return RunMissed(server=name, due=wanted.due_text, policy=wanted.policy, job=wanted.job_id)
        if not wanted.in_window:
            return OutsideWindow(server=name, policy=wanted.policy)
        active = await self._ledger.jobs.listed(states=ACTIVE, server_id=wanted.server_id, kind=JobKind.FILE_BACKUP)
        wanted_stream = wanted.stream.name if wanted.stream else ""
        earlier = next(
            (
                each
                for each in active
                if each.requested_by.startswith(POLICY_ASKS) and stream_of(each.request) == wanted_stream
            ),
            None,
        )
        return EarlierRuns(server=name, job=earlier.id) if earlier else None

    async def restore(self, request: RestoreRequest, who: str, *, own_only: bool = False) -> JobRow:
        """`own_only`: an agent asks, so nothing of an earlier enrolment under the same name is given."""
        self._seat.get()  # without its key, neither its servers nor its snapshots may be known
        source = await self._sources.server(request.server)
        if not source.enrolled and not request.to_server:
            raise SourceGone(server=source.name)
        target = self._directory.server_in_use(request.to_server or source.id)
        paths = _absolute(request.paths)
        snapshot = await self._sources.snapshot(request.snapshot, source.id, own_only=own_only, paths=paths)
        await self._sources.check(snapshot, paths)
        if source.platform and family_of(source.platform) != family_of(target.platform):
            raise PlatformMismatch(
                server=source.name, source=source.platform, to_server=target.name, target=target.platform
            )
        stream = streams.name_of(snapshot.paths)
        if stream and not request.destination:
            raise StreamNeedsPlace(stream=stream, server=source.name, snapshot=snapshot.id[:SHORT_ID_DIGITS])
        if target.id != source.id and not request.destination:
            raise UsageError(detail=f"Data of {source.name} needs a destination folder on {target.name}.")
        job = RestoreJob(
            server_id=source.id,
            agent_id=target.id,
            snapshot_id=snapshot.id,
            paths=paths,
            destination=_absolute((request.destination,))[0] if request.destination else "",
            conflict=request.conflict or ConflictRule(self._settings.text("restore.conflict")),
            check_only=request.check_only,
        )
        title = f"{'Check of a restore' if job.check_only else 'Restore'} of {source.name}"
        title += f": {listed(job.paths)}" if job.paths else ""
        title += f" to {target.name}" if target.id != source.id else ""
        return await self._queue_job(JobKind.FILE_RESTORE, title, job, who, source.id, target.id)

    async def compare(self, request: CompareRequest, who: str) -> JobRow:
        """The snapshot's own server compares: what another has there says nothing of it."""
        self._seat.get()
        server = self._directory.server_in_use(request.server)
        paths = _absolute(request.paths)
        snapshot = await self._sources.snapshot(request.snapshot, server.id, paths=paths)
        await self._sources.check(snapshot, paths)
        job = CompareJob(
            server_id=server.id,
            snapshot_id=snapshot.id,
            paths=paths,
            folder=_absolute((request.folder,))[0] if request.folder else "",
            content=request.content,
        )
        title = f"Comparison of {server.name} with snapshot {snapshot.id[:SHORT_ID_DIGITS]}"
        title += f": {listed(job.paths)}" if job.paths else ""
        return await self._queue_job(JobKind.FILE_COMPARE, title, job, who, server.id, server.id)

    async def verify(self, request: VerifyRequest, who: str) -> JobRow:
        self._seat.get()
        rows = [await self._sources.snapshot(name) for name in request.snapshots]
        job = VerifyJob(depth=request.depth, snapshots=tuple(row.id for row in rows))
        return await self._queue_job(JobKind.VERIFY, f"Verify of the vault: {request.depth}", job, who)

    async def repair(self, request: RepairRequest, who: str) -> JobRow:
        self._seat.get()
        title = "Repair of the vault" if request.execute else "Plan of a repair of the vault"
        return await self._queue_job(JobKind.REPAIR, title, RepairJob(request.depth, request.execute), who)

    async def verify_in_turn(self, who: str, job_id: str = "") -> JobRow:
        """The structure of the vault, and some packs to their last chunk: those that were read longest ago."""
        self._seat.get()
        title = "Verify of the vault: structure, and packs in turn"
        return await self._queue_job(JobKind.VERIFY, title, VerifyJob(in_turn=True), who, job_id=job_id)

    async def prune_if_worth_it(self, who: str, job_id: str = "") -> JobRow:
        self._seat.get()
        job = PruneJob(execute=True, if_worth_it=True)
        return await self._queue_job(JobKind.PRUNE, "Prune of the vault, where it is worth it", job, who, job_id=job_id)

    async def prune(self, request: PruneRequest, who: str) -> JobRow:
        self._seat.get()
        title = "Prune of the vault" if request.execute else "Plan of a prune of the vault"
        return await self._queue_job(JobKind.PRUNE, title, PruneJob(execute=request.execute), who)

    async def rebuild_index(self, who: str) -> JobRow:
        self._seat.get()
        return await self._queue_job(JobKind.REBUILD_INDEX, "Rebuild of the index", RebuildIndexJob(), who)

    async def remove_snapshot(self, name: str, who: str, *, typed: str, at_once: bool = False) -> JobRow:
        """`typed` is the first twelve digits of its id or more, whatever `name` is. `at_once`: so that nothing brings
        it back; one that is set aside already goes for good too. Raises UsageError, SnapshotRemoved, SnapshotHeld,
        SnapshotInUse."""
        self._seat.get()
        if name == LATEST:
            raise UsageError(detail="A snapshot to remove is named by its id.")
        row = await self._sources.snapshot(name, removed=at_once)
        short = row.id[:SHORT_ID_DIGITS]
        if not (typed.startswith(short) and row.id.startswith(typed)):
            raise UsageError(detail=f"A snapshot's removal wants {short} typed; this is {typed or 'nothing'}.")
        self._sources.check_free(row)
        await self._in_use.check(row)
        title = f"{'Final removal' if at_once else 'Removal'} of snapshot {short} of {row.server_name}"
        job = RemoveSnapshotJob(snapshot_id=row.id, at_once=at_once)
        return await self._queue_job(JobKind.SNAPSHOT_REMOVE, title, job, who, row.server_id)

    async def remove_expired(self, who: str) -> JobRow:
        """A job that makes final all removals whose undo period is over."""
        self._seat.get()
        title = "Final removal of snapshots whose undo period is over"
        return await self._queue_job(JobKind.SNAPSHOT_REMOVE, title, RemoveSnapshotJob(), who)

    async def retention(self, who: str, job_id: str = "") -> JobRow:
        self._seat.get()
        title = "Retention of all policies"
        return await self._queue_job(JobKind.RETENTION, title, RetentionJob(), who, job_id=job_id)

    async def retry(self, name: str, who: str) -> JobRow:
        """A new job that does what a finished one was to do; where an operator asks, it waits for its agent. Raises
        Conflict while that still runs."""
        old = await self.find_job(name)
        if not old.state.is_final:
            raise Conflict(
                detail=f"Job {old.id} is {old.state.replace('_', ' ')}.",
                advice=f"Wait for it with `phoenix job watch {old.id}`, or cancel it: `phoenix job cancel {old.id}`.",
            )
        self._seat.get()
        if old.agent_id:
            self._directory.server_in_use(old.agent_id)
        if old.error is not None and old.error.code == GroupWithoutRules.code:
            raise Conflict(
                detail=f"Job {old.id} had nothing to back up: the server's group had no content rules then.",
                advice=f"Back it up by today's rules: `phoenix backup {self._directory.name_of(old.server_id)}`.",
            )
        job = await self._ledger.create(
            old.kind,
            old.title,
            old.request if who.startswith(POLICY_ASKS) else by_hand_instead(old.kind, old.request),
            self._queue.plan_of(old.kind, old.agent_id),
            who,
            server_id=old.server_id,
            agent_id=old.agent_id,
            retry_of=old.id,
            attempt=old.attempt + 1,
        )
        self._queue.poke()
        return job

    async def cancel(self, name: str, who: str) -> JobRow:
        """End a waiting job, or ask a running one to end. Raises Conflict for one that is over."""
        job = await self.find_job(name)
        if job.state.is_final:
            raise Conflict(
                detail=f"Job {job.id} is over: {job.state.replace('_', ' ')}.",
                advice=f"Start it again with `phoenix job retry {job.id}`.",
            )
        run = self._runner.run_of(job.id)
        if run is None:
            error = Cancelled(who=who, job=job.id).view()
            cancelled = await self._ledger.move(
                job.id, JobState.CANCELLED, expected=WAITING, cancelled_by=who, error=error
            )
            await self._ledger.end_steps(job.id, error)
            return cancelled
        await self._ledger.note(job.id, f"{who} cancels the job.")
        updated = await self._ledger.update(job.id, cancelled_by=who)
        run.cancel(who)
        return updated

    # --- inside ------------------------------------------------------------------------------------------------------

    async def _last_backup(self, peer: PeerRow) -> BackupJob:
        """What the server's last backup backed up: folders, and what it left out. Raises NothingToBackUp."""
        if not peer.default_paths:
            raise NothingToBackUp(server=peer.name)
        recorded = await self._ledger.jobs.recorded_backups(peer.id, LOOKED_AT)
        found = next((job for job in recorded if not stream_of(job.request)), None)
        last = msgspec.json.decode(found.request, type=BackupJob) if found else None
        return last if last and last.paths == peer.default_paths else BackupJob(peer.id, peer.default_paths)

    async def _queue_job(
        self,
        kind: JobKind,
        title: str,
        request: msgspec.Struct,
        who: str,
        server_id: str = "",
        agent_id: str = "",
        job_id: str = "",
    ) -> JobRow:
        """`job_id`: its id, where that follows from what asks for it; the job that has it, where there is one."""
        known = await self._ledger.jobs.get(job_id) if job_id else None
        if known is not None:
            return known
        job = await self._ledger.create(
            kind,
            title,
            msgspec.json.encode(request).decode(),
            self._queue.plan_of(kind, agent_id),
            who,
            server_id=server_id,
            agent_id=agent_id,
            job_id=job_id,
        )
        self._queue.poke()
        return job


def _without(rules: tuple[ContentRule, ...], excludes: tuple[str, ...]) -> tuple[ContentRule, ...]:
    """The rules, leaving these out rather than what they say."""
    return tuple(msgspec.structs.replace(rule, excludes=excludes) for rule in rules)


def _absolute(paths: tuple[str, ...]) -> tuple[str, ...]:
    """The paths in their one form, once each. Raises UsageError."""
    try:
        return tuple(dict.fromkeys(absolute(path) for path in paths))
    except ValueError as error:
        raise UsageError(detail=f"{error}.") from error
