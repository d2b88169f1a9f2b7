"""Streams through a whole core: asked for, scheduled, found, kept apart from files, and printed again."""

import asyncio
import os
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.cli.errors import OutputClosed
from phoenix_core.cli.stdoutwork import Printed, print_file
from phoenix_core.domain.errors import RemoteError, UsageError
from phoenix_core.domain.policies import BackupPolicy, ContentRule, ServerGroup
from phoenix_core.domain.requests import BackupRequest, RestoreRequest
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import SnapshotView
from phoenix_core.engine.errors import StreamsUnknown
from tests.engine.fake_agent import FakeAgent, back_up, failing
from tests.engine.rig import Rig
from tests.engine.test_annotations import refused
from tests.engine.test_vault_jobs import break_pack

FILES = {"/srv/file": b"a file"}


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    return await rig.agent()


async def stream(rig: Rig, agent: FakeAgent, data: bytes) -> SnapshotView:
    agent.files = {"/phoenix-streams/orders": data}
    request = BackupRequest(server="web1", stream="orders", script="dump.sh", tags=("nightly",))
    done = await rig.ended((await rig.client.backup(request)).id)
    assert done.state is JobState.SUCCESSFUL, done.error
    return await rig.client.snapshot(done.snapshot_id)


async def files(rig: Rig, agent: FakeAgent) -> str:
    agent.files = FILES
    done = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
    assert done.state is JobState.SUCCESSFUL, done.error
    return done.snapshot_id


def wanted(**fields: object) -> Printed:
    usual = {"server": "web1", "snapshot": "latest", "paths": (), "stream": "orders", "stdout": True}
    return Printed(**{**usual, "others": False, "as_json": False, **fields})  # type: ignore[arg-type]


async def test_the_agent_gets_a_name_and_no_command_line(rig: Rig, agent: FakeAgent) -> None:
    snapshot = await stream(rig, agent, b"rows")
    order = agent.orders[0]
    assert isinstance(order, BackupOrder)
    assert order.stream is not None
    assert (order.stream.name, order.stream.script) == ("orders", "dump.sh")
    assert (snapshot.stream, snapshot.paths, snapshot.tags) == ("orders", ("/phoenix-streams/orders",), ("nightly",))


async def test_a_stream_is_neither_the_latest_of_the_files_nor_their_parent(rig: Rig, agent: FakeAgent) -> None:
    of_files = await files(rig, agent)
    await stream(rig, agent, b"rows")
    assert (await rig.client.snapshot("latest", server="web1")).id == of_files
    await files(rig, agent)
    order = agent.orders[-1]
    assert isinstance(order, BackupOrder)
    assert order.parent is not None
    assert order.parent.snapshot_id == of_files
    repeated = await rig.client.backup(BackupRequest(server="web1"))
    assert repeated.title == "Backup of web1: /srv, as last time"


async def test_a_stream_has_no_original_place(rig: Rig, agent: FakeAgent) -> None:
    snapshot = await stream(rig, agent, b"rows")
    assert (
        await refused(rig.client.restore(RestoreRequest(server="web1", snapshot=snapshot.id))) == "stream_needs_place"
    )
    request = RestoreRequest(server="web1", snapshot=snapshot.id, destination="/tmp/there")
    assert (await rig.ended((await rig.client.restore(request)).id)).state is JobState.SUCCESSFUL


async def test_the_newest_dump_is_printed(
    rig: Rig, agent: FakeAgent, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    await stream(rig, agent, b"old rows")
    data = os.urandom(3_000_000)
    await stream(rig, agent, data)
    assert await print_file(rig.data, wanted()) == 0
    out, err = capfdbinary.readouterr()
    assert out == data
    assert b"/phoenix-streams/orders" in err


async def test_a_damaged_dump_ends_with_an_error(rig: Rig, agent: FakeAgent) -> None:
    await stream(rig, agent, os.urandom(3_000_000))
    await break_pack(rig, "data")
    with pytest.raises(RemoteError) as error:
        await print_file(rig.data, wanted())
    assert error.value.view().exit_code == 1
    assert "damaged" in str(error.value)


async def test_a_reader_that_goes_away_is_told_of(rig: Rig, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    await stream(rig, agent, os.urandom(3_000_000))
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        monkeypatch.setattr("phoenix_core.cli.stdoutwork.sys", SimpleNamespace(stdout=closed))
        with pytest.raises(OutputClosed, match="3000000 bytes"):
            await print_file(rig.data, wanted())


@pytest.mark.parametrize(
    "fields",
    [{"others": True}, {"as_json": True}, {"stdout": False}, {"paths": ("/a",)}, {"stream": "nothing"}],
    ids=["a place too", "JSON too", "not to be printed", "a path too", "unknown"],
)
async def test_what_can_not_be_printed_is_refused(rig: Rig, agent: FakeAgent, fields: dict[str, object]) -> None:
    await stream(rig, agent, b"rows")
    with pytest.raises(UsageError):
        await print_file(rig.data, wanted(**fields))


async def test_a_run_of_a_group_backs_up_files_and_each_stream(rig: Rig, agent: FakeAgent, tmp_path: Path) -> None:
    agent.files = FILES
    await rig.client.put_policy("p", BackupPolicy(name="p", schedule=("* * * * *",)))
    rule = ContentRule(name="r", paths=("/srv",), streams=("orders=dump.sh", "users=users.sh"))
    await rig.client.put_rule("r", rule)
    await rig.client.put_group("g", ServerGroup(name="g", policy="p", rules=("r",), servers=("web1",)))
    assert rig.core is not None
    parts = rig.core._parts
    (group,) = await parts.policies.groups()
    await parts.policies.considered(group, group.considered_until.replace(year=group.considered_until.year - 1))
    await rig.core.do_what_is_due()
    jobs = [job for job in await rig.client.jobs() if job.requested_by == "policy p"]
    assert sorted(job.title for job in jobs) == [
        "Backup of web1: /srv",
        "Backup of web1: stream orders, from the script dump.sh",
        "Backup of web1: stream users, from the script users.sh",
    ]
    ended = await asyncio.gather(*(rig.ended(job.id) for job in jobs))
    assert {job.state for job in ended} == {JobState.SUCCESSFUL}


@pytest.mark.parametrize("line", ["orders", "=dump.sh", "orders=../dump.sh", "orders=dump.sh -x", "a/b=dump.sh"])
async def test_a_rule_names_scripts_and_nothing_else(rig: Rig, line: str) -> None:
    rule = ContentRule(name="r", paths=("/srv",), streams=(line,))
    with pytest.raises(RemoteError) as error:
        await rig.client.put_rule("r", rule)
    assert (error.value.view().code, error.value.fields["field"]) == ("field_invalid", "streams")


async def test_the_last_backup_of_a_server_is_that_of_its_files(rig: Rig, agent: FakeAgent) -> None:
    await stream(rig, agent, b"rows")
    (server,) = await rig.client.servers()
    assert server.last_backup_state is JobState.SUCCESSFUL  # nothing else is backed up of it
    assert server.last_backup_stream == "orders"
    agent.on_backup = failing
    failed = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
    agent.on_backup = back_up
    await stream(rig, agent, b"more rows")
    (server,) = await rig.client.servers()
    assert (server.last_backup_at, server.last_backup_state) == (failed.finished_at, JobState.FAILED)
    assert server.last_backup_stream == ""
    assert (await rig.client.server("web1")).last_backup_at == failed.finished_at


async def test_the_rules_of_a_server_say_which_backup_is_its_last(rig: Rig, agent: FakeAgent) -> None:
    await files(rig, agent)
    await stream(rig, agent, b"rows")

    async def last_backup(rule: ContentRule) -> datetime | None:
        await rig.client.put_rule("all", rule)
        await rig.client.put_group("all", ServerGroup("all", rules=("all",), servers=("web1",)))
        return (await rig.client.server("web1")).last_backup_at

    dump, saved = [job.finished_at for job in await rig.client.jobs(kind=JobKind.FILE_BACKUP)]
    assert await last_backup(ContentRule("all", paths=("/srv",), streams=("orders=dump.sh",))) == saved
    assert await last_backup(ContentRule("all", streams=("orders=dump.sh",))) == dump
    assert await last_backup(ContentRule("all", streams=("users=dump.sh",))) == saved


async def test_an_agent_that_knows_no_streams_is_not_asked(
    rig: Rig, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rig.core is not None
    monkeypatch.setattr(rig.core._parts.agents, "knows", lambda peer, feature: False)
    request = BackupRequest(server="web1", stream="orders", script="dump.sh")
    done = await rig.ended((await rig.client.backup(request)).id)
    assert done.error is not None
    assert (done.state, done.error.code, agent.orders) == (JobState.FAILED, StreamsUnknown.code, [])
