"""All that a stolen agent may say over the link, about jobs, snapshots, blocks and rule tests that aren't its own, and
answers to what nobody asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from phoenix_core.agentlink import frames
from phoenix_core.agentlink.dial import CONNECT_PATH, http_session
from phoenix_core.agentlink.directions import FromPeer
from phoenix_core.agentlink.errors import from_view
from phoenix_core.agentlink.growinggrant import GrantRequest
from phoenix_core.agentlink.messages import (
    BackupOrder,
    CertificateRequest,
    Heartbeat,
    HeartbeatAnswer,
    Hello,
    JobKnown,
    KeysRequest,
    Message,
    OwnRestoreRequest,
    Refused,
    ReportAck,
    TokenRequest,
    Welcome,
)
from phoenix_core.agentlink.ownrestore import OwnJobRequest, OwnSnapshotsAnswer, OwnSnapshotsRequest
from phoenix_core.agentlink.ownstream import OwnStreamRequest
from phoenix_core.agentlink.reports import Progress, Report, ReportBody
from phoenix_core.agentlink.ruletest import RuleTestAnswer, RuleTestOrder, RuleTestPage, RuleTestTotals, Verdict
from phoenix_core.agentlink.upgradeorder import UpgradeNoted, UpgradeOutcome
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.policies import ContentRule
from phoenix_core.domain.requests import RestoreRequest
from phoenix_core.domain.ruletest import RuleTestLine, RuleTestRequest
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.vault.location import BlockRef
from tests.agentlink.golden_messages import EXAMPLES
from tests.chaos.stolen_agent_loot import Loot
from tests.engine.fake_agent import FakeAgent, until_cancelled

VICTIM = "victim0"
FORGED = "/forged"
LONG = "x\n\x1b[2J" * 20_000
ANSWER_S = 10.0


class Named(msgspec.Struct, frozen=True):
    """What the messages are about."""

    job: str
    snapshot: str
    test: str
    block: BlockRef


NOWHERE = Named("jnone", "0" * 64, "tnone", BlockRef(bytes(32), 0))


# --- all of them, about a victim and about nothing -------------------------------------------------------------------


async def each_message_about_others(loot: Loot) -> None:
    """Over a connection of its own: what a victim is working on, and what isn't there. Ends the agent's own one."""
    async with _at_work(loot) as theirs:
        await loot.agent.disconnect()
        async with _connection(loot, theirs) as socket:
            said = [*_about(theirs), *_about(NOWHERE), _hello(theirs)]
            assert {type(each) for each in said} == set(FromPeer.__args__), "a message of agents isn't tried"
            for number, message in enumerate(said, 1):
                await _say(loot, socket, message, number)
        await loot.agent.start()
        await _is_unharmed(loot, theirs)
    loot.counts["messages about others"] += len(said)


def _about(it: Named) -> list[Message]:
    bodies = [each.body for each in EXAMPLES.values() if isinstance(each, Report)]
    assert {type(each) for each in bodies} == set(ReportBody.__args__), "a report isn't tried"
    return [
        KeysRequest(0, it.job, (it.block,)),
        TokenRequest(0, it.job),
        GrantRequest(0, it.job),
        GrantRequest(0, it.job, seen=2**40),
        OwnJobRequest(0, it.job),
        OwnStreamRequest(number=0, token="ab" * 16, name="x", job=it.job),
        OwnRestoreRequest(0, it.snapshot, (), b"/tmp/loot"),
        OwnSnapshotsRequest(0),
        CertificateRequest(0, csr_pem="x"),
        UpgradeOutcome(0, version="9"),
        *_pages(it.test),
        Progress(job=it.job, phase="finish", files_done=4711, current=FORGED),
        *(Report(0, it.job, body) for body in bodies),
        Heartbeat(0),
    ]


def _pages(test: str) -> list[RuleTestPage]:
    """Verdicts, an end and an error, which a test would end with."""
    return [
        RuleTestPage(0, test, 1, verdicts=(_verdict(FORGED),)),
        RuleTestPage(0, test, 2**40, totals=RuleTestTotals(files=4711)),
        RuleTestPage(0, test, 2**41, error=ErrorView("forged", "Forged.", "")),
    ]


def _verdict(path: str) -> Verdict:
    return Verdict(path.encode(), "file", taken=True, size=7, rule="srv", field="paths", value="/srv")


def _hello(theirs: Named) -> Hello:
    """In a victim's name, as who works on its job."""
    platform = "Linux x86_64"
    return Hello(1, "agent", version="1", hostname=VICTIM, platform=platform, running_jobs=(theirs.job,))


@asynccontextmanager
async def _connection(loot: Loot, theirs: Named) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    context = await loot.off_loop(loot.agent.state.tls.client_context)
    url = loot.agent.state.peer.urls[0] + CONNECT_PATH
    async with http_session(context, ANSWER_S) as http, http.ws_connect(url) as socket:
        await socket.send_bytes(frames.encode(_hello(theirs)))
        welcome = await _received(socket)
        assert isinstance(welcome, Welcome)
        assert welcome.peer_id == loot.server, "a name in a greeting counts"
        known = await _received(socket)
        assert known == JobKnown(), "another's job is its own, since it says so"
        yield socket


async def _received(socket: aiohttp.ClientWebSocketResponse) -> Message:
    got = await socket.receive(ANSWER_S)
    assert got.type is aiohttp.WSMsgType.BINARY, f"the connection ended without a reason: {got}"
    return frames.decode_from_core(got.data)


async def _say(loot: Loot, socket: aiohttp.ClientWebSocketResponse, message: Any, number: int) -> None:
    """What has a number gets an answer of that number: a typed error, or nothing of others."""
    if not isinstance(message, Progress | Hello):
        message = msgspec.structs.replace(message, number=number)
    await socket.send_bytes(frames.encode(message))
    if isinstance(message, Progress):
        return
    answer: Any = await _received(socket)
    while not isinstance(answer, Refused) and getattr(answer, "number", None) != number:
        answer = await _received(socket)
    if isinstance(answer, Refused):
        assert isinstance(message, Hello), f"{message}: {answer}"
        assert answer.error.code == "message_unexpected"
        return
    if isinstance(answer, HeartbeatAnswer | ReportAck):
        return
    if isinstance(answer, OwnSnapshotsAnswer | UpgradeNoted | RuleTestAnswer):
        assert answer.error is None, f"{message}: {answer}"
        assert not (isinstance(answer, RuleTestAnswer) and answer.go_on), "a page for another's test was taken"
        if isinstance(answer, OwnSnapshotsAnswer):
            await _only_own(loot, answer)
        return
    assert answer.error is not None, f"{message} was not refused: {answer}"
    loot.typed(type(message).__name__, from_view(answer.error))
    loot.counts["refused"] += 1


# --- a victim at work ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _at_work(loot: Loot) -> AsyncIterator[Named]:
    """A restore of a victim that runs, and a test of rules that it answers in the end."""
    rig, victim = loot.rig, loot.rig.agents[0]
    usual, victim.on_restore = victim.on_restore, until_cancelled
    snapshot = next(each.id for each in await rig.client.snapshots() if each.server_name == VICTIM)
    job = await rig.client.restore(RestoreRequest(server=VICTIM))
    await rig.in_state(job.id, JobState.RUNNING)
    block = BlockRef((await loot.off_loop(loot.foreign_packs))[0], 0)
    async with _rule_test(loot, victim) as (test, lines):
        yield Named(job.id, snapshot, test, block)
        page = RuleTestPage(0, test, 1, verdicts=(_verdict("/srv/true"),), totals=RuleTestTotals(files=1))
        assert (await _answer(victim, page)).error is None
        found = await lines
    assert [each.path for line in found for each in line.verdicts] == ["/srv/true"], "another answered a rule test"
    assert [line.summary.files for line in found if line.summary] == [1]
    await rig.client.cancel(job.id)
    assert (await rig.ended(job.id)).state is JobState.CANCELLED
    victim.on_restore = usual


@asynccontextmanager
async def _rule_test(loot: Loot, agent: FakeAgent) -> AsyncIterator[tuple[str, "asyncio.Task[list[RuleTestLine]]"]]:
    """A test of rules at this agent, which gave no answer yet, and the lines that its operator will get."""
    ordered: asyncio.Future[RuleTestOrder] = asyncio.get_running_loop().create_future()
    usual = agent.test_rules
    agent.test_rules = ordered.set_result  # type: ignore[assignment, method-assign]
    request = RuleTestRequest(agent.facts.hostname, (ContentRule(name="srv", paths=("/srv",)),))

    async def read() -> list[RuleTestLine]:
        return [line async for line in loot.rig.client.rule_test(request)]

    lines = asyncio.create_task(read(), name="rule test")
    try:
        yield (await asyncio.wait_for(ordered, ANSWER_S)).test, lines
    finally:
        agent.test_rules = usual  # type: ignore[method-assign]
        lines.cancel()
        await asyncio.gather(lines, return_exceptions=True)


async def _answer(agent: FakeAgent, page: RuleTestPage) -> RuleTestAnswer:
    return await asyncio.to_thread(agent.link.request_blocking, page)


async def _is_unharmed(loot: Loot, theirs: Named) -> None:
    job = await loot.rig.client.job(theirs.job)
    assert job.state is JobState.RUNNING, "a report of another ended the job"
    assert job.progress is None or job.progress.current != FORGED, "a job's progress is another's"
    victim = await loot.rig.client.server(VICTIM)
    assert victim.connected
    assert victim.upgrade == "", "an upgrade of another server is told"


async def _only_own(loot: Loot, answer: OwnSnapshotsAnswer) -> set[str]:
    told = {each.snapshot_id for each in answer.snapshots}
    own = {each.id for each in await loot.rig.client.snapshots() if each.server_id == loot.server}
    assert told <= own, "a snapshot of others is listed"
    return own - told


# --- beside a job ----------------------------------------------------------------------------------------------------


async def questions_about_jobs(loot: Loot) -> None:
    """How jobs go and how far they may read: others', such as aren't there, its own that are over, and a backup."""
    jobs = await loot.rig.client.jobs()
    theirs = [job.id for job in jobs if job.server_id not in ("", loot.server)][:5]
    for job in (*theirs, "", "jnone", "../" + "x" * 100_000):
        await loot.asked("how a job of others goes", OwnJobRequest(0, job))
        await loot.asked("how far a job of others may read", GrantRequest(0, job, loot.dice.choice((0, -1, 2**40))))
    kinds = (JobKind.FILE_BACKUP, JobKind.FILE_RESTORE)
    own = [job.id for job in jobs if job.server_id == loot.server and job.kind in kinds and job.state.is_final][:2]
    for job in own:
        assert (await loot.agent.link.request(OwnJobRequest(0, job), ANSWER_S)).job == job
        await loot.asked("how far a job may read that is over", GrantRequest(0, job))
        await loot.asked("a token of a job that is over", TokenRequest(0, job))
    if isinstance(loot.order, BackupOrder):
        await loot.asked("how far a backup may read", GrantRequest(0, loot.order.job))
    loot.counts["jobs asked about"] += len(theirs) + len(own)


async def lists_of_snapshots(loot: Loot) -> None:
    """Its own and no others, however many it asks for."""
    for limit in (0, -1, -(2**63), 2**63 - 1, 1000):
        answer = await loot.agent.link.request(OwnSnapshotsRequest(0, limit), ANSWER_S)
        untold = await _only_own(loot, answer)
    assert not untold, "a snapshot of its own is not listed"
    loot.counts["lists of snapshots"] += 5


async def answers_that_lie(loot: Loot) -> None:
    """Of a test of rules at its own server, and of upgrades that nobody ordered: they say nothing of other servers, and
    of its own in single lines."""
    for outcome in (UpgradeOutcome(0, version=LONG), UpgradeOutcome(0, error=ErrorView("x", LONG, LONG))):
        await asyncio.to_thread(loot.agent.link.request_blocking, outcome)
        for server in await loot.rig.client.servers():
            assert not server.upgrade or server.id == loot.server, "an upgrade of another server is told"
            assert server.upgrade.isprintable(), "what is told of an upgrade isn't one line"
            assert len(server.upgrade) < 1000, "what is told of an upgrade has no end"
    async with _rule_test(loot, loot.agent) as (test, lines):
        odd = tuple(_verdict(path) for path in (LONG, "", "..", "/a\0b"))
        pages = [RuleTestPage(0, test, number, verdicts=odd) for number in (1, 1, -5, 0)]
        for page in (*pages, RuleTestPage(0, test, 2, totals=RuleTestTotals(2**63 - 1, -1, notes=(LONG,)))):
            await _answer(loot.agent, page)
        found = await lines
        assert not (await _answer(loot.agent, pages[0])).go_on, "a page for a test that is over was taken"
    paths = [each.path for line in found for each in line.verdicts]
    assert len(paths) == len(odd), "a page counts twice"
    assert all(path.isprintable() for path in paths)
    assert [line.summary.server_name for line in found if line.summary] == [loot.agent.facts.hostname]
    loot.counts["answers that lie"] += 8
