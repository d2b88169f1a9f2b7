"""Tests of content rules: asks a server's agent what a backup would take, and hands its pages on as they come."""

import asyncio
from collections.abc import AsyncGenerator

import structlog

from phoenix_core.agentlink import features
from phoenix_core.agentlink.ruletest import RuleTestAnswer, RuleTestOrder, RuleTestPage, RuleTestTotals
from phoenix_core.agentlink.sourcesnapshots import SourceSnapshotOrder
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError, RemoteError
from phoenix_core.domain.ids import new_id
from phoenix_core.domain.names import shown
from phoenix_core.domain.ruletest import RuleTestLine, RuleTestReason, RuleTestRequest, RuleTestSummary, RuleVerdict
from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from phoenix_core.engine.agent_jobs import AgentJobs
from phoenix_core.engine.content import ordered
from phoenix_core.engine.errors import BadRequest
from phoenix_core.engine.own_folders import OwnFolders
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.policies.errors import RuleTestAgentAway, RuleTestAgentLost, RuleTestAgentOld
from phoenix_core.engine.policies.rule_checks import check_rule
from phoenix_core.engine.settings import Settings

SHOWN = ("all", "in", "out", "none")
SILENCE_S = 60.0
"""An agent hands a page over every few seconds."""
PAGES_AHEAD = 2
log = structlog.get_logger(__name__)


class _Test:
    def __init__(self, peer_id: str) -> None:
        self.peer_id = peer_id
        self.seen = 0
        """Number of the newest page."""
        self.room = asyncio.Semaphore(PAGES_AHEAD)
        self.pages: asyncio.Queue[RuleTestPage | PhoenixError] = asyncio.Queue()


class RuleTests:
    """Used from the event loop only."""

    def __init__(
        self,
        agents: AgentJobs,
        directory: PeerDirectory,
        own_folders: OwnFolders,
        settings: Settings,
        clock: Clock,
        attached: Attached,
        *,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._agents = agents
        self._directory = directory
        self._own_folders = own_folders
        self._settings = settings
        self._clock = clock
        self._attached = attached
        self._silence_s = silence_s
        self._tests: dict[str, _Test] = {}

    async def run(self, request: RuleTestRequest) -> AsyncGenerator[RuleTestLine, None]:
        """Lines with verdicts, and last one with the summary. Raises FieldInvalid, and what keeps the agent from it."""
        server = self._directory.server_in_use(request.server)
        rules = tuple(map(check_rule, request.rules))
        if not rules:
            raise BadRequest(detail="a test needs at least one rule")
        if request.show not in SHOWN:
            raise BadRequest(detail=f"show={request.show[:40]} is none of {', '.join(SHOWN)}")
        if not self._directory.connected(server.id):
            raise RuleTestAgentAway(server=server.name)
        if not self._agents.knows(server.id, features.RULES):
            raise RuleTestAgentOld(server=server.name)
        order = RuleTestOrder(
            test=new_id("t"),
            rules=ordered(rules, all_cross=self._settings.flag("backup.cross_mounts")),
            never_write_under=self._own_folders.at(server.id),
            show=request.show,
            nice=self._settings.whole("backup.nice"),
            core_time_ns=int(self._clock.now().timestamp() * 1e9),
            source_snapshot=await self._source_snapshot(server.id),
        )
        test = self._tests[order.test] = _Test(server.id)
        try:
            await self._agents.send(server.id, order)
            while True:
                page = await self._next(test, server.name)
                if page.error is not None:
                    raise RemoteError(page.error)
                if page.verdicts:
                    yield RuleTestLine(verdicts=tuple(_view(page)))
                if page.totals is not None:
                    yield RuleTestLine(summary=_summary(server.name, page.totals))
                    return
        finally:
            del self._tests[order.test]
            test.room.release()  # a page that waits for room learns that nobody wants it

    async def _source_snapshot(self, server_id: str) -> SourceSnapshotOrder | None:
        """As a backup of the server would have it."""
        policy = (await self._attached.policies_by_server()).get(server_id)
        mode = policy.source_snapshot if policy is not None else SourceSnapshot.OFF
        if mode is SourceSnapshot.OFF or not self._agents.knows(server_id, features.SOURCE_SNAPSHOTS):
            return None
        return SourceSnapshotOrder(mode, self._settings.whole("backup.lvm_snapshot_percent"))

    async def page(self, peer_id: str, page: RuleTestPage) -> RuleTestAnswer:
        """A page of an agent; answered once there is room for the next."""
        test = self._tests.get(page.test)
        if test is None or test.peer_id != peer_id:
            return RuleTestAnswer(number=page.number, go_on=False)
        if page.page > test.seen:  # else it came twice, because a connection was lost
            await test.room.acquire()
            test.seen = page.page
            test.pages.put_nowait(page)
        return RuleTestAnswer(number=page.number, go_on=page.test in self._tests)

    def disconnected(self, peer_id: str) -> None:
        lost = RuleTestAgentLost(server=self._directory.name_of(peer_id))
        for test in self._tests.values():
            if test.peer_id == peer_id:
                test.pages.put_nowait(lost)

    async def _next(self, test: _Test, server: str) -> RuleTestPage:
        try:
            async with asyncio.timeout(self._silence_s):
                page = await test.pages.get()
        except TimeoutError as error:
            raise RuleTestAgentLost(server=server) from error
        if isinstance(page, PhoenixError):
            raise page
        test.room.release()
        return page


def _view(page: RuleTestPage) -> list[RuleVerdict]:
    return [
        RuleVerdict(shown(each.path), each.type, each.taken, each.size, each.rule, each.field, each.value)
        for each in page.verdicts
    ]


def _summary(server_name: str, totals: RuleTestTotals) -> RuleTestSummary:
    return RuleTestSummary(
        server_name=server_name,
        files=totals.files,
        folders=totals.folders,
        others=totals.others,
        bytes=totals.bytes,
        left_out=tuple(
            RuleTestReason(each.rule, each.field, each.value, each.entries, each.bytes) for each in totals.left_out
        ),
        notes=totals.notes,
    )
