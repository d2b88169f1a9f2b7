"""Operators' changes of policies, rules and groups, through the API."""

from zoneinfo import ZoneInfo

import msgspec
import pytest

from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.policies import BackupPolicy, Config, ContentRule, Retention, ServerGroup
from tests.engine.rig import Rig

NIGHTLY = BackupPolicy(name="nightly", schedule=("daily at 02:00",), time_zone="Europe/Berlin")
WEB = ContentRule(name="web", paths=("/srv",))


async def refused(error_of: object) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        await error_of  # type: ignore[misc]
    return caught.value


@pytest.mark.parametrize(
    ("policy", "field", "says"),
    [
        (BackupPolicy(name=""), "name", "letters"),
        (BackupPolicy(name="a/b"), "name", "letters"),
        (BackupPolicy(name="n", schedule=("0 0 30 2 *",)), "schedule", "never comes"),
        (BackupPolicy(name="n", schedule=("daily at 25:00",)), "schedule", "25:00"),
        (BackupPolicy(name="n", time_zone="Mars/Olympus"), "time_zone", "Mars/Olympus"),
        (BackupPolicy(name="n", time_zone="../etc/passwd"), "time_zone", "no time zone"),
        (BackupPolicy(name="n", window=("moo 1:00-2:00",)), "window", "moo"),
        (BackupPolicy(name="n", schedule=("daily at 02:00",), window=("3:00-4:00",)), "window", "no run"),
        (BackupPolicy(name="n", retries=-1), "retries", "-1"),
        (BackupPolicy(name="n", retry_delay_s=10**9), "retry_delay_s", "86400"),
        (BackupPolicy(name="n", retention=Retention(daily=-3)), "retention.daily", "-3"),
    ],
)
async def test_a_policy_that_can_t_be_names_the_field(rig: Rig, policy: BackupPolicy, field: str, says: str) -> None:
    error = await refused(rig.client.put_policy("n", policy))
    assert error.view().code == "field_invalid"
    assert error.fields["field"] == field
    assert says in error.message
    assert await rig.client.policies() == []


@pytest.mark.parametrize(
    ("rule", "field", "says"),
    [
        (ContentRule(name="r"), "paths", "at least one"),
        (ContentRule(name="r", paths=("srv",)), "paths", "srv is no absolute path"),
        (ContentRule(name="r", paths=("/srv/../etc",)), "paths", "no absolute path"),
        (ContentRule(name="r", paths=("/srv",), excludes=("[a",)), "excludes", "[a"),
    ],
)
async def test_a_rule_that_can_t_be_names_the_field(rig: Rig, rule: ContentRule, field: str, says: str) -> None:
    error = await refused(rig.client.put_rule("r", rule))
    assert error.fields["field"] == field
    assert says in error.message


async def test_a_rule_s_paths_take_their_one_form(rig: Rig) -> None:
    made = await rig.client.put_rule("r", ContentRule(name="r", paths=("/srv//www/", "/srv/www")))
    assert made.paths == ("/srv/www",)
    assert await rig.client.rule("r") == made


@pytest.mark.parametrize(
    ("group", "field", "says"),
    [
        (ServerGroup("g", policy="hourly"), "policy", "hourly"),
        (ServerGroup("g", rules=("db",)), "rules", "db"),
        (ServerGroup("g", servers=("web9",)), "servers", "web9"),
        (ServerGroup("g", servers=("web1",)), "servers", "is in group other"),
    ],
)
async def test_a_group_that_names_what_is_not_there_names_the_field(
    rig: Rig, group: ServerGroup, field: str, says: str
) -> None:
    await rig.agent()
    await rig.client.put_group("other", ServerGroup("other", servers=("web1",)))
    error = await refused(rig.client.put_group("g", group))
    assert error.fields["field"] == field
    assert says in error.message


async def test_names_follow_when_something_is_renamed(rig: Rig) -> None:
    await rig.agent()
    await rig.client.put_policy("nightly", NIGHTLY)
    await rig.client.put_rule("web", WEB)
    await rig.client.put_group("g", ServerGroup("g", "nightly", ("web",), ("web1",)))
    await rig.client.put_policy("nightly", msgspec.structs.replace(NIGHTLY, name="each night"))
    await rig.client.put_rule("web", msgspec.structs.replace(WEB, name="www"))
    assert await rig.client.group("g") == ServerGroup("g", "each night", ("www",), ("web1",))
    assert [policy.name for policy in await rig.client.policies()] == ["each night"]


async def test_a_name_is_given_once(rig: Rig) -> None:
    await rig.client.put_policy("nightly", NIGHTLY)
    await rig.client.put_policy("weekly", BackupPolicy(name="weekly"))
    error = await refused(rig.client.put_policy("weekly", NIGHTLY))
    assert error.fields["field"] == "name"


@pytest.mark.parametrize(
    ("schedule", "window"),
    [
        ("*/30 * * * *", "sat,sun 00:00-24:00"),
        ("*/5 * * * *", "mon-fri 20:00-06:00"),
        ("monthly on last at 03:00", "02:00-04:00"),
    ],
)
async def test_a_window_that_some_runs_fall_into_is_taken(rig: Rig, schedule: str, window: str) -> None:
    await rig.client.put_policy("n", BackupPolicy(name="n", schedule=(schedule,), window=(window,)))


async def test_what_is_to_be_new_replaces_nothing(rig: Rig) -> None:
    await rig.client.put_policy("nightly", NIGHTLY, new=True)
    await rig.client.put_rule("web", WEB, new=True)
    await rig.client.put_group("g", ServerGroup("g"), new=True)
    for error in (
        await refused(rig.client.put_policy("nightly", BackupPolicy(name="nightly"), new=True)),
        await refused(rig.client.put_rule("web", ContentRule(name="web", paths=("/etc",)), new=True)),
        await refused(rig.client.put_group("g", ServerGroup("g", "nightly"), new=True)),
    ):
        assert error.fields["field"] == "name"
    assert await rig.client.config() == Config((NIGHTLY,), (WEB,), (ServerGroup("g"),))


async def test_what_a_group_uses_is_not_removed(rig: Rig) -> None:
    await rig.client.put_policy("nightly", NIGHTLY)
    await rig.client.put_rule("web", WEB)
    await rig.client.put_group("g", ServerGroup("g", "nightly", ("web",)))
    for error in (
        await refused(rig.client.remove_policy("nightly")),
        await refused(rig.client.remove_rule("web")),
    ):
        assert error.view().code == "still_used"
        assert "group g" in error.message
    await rig.client.remove_group("g")
    await rig.client.remove_policy("nightly")
    await rig.client.remove_rule("web")
    assert await rig.client.config() == Config()


async def test_what_is_not_there_is_said_to_be_so(rig: Rig) -> None:
    for error in (
        await refused(rig.client.policy("x")),
        await refused(rig.client.remove_policy("x")),
        await refused(rig.client.runs("x")),
        await refused(rig.client.retention_of("x")),
        await refused(rig.client.rule("x")),
        await refused(rig.client.remove_rule("x")),
        await refused(rig.client.group("x")),
        await refused(rig.client.remove_group("x")),
    ):
        assert error.view().code == "not_found"


async def test_the_next_runs_are_told(rig: Rig) -> None:
    await rig.client.put_policy("nightly", NIGHTLY)
    runs = await rig.client.runs("nightly", 3)
    assert len(runs) == 3
    assert runs == sorted(runs)
    await rig.client.put_policy("nightly", BackupPolicy(name="nightly"))
    assert await rig.client.runs("nightly") == []


async def test_the_next_runs_are_those_in_the_policy_s_window(rig: Rig) -> None:
    weekends = BackupPolicy("weekends", ("*/30 * * * *",), "Europe/Berlin", ("sat,sun 00:00-24:00",))
    await rig.client.put_policy("weekends", weekends)
    runs = await rig.client.runs("weekends", 100)
    assert len(runs) == 100
    assert {run.astimezone(ZoneInfo("Europe/Berlin")).weekday() for run in runs} == {5, 6}


async def test_a_configuration_is_compared_and_put_in_force_as_a_whole(rig: Rig) -> None:
    await rig.agent()
    await rig.client.put_policy("old", BackupPolicy(name="old"))
    await rig.client.put_rule("web", WEB)
    await rig.client.put_group("was", ServerGroup("was", "old", ("web",), ("web1",)))
    more = msgspec.structs.replace(WEB, paths=("/srv", "/etc"))
    wanted = Config((NIGHTLY,), (more,), (ServerGroup("is", "nightly", ("web",), ("web1",)),))
    found = {(change.what, change.name): change.change for change in await rig.client.config_diff(wanted)}
    assert found == {
        ("policy", "nightly"): "added",
        ("policy", "old"): "removed",
        ("rule", "web"): "changed",
        ("group", "is"): "added",
        ("group", "was"): "removed",
    }
    changes = await rig.client.apply_config(wanted)
    rule = next(change for change in changes if change.what == "rule")
    assert rule.fields == (("paths", '["/srv"]', '["/srv","/etc"]'),)
    assert await rig.client.config() == wanted
    assert await rig.client.apply_config(wanted) == []


@pytest.mark.parametrize(
    "wrong",
    [
        Config((NIGHTLY,), (), (ServerGroup("g", "hourly"),)),
        Config((NIGHTLY, NIGHTLY)),
        Config((NIGHTLY,), (ContentRule(name="r"),)),
        Config((NIGHTLY,), (), (ServerGroup("g", servers=("web1",)), ServerGroup("h", servers=("web1",)))),
    ],
)
async def test_a_configuration_that_can_t_be_changes_nothing(rig: Rig, wrong: Config) -> None:
    await rig.agent()
    await rig.client.put_rule("web", WEB)
    before = await rig.client.config()
    for error in (await refused(rig.client.config_diff(wrong)), await refused(rig.client.apply_config(wrong))):
        assert error.view().code == "field_invalid"
    assert await rig.client.config() == before


async def test_a_server_that_was_removed_leaves_its_group_alone(rig: Rig) -> None:
    await rig.agent()
    await rig.agent("web2")
    await rig.client.put_group("g", ServerGroup("g", servers=("web1", "web2")))
    await rig.client.remove_server("web2", typed="web2")
    assert (await rig.client.group("g")).servers == ("web1",)
    await rig.client.put_group("g", await rig.client.group("g"))
