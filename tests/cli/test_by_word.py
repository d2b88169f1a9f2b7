"""Commands with all their words, on one core: as text, as JSON, and with words that are no good."""

import json
from pathlib import Path
from typing import Any

import pytest

from phoenix_core import __version__
from phoenix_core.agent.ruletestrun import run_test
from phoenix_core.agent.ruletests import RuleTests
from phoenix_core.agentlink import features, link
from phoenix_core.agentlink.drillmessages import DrillFailure, DrillFindings
from phoenix_core.domain.alerts import AlertKind
from tests.cli.beside import Beside
from tests.engine.drilling import drill, finding
from tests.engine.fake_agent import FakeAgent, back_up, failing, restore
from tests.engine.rig import Rig
from tests.engine.test_upgrades import give_wheels

BROKEN = DrillFindings(files=3, failures=tuple(DrillFailure(f"/srv/{n}", "damaged") for n in "abc"), failure_count=30)


@pytest.fixture
def agent(beside: Beside) -> FakeAgent:
    return beside.rig.agents[0]


# --- rules -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def source(beside: Beside, agent: FakeAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What rule `pages` is about, looked at as the real agent does."""
    for name in ("index.html", "x.tmp"):
        (tmp_path / name).write_bytes(b"x" * 100)
    tests = RuleTests(agent.link, agent.state_dir, run_test)
    monkeypatch.setattr(agent, "test_rules", tests.start)
    beside.run("rule", "set", "pages", "--path", tmp_path, "--exclude", "*.tmp", code=0)
    return tmp_path


def test_a_rule_test_says_of_each_thing_why(beside: Beside, source: Path) -> None:
    said = beside.run("rule", "test", "pages", "--server", "web1", code=0).out
    (inside,) = [line for line in said.splitlines() if f"{source}/index.html" in line]
    (outside,) = [line for line in said.splitlines() if f"{source}/x.tmp" in line]
    assert inside.startswith("in ")
    assert outside.startswith("out ")
    assert outside.endswith("(pages: excludes *.tmp)")
    assert "A backup of web1 would take 1 file (100 Bytes)" in said
    numbers = beside.run("rule", "test", "pages", "--server", "web1", "--show", "none", code=0).out
    assert numbers.startswith("A backup of web1 would take 1 file")


def test_a_rule_test_is_json_by_lines(beside: Beside, source: Path) -> None:
    done = beside.run("rule", "test", "pages", "--server", "web1", "--json", code=0)
    *verdicts, last = [json.loads(line) for line in done.out.splitlines()]
    taken = {each["path"]: each["taken"] for each in verdicts}
    assert (taken[f"{source}/index.html"], taken[f"{source}/x.tmp"]) == (True, False)
    assert (last["summary"]["server_name"], last["summary"]["files"]) == ("web1", 1)
    changed = beside.run("rule", "test", "pages", "--server", "web1", "--exclude", "*.html", "--json", code=0)
    assert json.loads(changed.out.splitlines()[-1])["summary"]["files"] == 1


@pytest.mark.parametrize(
    ("words", "error", "code"),
    [
        (("nothere", "--server", "web1"), "not_found", 1),
        (("pages", "--server", "nothere"), "not_found", 1),
        (("pages", "linux-server", "--server", "web1", "--exclude", "*.html"), "usage", 2),
        (("pages", "--server", "web1", "--show", "some"), "usage", 2),
    ],
)
def test_a_rule_test_of_nothing_is_refused(
    beside: Beside, source: Path, words: tuple[str, ...], error: str, code: int
) -> None:
    assert beside.error("rule", "test", *words, code=code)["code"] == error


def test_a_ready_made_rule_is_shown(beside: Beside) -> None:
    said = beside.run("rule", "show", "linux-server", code=0).out
    rule = beside.json("rule", "show", "linux-server")
    assert (rule["name"], rule["paths"]) == ("linux-server", ["/"])
    assert "linux-server" in said
    assert all(exclude in said for exclude in rule["excludes"])
    assert beside.error("rule", "show", "linux-desktop")["code"] == "not_found"


# --- retention -------------------------------------------------------------------------------------------------------


def test_retention_is_shown_then_carried_out(beside: Beside) -> None:
    old, new = beside.backed_up("web1", "/srv"), beside.backed_up("web1", "/srv")
    beside.run("policy", "set", "last", "--keep-last", "1", code=0)
    beside.run("rule", "set", "srv", "--path", "/srv", code=0)
    beside.run("group", "set", "web", "--policy", "last", "--rule", "srv", "--add", "web1", code=0)
    verdicts = {each["snapshot_id"]: each["reasons"] for each in beside.json("policy", "retention")}
    assert (verdicts[old], verdicts[new]) == ([], ["newest", "last 1"])
    going = len(verdicts) - 1
    said = beside.run("policy", "retention", "last", code=0).out
    (gone,), (kept,) = _with(said, old[:12]), _with(said, new[:12])
    assert (gone.split()[-1], kept.endswith("newest, last 1")) == ("goes", True)
    assert said.splitlines()[-1] == f"1 stay, {going} go."
    assert beside.error("policy", "retention", "--execute", code=2)["code"] == "not_confirmed"
    assert beside.error("policy", "retention", "last", "--execute", "--yes", code=2)["code"] == "usage"
    assert beside.json("policy", "retention", "--execute", "--yes")["result"]["removed"] == going
    assert old in [each["id"] for each in beside.json("snapshot", "list", "--removed")]
    assert "1 stay, 0 go." in beside.run("policy", "retention", code=0).out
    assert ": successful" in beside.run("policy", "retention", "--execute", "--yes", code=0).out
    assert beside.error("policy", "retention", "nothere")["code"] == "not_found"


def _with(said: str, word: str) -> list[str]:
    return [line for line in said.splitlines() if word in line]


# --- drills ----------------------------------------------------------------------------------------------------------


def test_a_drill_is_run_listed_and_shown(beside: Beside, agent: FakeAgent) -> None:
    agent.on_restore = drill
    snapshot = beside.backed_up("web1", "/srv")
    assert ": successful" in beside.run("drill", "run", "web1", "--all", code=0).out
    job = beside.json("drill", "run", "web1", "--sample", "1", "--snapshot", snapshot)
    assert (job["state"], job["result"]["files"]) == ("successful", 1)
    (row,) = _with(beside.run("drill", "list", "web1", code=0).out, job["id"])
    assert ("proved" in row, snapshot[:12] in row) == (True, True)
    assert [each["outcome"] for each in beside.json("drill", "list", "--limit", "1")] == ["proved"]
    said = beside.run("drill", "show", job["id"], code=0).out
    assert _with(said, "Result")[0].split() == ["Result", "proved"]
    assert "1 file, " in _with(said, "Checked")[0]
    assert beside.json("drill", "show", job["id"])["snapshot_id"] == snapshot


def test_a_drill_that_fails_names_files_and_where_the_others_are_named(beside: Beside, agent: FakeAgent) -> None:
    agent.on_restore = finding(BROKEN)
    beside.backed_up("web1", "/srv")
    job = beside.json("drill", "run", "web1", code=1)
    said = beside.run("drill", "show", job["id"], code=0).out
    assert "FAILED" in said
    assert "30 failed:\n  /srv/a: " in said
    assert f"`phoenix job show {job['id']}`" in said


@pytest.mark.parametrize(
    ("words", "error", "code"),
    [
        (("run", "nothere"), "not_found", 1),
        (("run", "web1", "--sample", "5", "--all"), "usage", 2),
        (("run", "web1", "--sample", "some"), "bad_sample", 2),
        (("run", "web1", "--max-bytes", "much"), "usage", 2),
        (("show", "nothere"), "not_found", 1),
        (("list", "nothere"), "not_found", 1),
    ],
)
def test_a_drill_of_nothing_is_refused(beside: Beside, words: tuple[str, ...], error: str, code: int) -> None:
    assert beside.error("drill", *words, code=code)["code"] == error


# --- restores --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [(), ("--check",)])
def test_a_restore_at_a_terminal_shows_its_checks_first(
    beside: Beside, agent: FakeAgent, more: tuple[str, ...]
) -> None:
    agent.on_restore = restore
    beside.backed_up("web1", "/srv")
    done = beside.on_terminal("restore", "web1", "--to", "/elsewhere", *more)
    assert done.code == 0, done
    at = [done.out.index(f"WF6.{number}  ") for number in (3, 4, 5)]
    assert at == sorted(at)
    assert at[-1] < done.out.index("Job ")


# --- audit log -------------------------------------------------------------------------------------------------------


def test_the_audit_log_is_listed_and_exported(beside: Beside, tmp_path: Path) -> None:
    beside.run("policy", "set", "weekly", "--keep-last", "3", code=0)
    row = beside.run("audit", "list", "--limit", "1", code=0).out.splitlines()[-1]
    assert ("policy" in row, "weekly" in row) == (True, True)
    (newest,) = beside.json("audit", "list", "--limit", "1")
    assert newest["subject"] == "weekly"
    file = tmp_path / "audit.jsonl"
    done = beside.run("audit", "export", file, code=0)
    exported: list[Any] = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert exported[-1] == newest
    assert done.out == f"Wrote {file}: {len(exported)} lines.\n"
    assert beside.json("audit", "export", file) == {"file": str(file), "entries": len(exported)}
    assert beside.run("audit", "export", code=0).out == file.read_text("utf-8")
    assert beside.error("audit", "export", tmp_path / "no" / "file")["code"] == "file_unwritable"
    assert beside.run("audit", "list", "--limit", "0").code == 2


# --- alerts ----------------------------------------------------------------------------------------------------------


def test_an_alert_is_acknowledged(beside: Beside, agent: FakeAgent) -> None:
    agent.on_backup = failing
    assert beside.run("backup", "web1", "/srv").code == 1
    agent.on_backup = back_up
    beside.do(_alert(beside.rig))
    (alert,) = [each for each in beside.json("alert", "list") if each["kind"] == AlertKind.BACKUP_FAILED]
    said = beside.run("alert", "acknowledge", alert["id"], "--note", "The disk is ordered.", code=0).out
    (known,) = _with(said, "Known to")
    assert known.endswith(": The disk is ordered.")
    assert "the disk burns" in _with(said, "What happened")[0]
    known_to = beside.json("alert", "acknowledge", alert["id"])["acknowledged_by"]
    assert known_to in _with(beside.run("alert", "list", code=0).out, alert["id"])[0]
    assert beside.error("alert", "acknowledge", "nothere")["code"] == "not_found"


async def _alert(rig: Rig) -> None:
    async def there() -> bool:
        return any(each.kind is AlertKind.BACKUP_FAILED for each in await rig.client.alerts())

    await rig.until(there)


# --- upgrades --------------------------------------------------------------------------------------------------------


def test_agents_are_ordered_to_upgrade(
    beside: Beside, agent: FakeAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert beside.error("server", "upgrade", code=2)["code"] == "usage"
    assert beside.error("server", "upgrade", "web1", "--all", code=2)["code"] == "usage"
    assert beside.run("server", "upgrade", "--all", code=0).out == "No agent that is connected is behind.\n"
    give_wheels(beside.rig, tmp_path)
    monkeypatch.setattr(link, "__version__", "0.0.9")
    old = beside.do(_that_allows_it(beside.rig))
    monkeypatch.setattr(link, "__version__", __version__)
    (ordered,) = beside.json("server", "upgrade", "--all")
    assert (ordered["server"], ordered["upgrade"].startswith("upgrade ordered "), ordered["error"]) == (
        "old",
        True,
        None,
    )
    done = beside.run("server", "upgrade", "old", "nothere")
    assert done.code == 1
    assert done.out.startswith("old: upgrade ordered ")
    assert "nothere: " in done.err
    assert len(old.upgrades) == 2
    refused = beside.json("server", "upgrade", "nothere", code=1)
    assert [(each["server"], each["error"]["code"]) for each in refused] == [("nothere", "not_found")]


async def _that_allows_it(rig: Rig) -> FakeAgent:
    made = await rig.agent("old")
    made.can = (*features.ALL, features.UPGRADES)
    await made.stop()

    async def back() -> bool:
        return (await rig.client.server("old")).connected

    async def away() -> bool:
        return not await back()

    await rig.until(away)
    await made.start()
    await rig.until(back)
    return made


# --- streams ---------------------------------------------------------------------------------------------------------


def test_a_stream_is_backed_up_under_its_name(
    beside: Beside, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "files", {"/phoenix-streams/orders": b"rows"})
    words = ("backup", "web1", "--stream", "orders", "--from", "dump.sh", "--tag", "nightly")
    assert ": successful" in beside.run(*words, code=0).out
    made = beside.json("snapshot", "show", beside.backed_up(*words[1:]))
    assert (made["stream"], made["tags"], made["bytes"]) == ("orders", ["nightly"], 4)
    assert "stream orders" in beside.run("snapshot", "list", "--tag", "nightly", code=0).out
    for bad in (("--stream", "orders"), ("--from", "dump.sh"), ("/srv", "--stream", "orders", "--from", "dump.sh")):
        assert beside.error("backup", "web1", *bad, code=2)["code"] == "usage"
    assert beside.error("backup", "web1", "--stream", "a/b", "--from", "dump.sh", code=2)["code"] == "usage"
