"""The agent on a real link to a core's hub: orders, cancellation, what it remembers, how it ends."""

import asyncio
import base64
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import msgspec
import psutil
import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from phoenix_core.agent import keycache
from phoenix_core.agent.errors import AgentRunning
from phoenix_core.agent.run import run_agent
from phoenix_core.agent.state import AgentState
from phoenix_core.agentlink.messages import BackupOrder, CancelOrder, JobKnown, SnapshotRecorded
from phoenix_core.agentlink.outbox import LAST_REPORTS
from phoenix_core.agentlink.peerstate import PeerState
from phoenix_core.agentlink.reports import BackupResult, JobCancelled, JobFailed, LogReport, ReportBody, StepReport
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.vault.snapshot import open_snapshot
from tests.agent.vault_rig import VaultRig, one_pack_only
from tests.agent.workers import workers_of
from tests.agentlink.bench import CoreBench, running_core

PROGRAM = """
import asyncio, sys
from pathlib import Path
from phoenix_core.agent.run import run_until_signalled
asyncio.run(run_until_signalled(Path(sys.argv[1])))
"""


@pytest.fixture
def loop_stays_free() -> Iterator[BlockBuster]:
    """A blocking call of the agent on the event loop fails the test."""
    with blockbuster_ctx("phoenix_core.agent") as blockbuster:
        yield blockbuster


@pytest.fixture
async def core(tmp_path: Path, loop_stays_free: BlockBuster) -> AsyncIterator[CoreBench]:
    async with running_core(tmp_path / "pki") as core:
        yield core


@pytest.fixture
async def state_dir(core: CoreBench, tmp_path: Path) -> Path:
    folder = tmp_path / "enrolled"
    await core.enrol(folder)
    return folder


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[VaultRig]:
    made = await asyncio.to_thread(VaultRig, tmp_path / "rig")
    yield made
    await asyncio.to_thread(made.close)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "file").write_bytes(os.urandom(200_000))
    return folder


@pytest.fixture
def much(source: Path) -> Path:
    for number in range(16):
        (source / f"file-{number}").write_bytes(os.urandom(10 * 2**20))
    return source


@asynccontextmanager
async def running_agent(state_dir: Path, core: CoreBench) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    known = len(core.engine.connects)
    task = asyncio.create_task(run_agent(state_dir, stop=stop), name="agent")
    await core.engine.changes.until(lambda: task.done() or len(core.engine.connects) > known)
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(15):
            await task


def bodies(core: CoreBench, job: str) -> list[ReportBody]:
    return [report.body for report in core.engine.reports if report.job == job]


async def last_report(core: CoreBench, job: str) -> ReportBody:
    """Wait for the report that ends the job."""
    await core.engine.changes.until(
        lambda: any(isinstance(body, LAST_REPORTS) for body in bodies(core, job)), timeout_s=60
    )
    (last,) = [body for body in bodies(core, job) if isinstance(body, LAST_REPORTS)]
    return last


async def order_for(rig: VaultRig, path: Path) -> BackupOrder:
    order, _ = await asyncio.to_thread(rig.backup_order, path, workers=1)
    return order


async def test_an_order_is_carried_out_and_reported(
    core: CoreBench, state_dir: Path, rig: VaultRig, source: Path
) -> None:
    order = await order_for(rig, source)
    async with running_agent(state_dir, core):
        await core.hub.send("s1", order)
        await core.hub.send("s1", order)
        result = await last_report(core, order.job)
    assert isinstance(result, BackupResult)
    sealed = await asyncio.to_thread(rig.node.read_snapshot, SnapshotId(result.snapshot_id))
    body, key = open_snapshot(rig.key.private_key(), sealed)
    signing = await asyncio.to_thread(lambda: PeerState.load(state_dir).signing_key())
    assert key == signing.public_key().public_bytes_raw()
    assert body.job_id == order.job
    steps = [each.step for each in bodies(core, order.job) if isinstance(each, StepReport) and each.state == "done"]
    assert steps == ["WF5.1", "WF5.3", "WF5.4", "WF5.5", "WF5.6", "WF1.4"], "the order that came twice was done once"


async def test_a_job_that_fails_says_why(core: CoreBench, state_dir: Path, rig: VaultRig, source: Path) -> None:
    order = await order_for(rig, source / "nothing")
    async with running_agent(state_dir, core):
        await core.hub.send("s1", order)
        failed = await last_report(core, order.job)
    assert isinstance(failed, JobFailed)
    assert failed.error.code == "path_not_found"
    assert "nothing" in failed.error.message


async def until_transfer(core: CoreBench, job: str) -> None:
    await core.engine.changes.until(
        lambda: job in core.engine.latest and core.engine.latest[job].phase == "transfer", timeout_s=30
    )


async def test_a_cancelled_job_ends_as_cancelled(core: CoreBench, state_dir: Path, rig: VaultRig, much: Path) -> None:
    order = await order_for(rig, much)
    with one_pack_only(rig):
        async with running_agent(state_dir, core):
            await core.hub.send("s1", order)
            await until_transfer(core, order.job)
            await core.hub.send("s1", CancelOrder(job=order.job, who="operator jane"))
            async with asyncio.timeout(5):
                assert await last_report(core, order.job) == JobCancelled(who="operator jane")


async def test_a_job_that_the_core_gave_up_ends_in_silence(
    core: CoreBench, state_dir: Path, rig: VaultRig, much: Path
) -> None:
    order = await order_for(rig, much)
    with one_pack_only(rig):
        async with running_agent(state_dir, core):
            await core.hub.send("s1", order)
            await until_transfer(core, order.job)
            await core.stop()
            await core.start()
            await core.engine.changes.until(lambda: len(core.engine.connects) == 2, timeout_s=30)
            assert core.engine.connects[-1][1].running_jobs == (order.job,)
            await core.hub.send("s1", JobKnown(wanted=()))
            await asyncio.to_thread(psutil.wait_procs, workers_of(os.getpid()), 10)
    assert not any(isinstance(body, LAST_REPORTS) for body in bodies(core, order.job))


async def test_an_agent_that_is_stopped_says_so_for_its_jobs(
    core: CoreBench, state_dir: Path, rig: VaultRig, much: Path
) -> None:
    order = await order_for(rig, much)
    with one_pack_only(rig):
        async with running_agent(state_dir, core) as stop:
            await core.hub.send("s1", order)
            await until_transfer(core, order.job)
            stop.set()
            failed = await last_report(core, order.job)
    assert isinstance(failed, JobFailed)
    assert (failed.error.code, failed.error.retryable) == ("agent_stopping", True)


async def test_a_vault_that_was_rolled_back_is_reported(
    core: CoreBench, state_dir: Path, rig: VaultRig, source: Path
) -> None:
    """The core greets with record 7, but record 9 has answered a backup of ours."""
    async with running_agent(state_dir, core):
        await core.hub.send("s1", SnapshotRecorded(job="j9", snapshot_id="0" * 64, record=9))
        order = await order_for(rig, source)
        await core.hub.send("s1", order)
        await last_report(core, order.job)
    assert (await asyncio.to_thread(AgentState, state_dir)).seen.last_record == 9
    async with running_agent(state_dir, core):
        await core.engine.changes.until(lambda: bodies(core, "j9"))
    (told,) = bodies(core, "j9")
    assert isinstance(told, LogReport)
    assert told.level == "error"
    assert "rolled back" in told.text


async def test_the_domains_keys_are_in_no_file_of_the_agents(
    core: CoreBench, state_dir: Path, rig: VaultRig, much: Path
) -> None:
    """Neither while a backup is under way nor after it. Pack keys are kept, which shows that keys would be found."""
    order = await order_for(rig, much)
    domain = order.domain
    keys = [domain.data_id_key, domain.meta_id_key, domain.index_key]
    keys += [domain.chunker_seed.to_bytes(8, "little"), domain.chunker_seed.to_bytes(8, "big")]
    written = [str(domain.chunker_seed).encode(), *(form for key in keys for form in forms(key))]
    async with running_agent(state_dir, core):
        with one_pack_only(rig):
            await core.hub.send("s1", order)
            await until_transfer(core, order.job)
            during = await asyncio.to_thread(all_bytes, state_dir)
        assert isinstance(await last_report(core, order.job), BackupResult)
        after = await asyncio.to_thread(all_bytes, state_dir)
    stopped = await asyncio.to_thread(all_bytes, state_dir)
    for found in (during, after, stopped):
        assert [each for each in written if each in found] == []
    kept = await asyncio.to_thread(pack_keys, state_dir)
    assert kept
    assert all(key in after for key in kept)


def forms(key: bytes) -> list[bytes]:
    """A key as it may have been written."""
    digits = key.hex()
    texts = (base64.b64encode(key), base64.urlsafe_b64encode(key))
    return [key, digits.encode(), digits.upper().encode(), *(text.rstrip(b"=") for text in texts)]


def all_bytes(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def pack_keys(state_dir: Path) -> list[bytes]:
    with closing(sqlite3.connect(state_dir / keycache.FILE_NAME)) as db:
        return [key for (key,) in db.execute("SELECT pack_key FROM pack_keys")]


async def test_one_agent_to_a_folder(core: CoreBench, state_dir: Path) -> None:
    async with running_agent(state_dir, core):
        with pytest.raises(AgentRunning, match=str(os.getpid())):
            await run_agent(state_dir, stop=asyncio.Event())


@asynccontextmanager
async def agent_process(state_dir: Path, core: CoreBench) -> AsyncIterator[asyncio.subprocess.Process]:
    known = len(core.engine.connects)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, str(state_dir))
    try:
        await core.engine.changes.until(lambda: len(core.engine.connects) > known, timeout_s=60)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_sigterm_ends_the_process_in_order(core: CoreBench, state_dir: Path) -> None:
    async with agent_process(state_dir, core) as process:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            assert await process.wait() == 0


async def test_a_killed_agent_takes_its_workers_along_and_the_next_one_works(
    core: CoreBench, state_dir: Path, rig: VaultRig, much: Path
) -> None:
    order = await order_for(rig, much)
    with one_pack_only(rig):
        async with agent_process(state_dir, core) as process:
            await core.hub.send("s1", order)
            await core.engine.changes.until(
                lambda: order.job in core.engine.latest and core.engine.latest[order.job].sent_bytes > 0, timeout_s=60
            )
            children = psutil.Process(process.pid).children(recursive=True)
            assert workers_of(process.pid)
            process.kill()
            await process.wait()
            _, left = await asyncio.to_thread(psutil.wait_procs, children, 10)
            assert left == []
    again = msgspec.structs.replace(await order_for(rig, much), excludes=("file-?", "file-1?"))
    async with running_agent(state_dir, core):
        await core.hub.send("s1", again)
        result = await last_report(core, again.job)
    assert isinstance(result, BackupResult)
    assert result.missing_count == 0
