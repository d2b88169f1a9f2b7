"""An operator's restore: the agent plans while the core still finds out what it may read, and gets no more by that."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from phoenix_core.agentlink import features
from phoenix_core.agentlink.messages import OwnRestoreRequest, RestoreOrder
from phoenix_core.agentlink.reports import JobFailed
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId
from phoenix_core.domain.requests import RestoreRequest
from phoenix_core.domain.states import JobState, StepState
from phoenix_core.domain.views import JobView
from phoenix_core.engine import key_desk
from phoenix_core.engine.workflow import JobRun
from phoenix_core.storage.connect import connect_job_node
from phoenix_core.storage.errors import StorageUnreachable
from phoenix_core.storage.node_api import JobNode
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.domainkeys import DomainKeys
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import BlockRef, Location
from phoenix_core.vault.treewalk import walk
from tests.engine.fake_agent import FakeAgent, restore
from tests.engine.rig import WAIT_S, Rig
from tests.engine.test_restore import backed_up, readable

ORDINALS = 8


class Held:
    """Holds the core back where it first asks where content lies, until it is let go."""

    def __init__(self, rig: Rig) -> None:
        assert rig.core is not None
        self._node: Any = rig.core._parts.seat.get().node
        self._ask = self._node.locate_all
        self._trees = {pack.pack_id for pack in rig.node().packs() if pack.kind == PackKind.META}
        self.reached = threading.Event()
        self.go = threading.Event()
        self.fails = False
        self._use(self.locate_all)

    def locate_all(self, ids: Sequence[ChunkId]) -> list[list[Location]]:
        found = self._ask(ids)
        if any(place.pack_id not in self._trees for places in found for place in places):
            self.reached.set()
            assert self.go.wait(WAIT_S)
            if self.fails:
                raise StorageUnreachable(place="there", detail="gone")
        return found

    def let_go(self) -> None:
        self.go.set()
        self._use(self._ask)

    def _use(self, locate_all: Callable[..., list[list[Location]]]) -> None:
        self._node.locate_all = locate_all


class Planning:
    """A script that waits for the whole grant, as a plan does at its end, and then restores."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def __call__(self, agent: FakeAgent, order: object) -> None:
        assert isinstance(order, RestoreOrder)
        self.begun.set()
        try:
            await agent.whole_grant(order.job)
        except PhoenixError as error:
            await agent.report(order.job, JobFailed(error=error.view()))
        else:
            await restore(agent, order)


@pytest.fixture(autouse=True)
def short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What isn't granted yet is said at once."""
    monkeypatch.setattr(key_desk, "ANSWER_S", 0.01)


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    made = await rig.agent()
    made.files = {"/srv/one": os.urandom(700_000), "/srv/deep/two": os.urandom(700_000)}
    await backed_up(rig, "web1")
    made.awaits_grant = False
    return made


@pytest.fixture
async def held(rig: Rig, agent: FakeAgent) -> AsyncIterator[Held]:
    made = await asyncio.to_thread(Held, rig)
    yield made
    made.let_go()


def trees(order: RestoreOrder, node: JobNode, agent: FakeAgent, loop: asyncio.AbstractEventLoop) -> list[bytes]:
    """All paths below the order's, by its trees."""

    def block_keys(blocks: Sequence[BlockRef]) -> Sequence[bytes]:
        return asyncio.run_coroutine_threadsafe(agent.keys(order.job, blocks), loop).result()

    keys = DomainKeys(**{name: getattr(order.domain, name) for name in DomainKeys.__struct_fields__})
    source = ChunkReader(node.locate, node.open_pack, block_keys, keys, PackKind.META)
    return [path for path, entry in walk(source, order.root, order.paths) if entry.is_file]


async def planned(agent: FakeAgent, order: RestoreOrder) -> list[bytes]:
    loop = asyncio.get_running_loop()
    node = await asyncio.to_thread(lambda: connect_job_node(order.storage, agent.state.tls.client_context))
    try:
        return await asyncio.to_thread(trees, order, node, agent, loop)
    finally:
        await asyncio.to_thread(node.close)


async def blocks_given(rig: Rig, agent: FakeAgent, order: RestoreOrder) -> tuple[set[BlockRef], set[str]]:
    """Of all blocks of the vault those whose keys the agent gets now, and the codes of what it is told of the rest."""
    given: set[BlockRef] = set()
    refused: set[str] = set()
    for pack in await asyncio.to_thread(lambda: list(rig.node().packs())):
        for ordinal in range(ORDINALS):
            block = BlockRef(pack.pack_id, ordinal)
            try:
                await agent.keys(order.job, [block])
                given.add(block)
            except PhoenixError as error:
                refused.add(error.view().code)
    return given, refused


async def planning(rig: Rig, agent: FakeAgent, held: Held) -> JobView:
    """A restore whose agent has its order, and whose grant is held back."""
    agent.on_restore = script = Planning()
    job = await rig.client.restore(RestoreRequest(server="web1"))
    assert await asyncio.to_thread(held.reached.wait, WAIT_S)
    await asyncio.wait_for(script.begun.wait(), WAIT_S)
    return job


def run_of(rig: Rig, job_id: str) -> JobRun:
    assert rig.core is not None
    run = rig.core._parts.runner.run_of(job_id)
    assert run is not None
    return run


def steps_of(job: JobView) -> dict[str, StepState]:
    return {step.id: step.state for step in job.steps}


async def test_while_the_grant_grows_the_agent_reads_trees_and_no_content(
    rig: Rig, agent: FakeAgent, held: Held
) -> None:
    """What it gets early is part of what it gets in the end."""
    early: set[BlockRef] = set()
    opened: set[bytes] = set()
    refused: set[str] = set()
    late: set[BlockRef] = set()
    paths: list[bytes] = []

    async def plan_first(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, RestoreOrder)
        assert order.grant_grows
        assert await asyncio.to_thread(held.reached.wait, WAIT_S)
        paths.extend(await planned(agent, order))
        packs = await asyncio.to_thread(lambda: {pack.pack_id for pack in rig.node().packs()})
        opened.update(await asyncio.to_thread(readable, order, packs))
        given, codes = await blocks_given(rig, agent, order)
        early.update(given)
        refused.update(codes)
        held.let_go()
        await agent.whole_grant(order.job)
        late.update((await blocks_given(rig, agent, order))[0])
        await restore(agent, order)

    agent.on_restore = plan_first
    done = await rig.ended((await rig.client.restore(RestoreRequest(server="web1"))).id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert set(steps_of(done).values()) == {StepState.DONE}
    assert agent.restored == agent.files
    assert paths == [b"/srv/deep/two", b"/srv/one"]
    kinds = {pack.pack_id: pack.kind for pack in await asyncio.to_thread(lambda: list(rig.node().packs()))}
    assert {kinds[pack] for pack in opened} == {PackKind.META}
    assert {kinds[block.pack_id] for block in early} == {PackKind.META}
    assert refused == {"grant_grows"}
    assert early < late


async def test_an_agent_that_does_not_know_it_gets_its_order_with_the_whole_grant(
    rig: Rig, agent: FakeAgent, held: Held
) -> None:
    await agent.stop()
    agent.can = tuple(feature for feature in features.ALL if feature != features.GROWING_GRANT)
    agent.link = agent._new_link()
    await agent.start()
    job = await rig.client.restore(RestoreRequest(server="web1"))
    assert await asyncio.to_thread(held.reached.wait, WAIT_S)
    before = [order for order in agent.orders if isinstance(order, RestoreOrder)]
    held.let_go()
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL
    assert before == []
    assert not agent.orders[-1].grant_grows  # type: ignore[union-attr]
    assert agent.restored == agent.files


async def test_a_grant_that_fails_later_fails_the_restore_with_its_own_error(
    rig: Rig, agent: FakeAgent, held: Held
) -> None:
    held.fails = True
    job = await planning(rig, agent, held)
    held.go.set()
    done = await rig.ended(job.id)
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert done.error.code == StorageUnreachable.code
    assert steps_of(done)["WF2.2"] is StepState.FAILED
    assert not await asyncio.to_thread(rig.node().leases)


async def test_where_the_agent_can_not_go_on_the_grant_is_broken_off(rig: Rig, agent: FakeAgent, held: Held) -> None:
    async def no_space(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, RestoreOrder)
        assert await asyncio.to_thread(held.reached.wait, WAIT_S)
        await agent.report(order.job, JobFailed(error=PhoenixError(detail="no space").view()))
        assert await asyncio.to_thread(run_of(rig, order.job).stop.wait, WAIT_S)
        held.let_go()

    agent.on_restore = no_space
    done = await rig.ended((await rig.client.restore(RestoreRequest(server="web1"))).id)
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert "no space" in done.error.message
    assert steps_of(done)["WF2.2"] is StepState.SKIPPED
    assert not await asyncio.to_thread(rig.node().leases)


async def test_a_restore_is_cancelled_while_its_grant_grows(rig: Rig, agent: FakeAgent, held: Held) -> None:
    job = await planning(rig, agent, held)
    await rig.client.cancel(job.id)
    held.let_go()
    done = await rig.ended(job.id)
    assert done.state is JobState.CANCELLED
    assert agent.restored == {}
    assert not await asyncio.to_thread(rig.node().leases)


async def test_a_restore_goes_on_over_a_restart_of_the_core_while_its_grant_grows(
    rig: Rig, agent: FakeAgent, held: Held
) -> None:
    """The core finds out anew what it may read; the agent, which plans on, waits for that."""
    job = await planning(rig, agent, held)
    run = run_of(rig, job.id)
    restarted = asyncio.create_task(rig.restart())
    assert await asyncio.to_thread(run.stop.wait, WAIT_S)
    held.let_go()
    await restarted
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert len([order for order in agent.orders if isinstance(order, RestoreOrder)]) == 1
    assert agent.restored == agent.files


async def test_an_agent_that_asks_by_itself_gets_no_order_before_all_is_found_out(
    rig: Rig, agent: FakeAgent, held: Held
) -> None:
    snapshot = (await rig.client.snapshot("latest")).id
    answer = await agent.link.request(OwnRestoreRequest(0, snapshot, (), b"/tmp/own"), 10)
    assert await asyncio.to_thread(held.reached.wait, WAIT_S)
    before = [order for order in agent.orders if isinstance(order, RestoreOrder)]
    held.let_go()
    assert (await rig.ended(answer.job)).state is JobState.SUCCESSFUL
    assert before == []
    assert agent.restored == agent.files
