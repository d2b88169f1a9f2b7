"""How long an agent keeps a snapshot in mind: until it is gone for sure."""

import os
from pathlib import Path

import msgspec
import pytest

from phoenix_core.agent.sourcesnapshots.hostkinds import Kinds, host_kinds
from phoenix_core.agent.sourcesnapshots.marks import FOLDER, Mark, Marks
from phoenix_core.agent.sourcesnapshots.snapshots import COMING_S, sweep
from tests.agent.sourcesnapshots.commandsdouble import AnsweredCommands, recorded

NOTHING = recorded("lvs-none.json")


class Agent:
    """The folder of one, with the mark of a backup that was killed."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.commands = AnsweredCommands({"lvs *": NOTHING, "vgs *": "  vg0\n"})
        self.told: list[str] = []
        self.marks = Marks(state)
        self.marks.get_ready()

    def remembers(self, mark: Mark) -> None:
        self.marks.add(mark).let_go()

    def sweep(self) -> int:
        kinds: Kinds = host_kinds(self.state, commands=self.commands)
        return sweep(self.marks, kinds, lambda level, text: self.told.append(text))

    @property
    def remembered(self) -> list[Path]:
        return list((self.state / FOLDER).glob("*.json"))


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path)


def lvm_mark(agent: Agent, **more: str) -> Mark:
    folder = os.fsencode(agent.state / FOLDER)
    return msgspec.structs.replace(Mark("LVM", "j1", "phoenix_s1_j1_1", "vg0/data", folder), **more)


def test_one_whose_volume_group_is_away_is_kept_in_mind_until_it_can_be_seen(agent: Agent) -> None:
    agent.remembers(lvm_mark(agent, id="uuid"))
    agent.commands.answers["vgs *"] = "\n"
    assert agent.sweep() == 0
    (mark,) = agent.remembered
    assert any(f"doesn't see the volume group vg0. {mark} keeps it in mind." in text for text in agent.told)
    agent.commands.answers["vgs *"] = "  vg0\n"
    assert agent.sweep() == 0
    assert agent.remembered == []


def test_one_that_may_still_be_in_the_making_is_kept_in_mind_for_a_while(agent: Agent) -> None:
    """The agent was killed; the command that it ran wasn't."""
    agent.remembers(lvm_mark(agent))
    agent.sweep()
    (mark,) = agent.remembered
    assert agent.told == []
    asked = mark.stat().st_mtime - COMING_S - 1
    os.utime(mark, (asked, asked))
    agent.sweep()
    assert agent.remembered == []


def test_one_that_came_late_is_deleted(agent: Agent) -> None:
    agent.remembers(lvm_mark(agent, volume="vg0/root"))
    agent.sweep()
    row = recorded("lvs-thick.json").replace('"manual"', '"phoenix_s1_j1_1"')
    row = row.replace('"lv_tags":"by-hand"', '"lv_tags":"phoenix,phoenix_job=j1"')
    agent.commands.answers |= {"lvs *": row, "lvremove *": ""}
    assert agent.sweep() == 1
    assert agent.commands.of("lvremove") == ["lvremove --yes vg0/phoenix_s1_j1_1"]
    assert agent.remembered == []


def test_a_thin_one_is_deleted_though_its_volume_was_removed(agent: Agent) -> None:
    agent.remembers(lvm_mark(agent, volume="vg0/home"))
    row = recorded("lvs-thin.json").replace('"home"', '"phoenix_s1_j1_1"')
    row = row.replace('"lv_tags":""', '"lv_tags":"phoenix,phoenix_job=j1"')
    agent.commands.answers |= {"lvs *": row, "lvremove *": ""}
    assert agent.sweep() == 1


def test_one_on_a_file_system_that_is_not_mounted_is_kept_in_mind(agent: Agent, tmp_path: Path) -> None:
    (tmp_path / "mnt").mkdir()
    for folder in ("mnt", "not there"):
        at = os.fsencode(tmp_path / folder)
        agent.remembers(Mark("Btrfs", "j1", f"phoenix_s1_j1_{len(folder)}", "/mnt", at, "parent", "place", "uuid"))
    assert agent.sweep() == 0
    assert len(agent.remembered) == 2
    assert all("where it was made, can't be looked into" in text for text in agent.told)
