"""The ready-made content rules: groups use them by their names, and they take of a server what they say."""

import os
import threading
from pathlib import Path

import msgspec
import pytest

from phoenix_core.agent.ruletestrun import run_test
from phoenix_core.agentlink.ruletest import RuleTestOrder, RuleTestTotals, Verdict
from phoenix_core.domain.policies import BackupPolicy, Config, ContentRule, ServerGroup
from phoenix_core.domain.readymade import LINUX, READY_MADE, WINDOWS
from phoenix_core.engine.content import ordered
from phoenix_core.engine.policies.rule_checks import check_rule
from tests.engine.rig import Rig

KEPT = ("etc/passwd", "home/anna/letter", "var/lib/postgresql/data", "var/log/syslog", "srv/swapfile", "opt/run/x")


@pytest.mark.parametrize("rule", READY_MADE, ids=lambda rule: rule.name)
def test_a_ready_made_rule_is_one_that_an_operator_could_make(rule: ContentRule) -> None:
    assert check_rule(rule) == rule
    assert rule.paths == ("/",)


async def test_a_group_that_names_a_ready_made_rule_makes_it_one_of_the_operator_s(rig: Rig) -> None:
    await rig.agent()
    group = await rig.client.put_group("g", ServerGroup("g", rules=("linux-server",), servers=("web1",)))
    assert group.rules == ("linux-server",)
    assert await rig.client.rules() == [LINUX]
    changed = msgspec.structs.replace(LINUX, excludes=(*LINUX.excludes, "/scratch/"))
    await rig.client.put_rule("linux-server", changed)
    await rig.client.put_group("h", ServerGroup("h", rules=("linux-server",)))
    assert await rig.client.rules() == [changed]


async def test_so_does_a_configuration_that_names_it(rig: Rig) -> None:
    groups = (ServerGroup("linux", rules=("linux-server",)), ServerGroup("win", rules=("windows-server",)))
    wanted = Config(policies=(BackupPolicy(name="nightly"),), groups=groups)
    added = {(change.what, change.name) for change in await rig.client.config_diff(wanted)}
    assert {("rule", "linux-server"), ("rule", "windows-server")} <= added
    await rig.client.apply_config(wanted)
    assert await rig.client.rules() == [LINUX, WINDOWS]
    current = await rig.client.config()
    assert (await rig.client.apply_config(wanted), await rig.client.apply_config(current)) == ([], [])
    changed = msgspec.structs.replace(LINUX, cross_mounts=False)
    await rig.client.apply_config(msgspec.structs.replace(wanted, rules=(changed,)))
    assert await rig.client.rules() == [changed, WINDOWS]


class Told:
    """What comes of a test of rules."""

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []

    def add(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

    def tick(self) -> None:
        """Nothing."""

    def finish(self, totals: RuleTestTotals) -> None:
        """Nothing."""


def test_the_one_for_linux_leaves_out_what_each_of_its_patterns_names_and_takes_the_rest(tmp_path: Path) -> None:
    """On a tree that has something for each of them, in a folder in place of `/`."""
    root = tmp_path / "root"
    for path in (*KEPT, *map(sample, LINUX.excludes)):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    moved = {f"{root}{line}" if line.startswith("/") else line: line for line in LINUX.excludes}
    rule = msgspec.structs.replace(LINUX, paths=(str(root),), excludes=tuple(moved))
    told = Told()
    order = RuleTestOrder(test="t1", rules=ordered((rule,), all_cross=False))
    run_test(order, tmp_path / "state", told, threading.Event())
    files = {each.path for each in told.verdicts if each.taken and each.type == "file"}
    assert files == {os.fsencode(root / path) for path in KEPT}
    left_out = [moved[each.value] for each in told.verdicts if not each.taken]
    assert sorted(left_out) == sorted(LINUX.excludes)


def sample(pattern: str) -> str:
    """A file that the pattern means, or that lies in a folder that it means."""
    above = "" if pattern.startswith("/") else "srv/"
    return f"{above}{pattern.strip('/').replace('*', 'x')}{'/x' if pattern.endswith('/') else ''}"
