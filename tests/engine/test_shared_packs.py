"""Data that servers share by deduplication: each gets its own files back, and nothing that lies beside them."""

import asyncio
import os
from collections.abc import Sequence

import pytest

from phoenix_core.agentlink.messages import BackupOrder, OwnRestoreRequest, RestoreOrder
from phoenix_core.agentlink.reports import BackupResult, RestoreResult
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.domain.requests import BackupRequest, RestoreRequest
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import JobView
from phoenix_core.host.process import HostFacts
from phoenix_core.storage.connect import connect_job_node
from phoenix_core.storage.errors import StorageFull
from phoenix_core.storage.node_api import JobNode
from phoenix_core.vault.chunkid import keyed_id
from phoenix_core.vault.location import BlockRef
from tests.engine.fake_agent import FakeAgent, _upload, restore
from tests.engine.rig import Rig

SECOND = HostFacts("web2", "Linux x86_64", "1" * 32)


async def shared(rig: Rig, own: bytes, common: bytes) -> tuple[FakeAgent, FakeAgent]:
    """web1 has both contents, in one block; web2 has only the common one, and relies on web1's copy."""
    first, second = await rig.agent("web1"), await rig.agent("web2", SECOND)
    first.files = {"/srv/a": own, "/srv/b": common}
    second.files = {"/srv/b": common}
    await backed_up(rig, "web1")
    await rig.until(lambda: proved(rig))
    await backed_up(rig, "web2")
    assert [pack.kind for pack in packs_of(rig, second)] == ["meta"], "the second server relies on the first one's copy"
    return first, second


async def proved(rig: Rig) -> bool:
    return all(each.proved for each in await rig.client.snapshots())


def packs_of(rig: Rig, agent: FakeAgent) -> list:  # type: ignore[type-arg]
    return [pack for pack in rig.node().packs() if pack.server_id == agent.welcomes[0].peer_id]


async def backed_up(rig: Rig, server: str) -> None:
    done = await rig.ended((await rig.client.backup(BackupRequest(server=server, paths=("/srv",)))).id)
    assert done.state is JobState.SUCCESSFUL, done.error


async def keys_given(rig: Rig, agent: FakeAgent, server: str) -> set[BlockRef]:
    """All blocks whose keys a restore of the server gets, after it restored."""
    given: set[BlockRef] = set()

    async def ask_for_all(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, RestoreOrder)
        for pack in await asyncio.to_thread(lambda: list(rig.node().packs())):
            for ordinal in range(8):
                try:
                    await agent.keys(order.job, [BlockRef(pack.pack_id, ordinal)])
                except PhoenixError:
                    continue
                given.add(BlockRef(pack.pack_id, ordinal))
        await restore(agent, order)

    agent.on_restore = ask_for_all
    done = await rig.ended((await rig.client.restore(RestoreRequest(server=server))).id)
    assert done.state is JobState.SUCCESSFUL, done.error
    return given


async def test_a_block_with_anothers_data_is_not_opened_to_who_shares_a_part_of_it(rig: Rig) -> None:
    first, second = await shared(rig, os.urandom(300_000), os.urandom(300_000))
    theirs = {pack.pack_id for pack in packs_of(rig, first)}
    given = await keys_given(rig, second, "web2")
    assert second.restored == second.files
    assert not any(block.pack_id in theirs for block in given)
    assert {pack.kind for pack in packs_of(rig, second)} == {"meta", "data"}, "it has a copy of its own now"
    await keys_given(rig, first, "web1")
    assert first.restored == first.files


async def test_a_block_of_which_all_is_needed_is_read_as_it_is(rig: Rig) -> None:
    common = os.urandom(300_000)
    _, second = await shared(rig, common, common)
    await keys_given(rig, second, "web2")
    assert second.restored == second.files
    assert {pack.kind for pack in packs_of(rig, second)} == {"meta"}, "no copy was needed"


async def test_no_pack_of_another_is_granted_that_is_needed_in_part(rig: Rig) -> None:
    first, second = await shared(rig, os.urandom(300_000), os.urandom(300_000))
    refused: list[str] = []

    async def open_theirs(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, RestoreOrder)
        await agent.keys(order.job, [])
        node = await asyncio.to_thread(lambda: connect_job_node(order.storage, agent.state.tls.client_context))
        for pack in packs_of(rig, first):
            try:
                await asyncio.to_thread(read_from, node, pack.pack_id)
            except PhoenixError as error:
                refused.append(error.code)
        await asyncio.to_thread(node.close)
        await agent.report(order.job, RestoreResult())

    second.on_restore = open_theirs
    await rig.ended((await rig.client.restore(RestoreRequest(server="web2"))).id)
    assert refused == ["storage_not_allowed"] * len(packs_of(rig, first))


def read_from(node: JobNode, pack_id: PackId) -> None:
    with node.open_pack(pack_id) as opened:
        opened.pread(1, 0)


async def test_an_operators_restore_goes_on_where_there_is_no_space_for_copies(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, second = await shared(rig, os.urandom(300_000), os.urandom(300_000))

    def full(length: int) -> None:
        raise StorageFull(place="vault", detail="no space")

    monkeypatch.setattr(rig.node()._state, "check_space", full)
    job = await rig.client.restore(RestoreRequest(server="web2"))
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL
    assert second.restored == second.files
    warned = [line.text for line in await rig.client.job_log(job.id) if line.level == "warning"]
    assert any("takes no copies" in text for text in warned)


async def test_an_agents_own_restore_fails_where_there_is_no_space_for_copies(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets no order, let alone a key; once there is space, the same restore brings the file."""
    _, second = await shared(rig, os.urandom(300_000), os.urandom(300_000))
    packs = await asyncio.to_thread(lambda: {pack.pack_id for pack in rig.node().packs()})

    def full(length: int) -> None:
        raise StorageFull(place="vault", detail="no space")

    with monkeypatch.context() as patched:
        patched.setattr(rig.node()._state, "check_space", full)
        done = await own_restore(rig, second)
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert (done.error.code, done.error.retryable) == ("storage_full", True)
    assert not any(isinstance(order, RestoreOrder) for order in second.orders)
    assert await asyncio.to_thread(lambda: {pack.pack_id for pack in rig.node().packs()}) == packs
    assert await asyncio.to_thread(rig.node().leases) == []
    assert (await own_restore(rig, second)).state is JobState.SUCCESSFUL
    assert second.restored == second.files


async def own_restore(rig: Rig, agent: FakeAgent) -> JobView:
    """A restore of its newest snapshot that the agent asks for, at its end."""
    answer = await agent.link.request(
        OwnRestoreRequest(number=0, snapshot_id="latest", paths=(), destination=b"/tmp/x"), 10
    )
    return await rig.ended(answer.job)


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_snapshot_that_names_a_guessed_content_tells_nothing_of_it(rig: Rig, is_there: bool) -> None:
    """What is short is found in no other server's packs, so that there and not there are alike."""
    guess = b"PIN 4711"
    victim, thief = await rig.agent("web1"), await rig.agent("web2", SECOND)
    victim.files = {"/srv/pin": guess if is_there else b"PIN 0815"}
    await backed_up(rig, "web1")
    await rig.until(lambda: proved(rig))
    thief.files = {"/srv/guess": guess}

    async def name_it(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, BackupOrder)
        await agent.report(order.job, await asyncio.to_thread(upload_without_data, agent, order))

    thief.on_backup = name_it
    await backed_up(rig, "web2")
    done = await own_restore(rig, thief)
    assert thief.restored == {}
    assert done.error is not None
    assert done.error.code == "chunk_missing"


def upload_without_data(agent: FakeAgent, order: BackupOrder) -> BackupResult:
    """Trees and a snapshot, but none of the files' chunks."""
    node = connect_job_node(order.storage, agent.state.tls.client_context)
    data = {keyed_id(order.domain.data_id_key, content) for content in agent.files.values()}
    ask = node.present

    def all_data_is_there(ids: Sequence[ChunkId], writer: int = 0) -> list[bool]:
        return [chunk in data or told for chunk, told in zip(ids, ask(ids, writer), strict=True)]

    node.present = all_data_is_there  # type: ignore[method-assign]
    try:
        return _upload(order, node, agent.files, agent.state.signing_key())
    finally:
        node.close()
