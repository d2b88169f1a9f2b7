"""What the agent of a drill may do: what the agent of a restore may, and nothing else."""

import asyncio

import jwt
import pytest

from phoenix_core.agentlink.messages import BackupOrder, RestoreOrder, TokenRequest
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId
from phoenix_core.domain.states import JobState
from phoenix_core.storage.connect import connect_job_node
from phoenix_core.storage.errors import NotAllowed
from phoenix_core.vault.location import BlockRef
from tests.engine.drilling import drill
from tests.engine.drills.drilled import drilled
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig
from tests.engine.test_restore import readable
from tests.engine.test_vault_jobs import backed_up


def refused_additions(order: RestoreOrder) -> int:
    """How many of the calls of a backup the storage node refuses."""
    node, refused = connect_job_node(order.storage), 0
    try:
        for call in (lambda: node.present([ChunkId(bytes(32))]), lambda: node.stage_snapshot(b"sealed")):
            try:
                call()
            except NotAllowed:
                refused += 1
    finally:
        node.close()
    return refused


def rights(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["rights"])


async def test_a_drill_has_a_restores_rights_and_no_others(rig: Rig, agent: FakeAgent) -> None:
    for content in (b"1", b"2"):
        agent.files = {f"/srv/{content.decode()}": content * 3_000_000}
        await backed_up(rig)
    packs = await asyncio.to_thread(lambda: {pack.pack_id for pack in rig.node().packs()})
    opened: set[bytes] = set()
    given: set[bytes] = set()
    tokens: list[str] = []
    refused: list[int] = []

    async def probe(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
        assert isinstance(order, RestoreOrder)
        tokens.extend([order.storage.token, (await agent.link.request(TokenRequest(0, order.job), 10)).token])
        refused.append(await asyncio.to_thread(refused_additions, order))
        opened.update(await asyncio.to_thread(readable, order, packs))
        for pack in packs:
            try:
                await agent.keys(order.job, [BlockRef(pack, 0)])
                given.add(pack)
            except PhoenixError:
                continue
        await drill(agent, order)

    agent.on_restore = probe
    job = await drilled(rig)
    assert job.state is JobState.SUCCESSFUL, job.error
    assert list(map(rights, tokens)) == ["restore", "restore"]
    assert refused == [2]
    assert given <= opened < packs, "of the other snapshot it reads nothing"
    with pytest.raises(PhoenixError) as late:
        await agent.link.request(TokenRequest(0, job.id), 10)
    assert late.value.view().code == "not_of_this_job"
