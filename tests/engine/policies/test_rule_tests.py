"""Tests of content rules at a server: through the API, the core and a real link, by the agent's real walk."""

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

import pytest

from phoenix_core.agent import ruletests
from phoenix_core.agent.ruletestrun import run_test
from phoenix_core.agent.ruletests import RuleTests
from phoenix_core.agentlink import features
from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.agentlink.ruletest import RuleTestAnswer, RuleTestOrder, RuleTestPage
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.policies import BackupPolicy, ContentRule, ServerGroup
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.ruletest import RuleTestRequest, RuleTestSummary, RuleVerdict
from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig


class TestingAgent(FakeAgent):
    """Its rule tests are those of the real agent."""

    __test__ = False

    def test_rules(self, order: RuleTestOrder) -> None:
        RuleTests(self.link, self.state_dir, run_test).start(order)


@pytest.fixture
async def agent(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> FakeAgent:
    monkeypatch.setattr("tests.engine.rig.FakeAgent", TestingAgent)
    return await rig.agent()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in ("www/index.html", "www/photo.JPG", "www/x.tmp", "logs/app.log", "cache/blob"):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_bytes(b"x" * 100)
    (tmp_path / "source/cache/CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55")
    (tmp_path / "source/link").symlink_to("www")
    return tmp_path / "source"


async def tried(rig: Rig, *rules: ContentRule, show: str = "all") -> tuple[list[RuleVerdict], RuleTestSummary]:
    verdicts: list[RuleVerdict] = []
    async for line in rig.client.rule_test(RuleTestRequest("web1", rules, show)):
        verdicts += line.verdicts
        if line.summary is not None:
            return verdicts, line.summary
    raise AssertionError("there was no summary")


async def refused(rig: Rig, request: RuleTestRequest) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        async for _ in rig.client.rule_test(request):
            pass
    return caught.value


async def test_each_entry_is_told_with_the_rule_the_field_and_what_decided(
    rig: Rig, agent: FakeAgent, source: Path
) -> None:
    top = str(source)
    web = ContentRule(
        name="web", paths=(f"{top}/www", f"{top}/cache", f"{top}/logs"), excludes=("*.tmp",), not_extensions=("jpg",)
    )
    whole = ContentRule(name="all", paths=(top,), only_extensions=("log",))
    verdicts, summary = await tried(rig, web, whole)
    found = {
        (each.path.removeprefix(top), each.type): (each.taken, each.rule, each.field, each.value.removeprefix(top))
        for each in verdicts
    }
    assert found == {
        ("", "folder"): (True, "all", "paths", ""),
        ("/cache", "folder"): (True, "web", "paths", "/cache"),
        ("/cache/CACHEDIR.TAG", "file"): (True, "web", "paths", "/cache"),
        ("/cache/blob", "file"): (True, "web", "paths", "/cache"),
        ("/link", "link"): (True, "all", "paths", ""),
        ("/logs", "folder"): (True, "web", "paths", "/logs"),
        ("/logs/app.log", "file"): (True, "web", "paths", "/logs"),
        ("/www", "folder"): (True, "web", "paths", "/www"),
        ("/www/index.html", "file"): (True, "web", "paths", "/www"),
        ("/www/photo.JPG", "file"): (False, "web", "not_extensions", "jpg"),
        ("/www/x.tmp", "file"): (False, "web", "excludes", "*.tmp"),
    }
    assert (summary.files, summary.folders, summary.others) == (4, 4, 1)
    assert [(each.field, each.value, each.entries, each.bytes) for each in summary.left_out] == [
        ("not_extensions", "jpg", 1, 100),
        ("excludes", "*.tmp", 1, 100),
    ]


async def test_what_is_shown_can_be_chosen_and_all_is_counted(rig: Rig, agent: FakeAgent, source: Path) -> None:
    rule = ContentRule(name="r", paths=(str(source),), largest_bytes=50)
    all_of_them, summary = await tried(rig, rule)
    for show, wanted in (("in", [True]), ("out", [False]), ("none", [])):
        verdicts, same = await tried(rig, rule, show=show)
        assert verdicts == [each for each in all_of_them if each.taken in wanted]
        assert same == summary
    contents = next(each for each in all_of_them if each.type == "contents")
    assert (contents.path, contents.taken, contents.field) == (f"{source}/cache", False, "skip_caches")


async def test_the_core_s_own_data_and_the_agent_s_are_left_out_and_told(
    rig: Rig, agent: FakeAgent, tmp_path: Path
) -> None:
    verdicts, _ = await tried(rig, ContentRule(name="r", paths=(str(tmp_path),)), show="out")
    own = {each.path for each in verdicts if each.field == "own_data"}
    assert own == {str(rig.data.root), str(agent.state_dir)}
    error = await refused(rig, RuleTestRequest("web1", (ContentRule(name="r", paths=(str(rig.data.root),)),)))
    assert (error.view().code, "its own data" in error.message) == ("path_excluded", True)


async def test_what_is_not_there_is_noted_and_refused_where_nothing_is(
    rig: Rig, agent: FakeAgent, source: Path
) -> None:
    _, summary = await tried(rig, ContentRule(name="r", paths=(str(source), "/not/there")), show="none")
    assert summary.notes == ("/not/there is not backed up: there is nothing there.",)
    error = await refused(rig, RuleTestRequest("web1", (ContentRule(name="r", paths=("/not/there",)),)))
    assert error.view().code == "path_not_found"


async def test_neither_end_holds_more_than_some_pages_of_a_reader_that_is_slow(
    rig: Rig, agent: FakeAgent, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything sent any more once the reader has gone."""
    for number in range(60):
        (source / f"file-{number}").touch()
    monkeypatch.setattr(ruletests, "PAGE_VERDICTS", 2)
    monkeypatch.setattr(ruletests, "PAGE_S", 1000.0)
    assert rig.core is not None
    tests = rig.core._parts.rule_tests
    pages: list[RuleTestPage] = []
    take = tests.page
    ended = asyncio.Event()

    async def taken(peer_id: str, page: RuleTestPage) -> RuleTestAnswer:
        pages.append(page)
        answer = await take(peer_id, page)
        if not answer.go_on:
            ended.set()
        return answer

    monkeypatch.setattr(tests, "page", taken)
    async with aclosing(tests.run(RuleTestRequest("web1", (ContentRule(name="r", paths=(str(source),)),)))) as lines:
        assert len((await anext(lines)).verdicts) == 2
        for _ in range(20):
            await asyncio.sleep(0.01)
        held = len(pages)
        assert held <= 5
    await asyncio.wait_for(ended.wait(), 10)
    assert len(pages) <= held + 1
    assert not any(page.totals for page in pages)


async def test_an_agent_that_goes_while_it_tests_is_told_of(rig: Rig, agent: FakeAgent, source: Path) -> None:
    came = asyncio.Event()
    agent.test_rules = lambda order: came.set()  # type: ignore[method-assign]
    asked = asyncio.create_task(refused(rig, RuleTestRequest("web1", (ContentRule(name="r", paths=("/srv",)),))))
    await asyncio.wait_for(came.wait(), 10)
    await agent.stop()
    assert (await asked).view().code == "rule_test_agent_lost"
    error = await refused(rig, RuleTestRequest("web1", (ContentRule(name="r", paths=("/srv",)),)))
    assert error.view().code == "rule_test_agent_away"


@pytest.mark.parametrize(
    ("rules", "show", "code"),
    [
        ((), "all", "usage"),
        ((ContentRule(name="r", paths=("/srv",)),), "some", "usage"),
        ((ContentRule(name="r", paths=("srv",)),), "all", "field_invalid"),
    ],
)
async def test_what_can_t_be_tested_is_refused_at_once(
    rig: Rig, agent: FakeAgent, rules: tuple[ContentRule, ...], show: str, code: str
) -> None:
    assert (await refused(rig, RuleTestRequest("web1", rules, show))).view().code == code
    assert agent.rule_tests == []


async def test_an_agent_that_knows_no_rules_tests_none_and_its_backups_say_so(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "ALL", ())
    agent = await rig.agent()
    rule = ContentRule(name="r", paths=("/srv",), largest_bytes=100, excludes=("*.tmp",))
    assert (await refused(rig, RuleTestRequest("web1", (rule,)))).view().code == "rule_test_agent_old"
    await rig.client.put_rule("r", rule)
    await rig.client.put_group("g", ServerGroup("g", rules=("r",), servers=("web1",)))
    job = await rig.client.backup(BackupRequest(server="web1"))
    await rig.ended(job.id)
    assert any("Upgrade the agent" in line.text for line in await rig.client.job_log(job.id))
    (order,) = agent.orders
    assert isinstance(order, BackupOrder)
    assert (order.paths, order.excludes) == ((b"/srv",), ("*.tmp",))


async def test_backup_now_of_a_server_in_a_group_goes_by_its_rules(rig: Rig) -> None:
    agent = await rig.agent()
    await rig.client.put_policy("nightly", BackupPolicy(name="nightly"))
    first = ContentRule(name="web", paths=("/srv",), only_extensions=("html",), excludes=("*.tmp",))
    await rig.client.put_rule("web", first)
    await rig.client.put_rule("etc", ContentRule(name="etc", paths=("/etc",), skip_caches=False))
    await rig.client.put_group("g", ServerGroup("g", "nightly", ("web", "etc"), ("web1",)))
    job = await rig.client.backup(BackupRequest(server="web1"))
    assert job.title == "Backup of web1: /srv, /etc, without *.tmp, by its group's rules"
    await rig.ended(job.id)
    again = await rig.client.backup(BackupRequest(server="web1", paths=("/opt",)))
    await rig.ended(again.id)
    by_rules, by_hand = agent.orders
    assert isinstance(by_rules, BackupOrder)
    assert isinstance(by_hand, BackupOrder)
    assert [(each.name, each.paths, each.only_extensions, each.skip_caches) for each in by_rules.rules] == [
        ("web", (b"/srv",), ("html",), True),
        ("etc", (b"/etc",), (), False),
    ]
    assert [(each.name, each.paths, each.skip_caches) for each in by_hand.rules] == [("", (b"/opt",), False)]
    assert by_hand.core_time_ns
    assert os.fspath(b"/srv") in by_rules.paths


async def test_what_snapshots_as_the_source_of_a_backup_would_mean_is_told(
    rig: Rig, agent: FakeAgent, source: Path
) -> None:
    rule = ContentRule(name="web", paths=(str(source),))
    await rig.client.put_rule("web", rule)
    for wanted in (SourceSnapshot.OFF, SourceSnapshot.REQUIRED):
        await rig.client.put_policy("nightly", BackupPolicy(name="nightly", source_snapshot=wanted))
        await rig.client.put_group("web", ServerGroup("web", policy="nightly", rules=("web",), servers=("web1",)))
        _, summary = await tried(rig, rule)
        told = [note for note in summary.notes if note.startswith(("A trial reads live files", "A backup would fail"))]
        assert len(told) == (wanted is SourceSnapshot.REQUIRED), summary.notes
