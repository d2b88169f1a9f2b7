"""Groups, policies and rules in the console."""

from datetime import timedelta
from enum import StrEnum

import msgspec
import pytest
from textual.widgets import Input, Static

from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.policies import (
    BackupPolicy,
    Config,
    ContentRule,
    MissedRun,
    Retention,
    ServerGroup,
)
from phoenix_core.domain.readymade import LINUX
from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.dialogs.edit_policy import FIELDS, EditPolicy
from phoenix_tui.dialogs.rule_test import RuleTest
from phoenix_tui.screens.policies import PoliciesScreen
from phoenix_tui.widgets.controls import PushButton
from phoenix_tui.widgets.facts import Facts
from phoenix_tui.widgets.policy_facts import Item, facts_of
from phoenix_tui.widgets.row_table import RowTable
from tests.tui import sample, sample_policies
from tests.tui.conftest import ConsolePilot, OpenConsole, until
from tests.tui.scripted_core import ScriptedCore


async def opened(pilot: ConsolePilot) -> None:
    await pilot.press("7")
    await until(pilot, lambda: isinstance(pilot.app.screen, PoliciesScreen))
    await until(pilot, lambda: pilot.app.screen.query_one(RowTable).cursor_item is not None)


async def in_form(pilot: ConsolePilot) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, EditPolicy))


def field(pilot: ConsolePilot, name: str) -> Input:
    return next(each for each in pilot.app.screen.query(Input) if each.name == name)


async def test_a_group_tells_what_it_has_and_when_it_runs(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await opened(pilot)
        shown = str(pilot.app.screen.query_one(Facts).render())
        assert "files1, web1, web2" in shown
        assert "nightly" in shown


async def test_a_policy_tells_its_next_ten_runs(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await opened(pilot)
        await pilot.press("down", "down")
        await until(pilot, lambda: "Next runs" in str(pilot.app.screen.query_one(Facts).render()))
        shown = str(pilot.app.screen.query_one(Facts).render())
        days = [sample.NOW + timedelta(days=day) for day in range(1, 11)]
        assert "; ".join(day.astimezone(sample.CET).strftime("%Y-%m-%d %H:%M:%S %Z") for day in days) in shown


async def test_a_policy_is_changed(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await opened(pilot)
        await pilot.press("down", "down", "enter")
        await in_form(pilot)
        field(pilot, "schedule").value = "daily at 03:00; weekly on mon, thu at 12:00"
        field(pilot, "missed").value = "skip"
        field(pilot, "source_snapshot").value = "required"
        field(pilot, "retention.daily").value = "7"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, PoliciesScreen))
        (asked,) = core.asked("PUT", "/v1/policies/nightly")
        assert asked["schedule"] == ["daily at 03:00", "weekly on mon, thu at 12:00"]
        changed = next(policy for policy in core.config.policies if policy.name == "nightly")
        assert changed.missed is MissedRun.SKIP
        assert changed.source_snapshot is SourceSnapshot.REQUIRED
        assert changed.retention == Retention(daily=7, weekly=8, monthly=12)
        assert changed.window == ("20:00-06:00",)


async def test_what_the_core_refuses_stands_in_the_form(core: ScriptedCore, open_console: OpenConsole) -> None:
    wrong = "Policy nightly: schedule: '0 0 30 2 *' never comes: there is no such day."
    core.refuse["/v1/policies/nightly"] = ErrorView(code="field_invalid", message=wrong, hint="")
    async with open_console() as pilot:
        await opened(pilot)
        await pilot.press("down", "down", "e")
        await in_form(pilot)
        field(pilot, "retries").value = "many"
        await pilot.press("enter")
        await until(pilot, lambda: "whole number" in str(pilot.app.screen.query_one("#wrong", Static).render()))
        assert core.asked("PUT", "/v1/policies/nightly") == []
        field(pilot, "retries").value = "1"
        await pilot.press("enter")
        await until(pilot, lambda: wrong in str(pilot.app.screen.query_one("#wrong", Static).render()))
        assert isinstance(pilot.app.screen, EditPolicy)


async def test_a_rule_is_made(core: ScriptedCore, open_console: OpenConsole) -> None:
    core.config = Config()
    async with open_console() as pilot:
        await pilot.press("7")
        await until(pilot, lambda: core.asked("GET", "/v1/config"))
        await until(pilot, lambda: pilot.app.screen.query_one(".face").display)
        await pilot.press("n", "enter")
        await in_form(pilot)
        field(pilot, "name").value = "web"
        field(pilot, "paths").value = "/etc; /srv"
        field(pilot, "cross_mounts").value = "yes"
        await pilot.press("enter")
        await until(pilot, lambda: core.config.rules == (ContentRule("web", ("/etc", "/srv"), cross_mounts=True),))


async def test_a_group_is_renamed_and_removed(core: ScriptedCore, open_console: OpenConsole) -> None:
    core.config = Config((BackupPolicy("nightly"),), (), (ServerGroup("web", "nightly", (), ("web1",)),))
    async with open_console() as pilot:
        await opened(pilot)
        await pilot.press("e")
        await in_form(pilot)
        field(pilot, "name").value = "www"
        await pilot.press("enter")
        await until(pilot, lambda: core.config.groups == (ServerGroup("www", "nightly", (), ("web1",)),))
        assert core.asked("PUT", "/v1/groups/web")
        await until(pilot, lambda: isinstance(pilot.app.screen, PoliciesScreen))
        await until(pilot, lambda: "www" in str(pilot.app.screen.query_one("#detail-part").border_title))
        await pilot.press("x")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: core.config.groups == ())


async def test_a_rule_is_tested_at_a_server_as_it_is_typed(core: ScriptedCore, open_console: OpenConsole) -> None:
    core.config = Config((), (ContentRule("web", ("/srv",)),), ())
    core.servers = {key: server for key, server in core.servers.items() if server.name == "web1"}
    async with open_console() as pilot:
        await opened(pilot)
        await pilot.press("e")
        await in_form(pilot)
        field(pilot, "largest_bytes").value = "2G"
        field(pilot, "older_than_s").value = "soon"
        pilot.app.screen.query_one("#test", PushButton).press()
        await until(pilot, lambda: "no time such as" in str(pilot.app.screen.query_one("#wrong", Static).render()))
        field(pilot, "older_than_s").value = "12h"
        pilot.app.screen.query_one("#test", PushButton).press()
        await until(pilot, lambda: isinstance(pilot.app.screen, RuleTest))
        await until(pilot, lambda: "1 file" in str(pilot.app.screen.query_one("#summary", Static).render()))
        assert pilot.app.screen.query_one(RowTable).row_count == len(sample_policies.VERDICTS)
        (asked,) = core.asked("POST", "/v1/rule-tests")
        assert asked["server"] == "web1"
        assert (asked["rules"][0]["largest_bytes"], asked["rules"][0]["older_than_s"]) == (2 << 30, 43_200)
        assert core.asked("PUT", "/v1/rules/web") == []
        await pilot.press("o")
        await until(pilot, lambda: pilot.app.screen.query_one(RowTable).row_count == 2)
        await pilot.press("escape")
        await in_form(pilot)


async def test_a_ready_made_rule_begins_a_new_one(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await opened(pilot)
        await pilot.press("n", "down", "down", "down", "enter")
        await in_form(pilot)
        assert field(pilot, "name").value == "linux-server"
        assert "lost+found/" in field(pilot, "excludes").value
        await pilot.press("enter")
        await until(pilot, lambda: core.asked("PUT", "/v1/rules/linux-server"))
        assert core.config.rules[-1] == LINUX


ITEMS: tuple[Item, ...] = (
    ServerGroup("web"),
    BackupPolicy("nightly", pre_script="before", drill=("monthly on 1 at 05:00",)),
    ContentRule("web"),
)


def fields_of(item: Item) -> set[str]:
    names = set(item.__struct_fields__)
    if isinstance(item, BackupPolicy):
        names = names - {"retention"} | {f"retention.{name}" for name in Retention.__struct_fields__}
    return names


def with_another(item: Item, field: str) -> Item:
    """The same with another value of the field."""
    whole, _dot, part = field.partition(".")
    if part and isinstance(item, BackupPolicy):
        return msgspec.structs.replace(item, retention=Retention(**{part: 7}))
    value = getattr(item, whole)
    if isinstance(value, bool):
        other: object = not value
    elif isinstance(value, StrEnum):
        other = next(each for each in type(value) if each is not value)
    else:
        other = {str: "other", int: 77_824, tuple: ("an other",)}[type(value)]
    return msgspec.structs.replace(item, **{whole: other})


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: type(item).__name__)
def test_the_form_has_all_that_there_is_to_set(item: Item) -> None:
    assert {field.name for field in FIELDS[type(item)]} == fields_of(item)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: type(item).__name__)
def test_the_pane_tells_all_that_is_set(item: Item) -> None:
    """Its name stands on its edge."""
    for field in fields_of(item) - {"name"}:
        assert facts_of(with_another(item, field), "", "") != facts_of(item, "", ""), field
