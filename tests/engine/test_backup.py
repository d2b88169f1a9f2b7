"""Backups end to end through the engine, with a scripted agent."""

import asyncio
import os

from phoenix_core.agentlink.messages import BackupOrder, RestoreOrder
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.states import JobState, StepState
from phoenix_core.host.process import host_facts
from tests.engine.fake_agent import WINDOWS, FakeAgent, until_cancelled
from tests.engine.rig import Rig


async def test_a_backup_ends_as_a_recorded_snapshot_with_all_steps_done(rig: Rig) -> None:
    agent = await rig.agent()
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    assert job.state in {JobState.QUEUED, JobState.RUNNING}
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert [(step.id, step.state) for step in done.steps] == [
        (step, StepState.DONE)
        for step in ("WF5.2", "WF1.2", "WF1.3", "WF5.1", "WF5.3", "WF5.4", "WF5.5", "WF5.6", "WF1.4", "record")
    ]
    (snapshot,) = await rig.client.snapshots()
    assert snapshot.id == done.snapshot_id
    assert snapshot.paths == ("/srv",)
    assert agent.orders[0].storage.socket_path == str(rig.data.storage_socket)


async def test_a_windows_servers_backup_goes_through_the_steps_of_wf4_first_full_then_incremental(rig: Rig) -> None:
    agent = await rig.agent(facts=WINDOWS)
    agent.files = {"/C/Data/hello": b"hello"}
    kinds: list[str] = []
    for _ in range(2):
        done = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("C:\\Data",)))).id)
        assert done.state is JobState.SUCCESSFUL, done.error
        ids = "WF4.2 WF1.2 WF1.3 WF4.1 WF4.3 WF4.4 WF4.5 WF4.6 WF4.7 WF1.4 WF4.8 record"
        assert [(step.id, step.state) for step in done.steps] == [(step, StepState.DONE) for step in ids.split()]
        kinds += [step.detail for step in done.steps if step.id == "WF4.3"]
    assert kinds == ["full", "incremental"]
    newest, first = await rig.client.snapshots()
    assert (newest.paths, newest.hostname) == (("/C/Data",), first.hostname)
    order = agent.orders[1]
    assert isinstance(order, BackupOrder)
    assert order.parent is not None
    assert order.parent.snapshot_id == first.id


async def test_an_agent_gets_its_storage_at_the_address_by_which_it_reached_the_core(rig: Rig) -> None:
    agent = await rig.agent()
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    await rig.ended(job.id)
    assert rig.core is not None
    assert agent.orders[0].storage.url == rig.core.link_url
    await agent.disconnect()
    await rig.until(lambda: away(rig))
    agent.dial("https://localhost:" + rig.core.link_url.rsplit(":", 1)[1])
    await agent.start()
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL
    assert agent.orders[1].storage.url.startswith("https://localhost:")


async def test_a_backup_gives_way_as_the_setting_says(rig: Rig) -> None:
    agent = await rig.agent()
    for value in ("", "3"):
        if value:
            await rig.client.set_setting("backup.nice", value)
        job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
        await rig.ended(job.id)
    assert [order.nice for order in agent.orders if isinstance(order, BackupOrder)] == [10, 3]


async def away(rig: Rig) -> bool:
    return not (await rig.client.server("web1")).connected


async def test_only_an_agent_on_the_cores_own_host_leaves_the_data_directory_out(rig: Rig) -> None:
    remote = await rig.agent("web1")
    own = await rig.agent("here", await asyncio.to_thread(host_facts))
    for server in ("web1", "here"):
        job = await rig.client.backup(BackupRequest(server=server, paths=("/srv",)))
        await rig.ended(job.id)
    assert isinstance(remote.orders[0], BackupOrder)
    assert isinstance(own.orders[0], BackupOrder)
    assert remote.orders[0].never_write_under == ()
    assert os.fsencode(rig.data.root) in own.orders[0].never_write_under
    assert {server.name: server.this_host for server in await rig.client.servers()} == {"web1": False, "here": True}


async def test_a_dry_run_and_a_cancelled_backup_are_no_last_backup(rig: Rig) -> None:
    agent = await rig.agent()
    real = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)

    async def look_only(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
        await agent.report(order.job, BackupResult(snapshot_id="", dry_run=True))

    agent.on_backup = look_only
    await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",), dry_run=True))).id)
    agent.on_backup = until_cancelled
    cancelled = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    await rig.in_state(cancelled.id, JobState.RUNNING)
    await rig.client.cancel(cancelled.id)
    await rig.ended(cancelled.id)
    (server,) = await rig.client.servers()
    assert (server.last_backup_at, server.last_backup_state) == (real.finished_at, JobState.SUCCESSFUL)


async def test_a_backup_without_folders_repeats_what_the_last_one_left_out(rig: Rig) -> None:
    agent = await rig.agent()
    first = BackupRequest(server="web1", paths=("/srv",), excludes=("*.iso", "/srv/tmp/"), cross_mounts=True)
    assert (await rig.client.backup(first)).title == "Backup of web1: /srv, without *.iso, /srv/tmp/"
    await rig.until(lambda: recorded(rig, 1))
    again = await rig.client.backup(BackupRequest(server="web1"))
    assert again.title == "Backup of web1: /srv, without *.iso, /srv/tmp/, as last time"
    await rig.ended(again.id)
    order = agent.orders[1]
    assert isinstance(order, BackupOrder)
    assert (order.excludes, order.cross_mounts) == (first.excludes, True)
    other = await rig.client.backup(BackupRequest(server="web1", excludes=("*.log",)))
    assert other.title == "Backup of web1: /srv, without *.log, as last time"
    await rig.ended(other.id)
    whole = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    await rig.ended(whole.id)
    assert (await rig.client.backup(BackupRequest(server="web1"))).title == "Backup of web1: /srv, as last time"


async def recorded(rig: Rig, snapshots: int) -> bool:
    jobs = await rig.client.jobs()
    return sum(job.state.is_final and bool(job.snapshot_id) for job in jobs) == snapshots
