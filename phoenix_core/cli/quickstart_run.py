"""The quickstart: vault, core, agent, two backups, a restore and a comparison, on real input. Never writes in PATH."""

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from phoenix_core.agent.compare import Comparison, compare
from phoenix_core.cli.attach import answers
from phoenix_core.cli.errors import NoSpace
from phoenix_core.cli.output import print_json, say, size, warn
from phoenix_core.cli.progress import job_display
from phoenix_core.cli.quickstart_report import Phase, QuickstartReport, print_report
from phoenix_core.cli.vaultinit import RECOVERY_ADVICE, location, make_vault, refuse_while_core_runs
from phoenix_core.cli.waiting import exit_code, wait_for_job
from phoenix_core.client import CoreClient
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.errors import EXIT_DONE, EXIT_FAILED, EXIT_MISSING_FILES, RemoteError, UsageError
from phoenix_core.domain.names import shown
from phoenix_core.domain.requests import BackupRequest, RestoreRequest
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import JobView, ServerView
from phoenix_core.engine.vault_errors import NoVault
from phoenix_core.engine.vaults import find_vault
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.space import space_at
from phoenix_core.vault.wrap import new_passphrase

ESTIMATE = "estimate"
SPARE_BYTES = 64 * 2**20
GOOD = frozenset({JobState.SUCCESSFUL, JobState.SUCCESSFUL_WITH_ERRORS})


class _JobEnded(Exception):
    """A job of the quickstart did not succeed; it was printed already."""

    def __init__(self, job: JobView) -> None:
        super().__init__(job.id)
        self.job = job


async def run_quickstart(data: DataDirectory, path: Path, *, as_json: bool) -> int:
    """The exit code: 0 only where the comparison found no difference, 3 where files were missing."""
    source = _source(path)
    tell = (lambda text: None) if as_json else say
    data.create()
    _check_space(data, 0, 0, at_least=True)
    passphrase = await _vault(data, tell, tell_passphrase=warn if as_json else say)
    async with _core_and_agent(data, tell) as (client, server):
        try:
            report = await _Quickstart(data, client, server, source, as_json=as_json).run()
        except _JobEnded as ended:
            error = ended.job.error
            if error is not None:
                raise RemoteError(error) from None
            return exit_code(ended.job)
    report.recovery_passphrase = passphrase
    if as_json:
        print_json(report)
    else:
        print_report(report, server.name)
    if not report.comparison.is_equal:
        return EXIT_FAILED
    return EXIT_MISSING_FILES if report.missing_count else EXIT_DONE


async def _vault(data: DataDirectory, tell: Callable[[str], None], tell_passphrase: Callable[[str], None]) -> str:
    """Make a vault where there is none and never was one. The recovery passphrase of a new one, else empty.

    Whatever fails or is interrupted later, the passphrase was told."""
    try:
        await asyncio.to_thread(find_vault, data, Path(location(data)))
    except NoVault:
        await refuse_while_core_runs(data, "making a vault")
    else:
        tell(f"Using the vault in {location(data)}.")
        return ""
    passphrase = new_passphrase()

    def make() -> None:
        descriptor, holder = make_vault(data, passphrase)
        tell(f"Made vault {descriptor.vault_id} in {location(data)}; its key is held by: {holder}.")
        tell_passphrase(f"Recovery passphrase: {passphrase}")
        tell(RECOVERY_ADVICE)

    await asyncio.to_thread(make)
    return passphrase


def _check_space(data: DataDirectory, changed_bytes: int, whole: int, *, at_least: bool = False) -> None:
    """Raises NoSpace. The vault may need all that is new, if nothing of it compresses; the restore all there is.

    Both in bytes without holes, which are neither stored nor written. `at_least`: how much there is isn't known yet."""
    vault = space_at(Path(location(data)))
    temporary = space_at(data.spool)
    if vault.device == temporary.device:
        needs = [(vault, changed_bytes + whole, "a first backup and a restore of this folder")]
    else:
        needs = [(vault, changed_bytes, "a first backup"), (temporary, whole, "the restore")]
    for space, bare, purpose in needs:
        needed = bare + SPARE_BYTES
        if space.free_bytes < needed:
            told = f"at least {size(needed)}" if at_least else size(needed)
            raise NoSpace(place=space.path, free=size(space.free_bytes), needed=told, purpose=purpose, option="--data")


@contextlib.asynccontextmanager
async def _core_and_agent(
    data: DataDirectory, tell: Callable[[str], None]
) -> AsyncIterator[tuple[CoreClient, ServerView]]:
    """The core that runs here, or one embedded, with this machine's agent enrolled and connected."""
    from phoenix_core.cli.embedded import EmbeddedCore
    from phoenix_core.cli.ownagent import OwnAgent, enrol_here, is_enrolled

    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(CoreClient(data.core_socket))
        if not await answers(client):
            core = EmbeddedCore(data)
            await core.start()
            stack.push_async_callback(core.stop)
        if not is_enrolled(data):
            await enrol_here(data, client)
            tell("Enrolled this machine's agent.")
        agent = OwnAgent(data)
        connected = [server for server in await client.servers() if server.this_host and server.connected]
        if not connected:
            await agent.start()
            stack.push_async_callback(agent.stop)
        yield client, connected[0] if connected else await agent.wait_connected(client)


class _Quickstart:
    def __init__(
        self, data: DataDirectory, client: CoreClient, server: ServerView, source: Path, *, as_json: bool
    ) -> None:
        self._data = data
        self._client = client
        self._server = server
        self._source = source
        self._as_json = as_json

    async def run(self) -> QuickstartReport:
        """Raises NoSpace, _JobEnded, and what the core answers."""
        path = shown(os.fsencode(self._source))
        request = BackupRequest(server=self._server.id, paths=(path,))
        estimate = await self._job(
            ESTIMATE, lambda: self._client.backup(BackupRequest(server=self._server.id, paths=(path,), dry_run=True))
        )
        changed, whole = _whole(estimate, "estimated_changed_bytes"), _whole(estimate, "estimated_data_bytes")
        _check_space(self._data, changed, whole)
        first = await self._job("first backup", lambda: self._client.backup(request))
        second = await self._job("second backup", lambda: self._client.backup(request))
        target = Path(tempfile.mkdtemp(prefix="quickstart-", dir=self._data.spool))
        try:
            restored = await self._job(
                "restore",
                lambda: self._client.restore(
                    RestoreRequest(
                        server=self._server.id,
                        snapshot=second.snapshot_id,
                        paths=(path,),
                        destination=shown(os.fsencode(target)),
                    )
                ),
            )
            comparison, compare_s = await self._compare(target, second)
        finally:
            await asyncio.to_thread(shutil.rmtree, target, True)
        vault = await self._client.vault()
        return QuickstartReport(
            source=path,
            files=_whole(second, "files"),
            bytes=_whole(second, "bytes"),
            stored_bytes=vault.stored_bytes,
            new_stored_bytes=_whole(first, "stored_bytes"),
            deduplication_ratio=_deduplication(first),
            compression_ratio=_ratio(_whole(first, "new_raw_bytes"), _whole(first, "stored_bytes")),
            phases={
                "first_backup": Phase(_took(first), _whole(first, "bytes")),
                "second_backup": Phase(_took(second), _whole(second, "bytes")),
                "restore": Phase(_took(restored), _whole(restored, "bytes")),
                "compare": Phase(compare_s, _whole(restored, "bytes")),
            },
            comparison=comparison,
            missing=tuple(second.missing),
            missing_count=second.missing_count,
            not_applied=tuple(restored.notes),
            data_dir=str(self._data.root),
            snapshots=(first.snapshot_id, second.snapshot_id),
        )

    async def _job(self, label: str, start: Callable[[], Awaitable[JobView]]) -> JobView:
        job = await start()
        job = await wait_for_job(self._client, job, job_display(as_json=self._as_json, label=label))
        if job.state not in GOOD:
            raise _JobEnded(job)
        if not self._as_json:
            say(_ended(label, job))
        return job

    async def _compare(self, target: Path, backup: JobView) -> tuple[Comparison, float]:
        if not self._as_json:
            warn("Comparing ...")
        started = time.monotonic()
        restored = target.joinpath(*self._source.parts[1:])
        comparison = await asyncio.to_thread(
            compare,
            os.fsencode(self._source),
            os.fsencode(restored),
            since_ns=int(backup.started_at.timestamp() * 1e9) if backup.started_at else 0,
            leave_out=(os.fsencode(self._data.root), os.fsencode(location(self._data))),
            missing=[missing.path for missing in await self._client.missing(backup.id)],
        )
        return comparison, time.monotonic() - started


def _ended(label: str, job: JobView) -> str:
    """One line on a part of the quickstart that is done."""
    if label == ESTIMATE:
        found = f"{amount(_whole(job, 'estimated_files'), 'file')}, {size(_whole(job, 'estimated_bytes'))}"
        return f"Estimate: {found} to back up. Looking at them took {_took(job):.1f} s."
    return f"{label[0].upper()}{label[1:]}: done in {_took(job):.1f} s."


def _source(path: Path) -> Path:
    """The absolute path; `..` and the like are resolved, symbolic links are not. Raises UsageError."""
    source = Path(os.path.abspath(path.expanduser()))
    if not os.path.lexists(source):
        raise UsageError(detail=f"There is nothing at {source}.")
    return source


def _whole(job: JobView, *names: str) -> int:
    return next((int(job.result[name]) for name in names if name in job.result), 0)


def _deduplication(first: JobView) -> float:
    """Bytes read by bytes that were new. The trees' own bytes are among the new ones, and don't take it below 1."""
    new = _whole(first, "new_raw_bytes")
    return _ratio(max(_whole(first, "read_bytes"), new), new)


def _ratio(above: int, below: int) -> float:
    return round(above / below, 2) if below else 0.0


def _took(job: JobView) -> float:
    if job.started_at is None or job.finished_at is None:
        return 0.0
    return (job.finished_at - job.started_at).total_seconds()
