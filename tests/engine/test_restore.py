"""Restores through the engine: what an agent gets, and what it doesn't."""

import asyncio
import os

import msgspec
import pytest

from phoenix_core.agentlink.messages import BackupOrder, OwnRestoreRequest, RestoreOrder, TokenRequest
from phoenix_core.agentlink.reports import JobFailed, MissingFile, RestoreResult
from phoenix_core.domain.errors import PhoenixError, RemoteError
from phoenix_core.domain.requests import BackupRequest, RestoreRequest
from phoenix_core.domain.states import JobState, StepState
from phoenix_core.host.process import HostFacts
from phoenix_core.storage.connect import connect_job_node
from phoenix_core.storage.errors import NotAllowed
from phoenix_core.vault.location import BlockRef
from tests.engine.fake_agent import FakeAgent, back_up, restore
from tests.engine.rig import Rig


async def test_a_restore_gives_the_agent_exactly_what_was_backed_up(rig: Rig) -> None:
    agent = await rig.agent()
    await backed_up(rig, "web1")
    job = await rig.client.restore(RestoreRequest(server="web1", destination="/tmp/there"))
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert agent.restored == agent.files
    assert all(step.state is StepState.DONE for step in done.steps), done.steps
    assert done.result["files"] == 2


@pytest.mark.parametrize(("check_only", "verb"), [(True, "are"), (False, "were")])
async def test_what_gives_way_to_a_restore_is_in_its_result(rig: Rig, check_only: bool, verb: str) -> None:
    """In numbers, in words with the first names, and entry by entry."""
    agent = await rig.agent()
    await backed_up(rig, "web1")
    gone = tuple(MissingFile(f"/r/{number}", "folder_removed: 2") for number in range(4))
    beside = MissingFile("/r/f", "renamed: f (restored)")

    async def displacing(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, RestoreOrder)
        done = RestoreResult(
            displaced=(*gone, beside), removed_folders=4, removed_entries=8, renamed=1, check_only=order.check_only
        )
        await agent.report(order.job, done)

    agent.on_restore = displacing
    job = await rig.client.restore(RestoreRequest(server="web1", destination="/r", check_only=check_only))
    done = await rig.ended(job.id)
    assert done.check_only is check_only
    expected = f"4 folders with 8 entries {verb} removed for files of the same name: /r/0, /r/1, /r/2 and 1 more."
    assert done.result["removed"] == expected
    assert done.result["beside"] == "1 entry stands under another name: /r/f as f (restored)."
    assert (done.result["removed_folders"], "replaced_links" in done.result) == (4, False)
    assert [note.path for note in done.notes] == ["/r/0", "/r/1", "/r/2", "/r/3", "/r/f"]


async def test_a_restore_of_one_file_reads_only_its_packs_and_blocks(rig: Rig) -> None:
    agent = await rig.agent()
    agent.files = {"/srv/one": os.urandom(3_000_000), "/srv/two": os.urandom(3_000_000)}
    await backed_up(rig, "web1")
    everything = await granted(rig, agent, RestoreRequest(server="web1"))
    only_one = await granted(rig, agent, RestoreRequest(server="web1", paths=("/srv/one",)))
    assert only_one < everything
    job = await rig.client.restore(RestoreRequest(server="web1", paths=("/srv/one",)))
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL
    assert agent.restored["/srv/one"] == agent.files["/srv/one"]


async def granted(rig: Rig, agent: FakeAgent, request: RestoreRequest) -> set[BlockRef]:
    """All blocks whose keys the core gives to a restore."""
    given: set[BlockRef] = set()

    async def probe(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, RestoreOrder)
        assert rig.core is not None
        for pack in await asyncio.to_thread(lambda: list(rig.node().packs())):
            for ordinal in range(64):
                block = BlockRef(pack.pack_id, ordinal)
                try:
                    await agent.keys(order.job, [block])
                    given.add(block)
                except PhoenixError:
                    pass
        await agent.report(order.job, RestoreResult())

    previous, agent.on_restore = agent.on_restore, probe
    job = await rig.client.restore(request)
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL
    agent.on_restore = previous
    return given


async def test_an_agent_gets_no_keys_for_the_job_of_another(rig: Rig) -> None:
    first = await rig.agent("web1")
    second = await rig.agent("web2", HostFacts("web2", "Linux x86_64", "1" * 32))
    await backed_up(rig, "web1")
    order: asyncio.Future[RestoreOrder] = asyncio.get_running_loop().create_future()

    async def hold(agent: FakeAgent, given: object) -> None:
        assert isinstance(given, RestoreOrder)
        order.set_result(given)
        await agent.cancelled[given.job].wait()

    first.on_restore = hold
    job = await rig.client.restore(RestoreRequest(server="web1"))
    held = await order
    pack = next(iter(await asyncio.to_thread(lambda: list(rig.node().packs()))))
    with pytest.raises(PhoenixError) as refused:
        await second.keys(held.job, [BlockRef(pack.pack_id, 0)])
    assert refused.value.view().code == "not_of_this_job"
    await rig.client.cancel(job.id)


async def test_data_of_one_server_is_restored_to_another_only_by_an_operators_job(rig: Rig) -> None:
    first = await rig.agent("web1")
    second = await rig.agent("web2", HostFacts("web2", "Linux x86_64", "1" * 32))
    await backed_up(rig, "web1")
    with pytest.raises(RemoteError, match="destination"):
        await rig.client.restore(RestoreRequest(server="web1", to_server="web2"))
    job = await rig.client.restore(RestoreRequest(server="web1", to_server="web2", destination="/tmp/x"))
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert second.restored == first.files


async def test_a_linux_restore_goes_to_no_other_platform(rig: Rig) -> None:
    await rig.agent("web1")
    await rig.agent("win", HostFacts("win", "Windows AMD64", "2" * 32))
    await backed_up(rig, "web1")
    with pytest.raises(RemoteError) as refused:
        await rig.client.restore(RestoreRequest(server="web1", to_server="win", destination="/x"))
    assert refused.value.view().code == "platform_mismatch"


async def test_a_path_that_is_not_in_the_snapshot_fails_the_job_by_name(rig: Rig) -> None:
    await rig.agent()
    await backed_up(rig, "web1")
    job = await rig.client.restore(RestoreRequest(server="web1", paths=("/no/such",)))
    done = await rig.ended(job.id)
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert done.error.code == "path_not_in_snapshot"
    assert not await asyncio.to_thread(rig.node().leases)


async def test_a_restore_that_the_agent_fails_keeps_the_agents_error(rig: Rig) -> None:
    agent = await rig.agent()
    await backed_up(rig, "web1")

    async def no_space(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, RestoreOrder)
        await agent.report(order.job, JobFailed(error=PhoenixError(detail="no space").view()))

    agent.on_restore = no_space
    job = await rig.client.restore(RestoreRequest(server="web1"))
    done = await rig.ended(job.id)
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert "no space" in done.error.message


async def test_the_storage_node_refuses_a_restore_what_is_not_granted(rig: Rig) -> None:
    agent = await rig.agent()
    agent.files = {"/srv/one": b"1" * 3_000_000}
    await backed_up(rig, "web1")
    agent.files = {"/srv/two": b"2" * 3_000_000}
    await backed_up(rig, "web1")
    packs = await asyncio.to_thread(lambda: {pack.pack_id for pack in rig.node().packs()})
    opened: set[bytes] = set()

    async def probe(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, RestoreOrder)
        opened.update(await asyncio.to_thread(readable, order, packs))
        await restore(agent, order)

    agent.on_restore = probe
    job = await rig.client.restore(RestoreRequest(server="web1", paths=("/srv/two",)))
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL
    assert opened < packs


def readable(order: RestoreOrder, packs: set[bytes]) -> set[bytes]:
    node = connect_job_node(order.storage)
    found: set[bytes] = set()
    try:
        for pack in packs:
            try:
                with node.open_pack(pack) as opened:  # type: ignore[arg-type]
                    opened.pread(1, 0)
                found.add(pack)
            except NotAllowed:
                continue
    finally:
        node.close()
    return found


async def backed_up(rig: Rig, server: str) -> None:
    job = await rig.client.backup(BackupRequest(server=server, paths=("/srv",)))
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error


async def test_an_agent_restores_its_own_data_on_its_own_host(rig: Rig) -> None:
    agent = await rig.agent("web1")
    other = await rig.agent("web2", HostFacts("web2", "Linux x86_64", "1" * 32))
    await backed_up(rig, "web1")
    snapshot = (await rig.client.snapshot("latest")).id
    answer = await agent.link.request(OwnRestoreRequest(0, snapshot, (b"/srv/hello",), b"/tmp/own"), 10)
    done = await rig.ended(answer.job)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert agent.restored == {"/srv/hello": agent.files["/srv/hello"]}
    assert done.requested_by == "agent of web1"
    with pytest.raises(PhoenixError) as refused:
        await other.link.request(OwnRestoreRequest(0, snapshot, (), b"/tmp/own"), 10)
    assert refused.value.view().code == "not_found"


async def test_a_backup_gets_keys_of_its_own_servers_metadata_only(rig: Rig) -> None:
    first = await rig.agent("web1")
    second = await rig.agent("web2", HostFacts("web2", "Linux x86_64", "1" * 32))
    await backed_up(rig, "web1")
    second.files = {"/srv/other": os.urandom(5000)}
    await backed_up(rig, "web2")
    packs = await asyncio.to_thread(lambda: list(rig.node().packs()))
    given: set[bytes] = set()

    async def probe(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, BackupOrder)
        for pack in packs:
            try:
                await agent.keys(order.job, [BlockRef(pack.pack_id, 0)])
                given.add(pack.pack_id)
            except PhoenixError:
                continue
        await back_up(agent, order)

    first.on_backup = probe
    await backed_up(rig, "web1")
    own = (await rig.client.server("web1")).id
    assert given == {pack.pack_id for pack in packs if pack.server_id == own and pack.kind == "meta"}


async def test_a_running_job_gets_fresh_tokens_and_an_ended_one_none(rig: Rig) -> None:
    agent = await rig.agent("web1")
    tokens: list[str] = []

    async def probe(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, BackupOrder)
        tokens.append((await agent.link.request(TokenRequest(0, order.job), 10)).token)
        renewed = msgspec.structs.replace(order, storage=msgspec.structs.replace(order.storage, token=tokens[0]))
        await back_up(agent, renewed)

    agent.on_backup = probe
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL
    assert tokens[0]
    with pytest.raises(PhoenixError) as refused:
        await agent.link.request(TokenRequest(0, job.id), 10)
    assert refused.value.view().code == "not_of_this_job"
