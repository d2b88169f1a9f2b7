"""Comparisons through the engine: what the agent is told and may read, what operators get of its answer."""

import asyncio

import pytest

from phoenix_core.agentlink.comparemessages import CompareFindings, CompareTerms, Difference
from phoenix_core.agentlink.messages import BackupOrder, RestoreOrder
from phoenix_core.agentlink.reports import MissingFile, RestoreResult
from phoenix_core.domain.comparing import CompareRequest
from phoenix_core.domain.drills import DrillRequest
from phoenix_core.domain.errors import PhoenixError, RemoteError
from phoenix_core.domain.requests import BackupRequest, RestoreRequest
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import BlockRef
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig

FOUND = CompareFindings(
    same=3,
    added=1,
    content=2,
    not_compared=1,
    differences=(
        Difference("/srv/a", "content", 1, 2),
        Difference("/srv/b", "content", 3, 4),
        Difference("/srv/c", "added", 0, 5),
    ),
)


async def backed_up(rig: Rig) -> FakeAgent:
    agent = await rig.agent()
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",), excludes=("*.tmp",)))
    await rig.ended(job.id)
    return agent


async def test_what_the_agent_found_is_counted_and_read_in_pages(rig: Rig) -> None:
    agent = await backed_up(rig)
    told: list[RestoreOrder] = []

    async def compare(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, RestoreOrder)
        told.append(order)
        missing = (MissingFile("/srv/d", "EACCES"),)
        await agent.report(order.job, RestoreResult(missing=missing, missing_count=1, compare=FOUND))

    agent.on_restore = compare
    job = await rig.ended((await rig.client.compare(CompareRequest(server="web1", content=True, folder="/r"))).id)
    assert (job.kind, job.state) == (JobKind.FILE_COMPARE, JobState.SUCCESSFUL_WITH_ERRORS)
    terms = told[0].compare
    assert terms is not None
    assert (terms.folder, terms.content, terms.excludes) == (b"/r", True, ("*.tmp",))
    assert (told[0].destination, told[0].check_only) == (b"comparison", True)
    counts = {name: job.result[name] for name in ("same", "added", "removed", "content", "not_compared", "listed")}
    assert counts == {"same": 3, "added": 1, "removed": 0, "content": 2, "not_compared": 1, "listed": 3}
    assert [each.path for each in job.missing] == ["/srv/d"]
    first = await rig.client.differences(job.id, limit=2)
    assert [(each.number, each.path) for each in first.differences] == [(1, "/srv/a"), (2, "/srv/b")]
    rest = await rig.client.differences(job.id, after=first.next_after, limit=2)
    assert [(each.number, each.path, each.size_after) for each in rest.differences] == [(3, "/srv/c", 5)]
    assert rest.next_after == 0


async def test_the_agent_gets_the_trees_and_no_content(rig: Rig) -> None:
    agent = await backed_up(rig)
    kinds: set[str] = set()

    async def probe(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, RestoreOrder)
        for pack in await asyncio.to_thread(lambda: list(rig.node().packs())):
            try:
                await agent.keys(order.job, [BlockRef(pack.pack_id, 0)])
            except PhoenixError:
                continue
            kinds.add(pack.kind)
        await agent.report(order.job, RestoreResult(compare=CompareFindings()))

    agent.on_restore = probe
    job = await rig.ended((await rig.client.compare(CompareRequest(server="web1"))).id)
    assert job.state is JobState.SUCCESSFUL, job.error
    assert kinds == {PackKind.META}


async def test_an_agent_of_an_earlier_release_is_told_apart(rig: Rig) -> None:
    agent = await backed_up(rig)
    agent.can = ()
    await agent.stop()
    await agent.start()
    job = await rig.ended((await rig.client.compare(CompareRequest(server="web1"))).id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == "agent_cannot_compare"
    assert "phoenix mount" in job.error.hint
    assert agent.orders[-1].__class__.__name__ == "BackupOrder"


async def test_comparisons_and_drills_give_way_as_backups_do_and_restores_do_not(rig: Rig) -> None:
    agent = await backed_up(rig)
    await rig.client.set_setting("backup.nice", "7")
    for job in (
        await rig.client.compare(CompareRequest(server="web1")),
        await rig.client.run_drill(DrillRequest(server="web1")),
        await rig.client.restore(RestoreRequest(server="web1", destination="/tmp/r")),
    ):
        await rig.ended(job.id)
    orders = [order for order in agent.orders if isinstance(order, RestoreOrder)]
    assert [(order.compare is not None, order.drill is not None, order.nice) for order in orders] == [
        (True, False, 7),
        (False, True, 7),
        (False, False, 0),
    ]


async def test_bad_comparisons_are_refused(rig: Rig) -> None:
    await backed_up(rig)
    for request, message in (
        (CompareRequest(server="web9"), "no server named web9"),
        (CompareRequest(server="web1", snapshot="ffffff"), "no snapshot named ffffff"),
        (CompareRequest(server="web1", paths=("srv",)), "no absolute path"),
        (CompareRequest(server="web1", folder="r"), "no absolute path"),
    ):
        with pytest.raises(RemoteError, match=message):
            await rig.client.compare(request)
    job = await rig.ended((await rig.client.compare(CompareRequest(server="web1", paths=("/nothing",)))).id)
    assert job.error is not None
    assert job.error.code == "path_not_in_snapshot"


async def test_the_agent_gets_the_rules_of_the_backup(rig: Rig) -> None:
    agent = await backed_up(rig)
    (backup,) = agent.orders
    assert isinstance(backup, BackupOrder)
    snapshot = await rig.client.snapshot("latest")
    terms: list[CompareTerms] = []

    async def compare(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, RestoreOrder)
        assert order.compare is not None
        terms.append(order.compare)
        await agent.report(order.job, RestoreResult(compare=CompareFindings()))

    agent.on_restore = compare
    await rig.ended((await rig.client.compare(CompareRequest(server="web1"))).id)
    assert terms[0].rules == backup.rules
    assert terms[0].made_ns == int(snapshot.created_at.timestamp() * 1e9)
