"""Removing a server can be undone for some days: its agent is let in again, as it is."""

from datetime import UTC, datetime, timedelta

import pytest

from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.policies import ServerGroup
from tests.engine.fake_clock import FakeClock
from tests.engine.rig import Rig


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC))  # certificates that are made now must be valid now


DAY_S = 86400


async def refused(rig: Rig, name: str = "web1") -> RemoteError:
    with pytest.raises(RemoteError) as error:
        await rig.client.undelete_server(name)
    return error.value


@pytest.mark.parametrize("typed", ["", "web", "WEB1", "the id"])
async def test_a_server_goes_only_with_its_name_typed(rig: Rig, typed: str) -> None:
    await rig.agent("web1")
    server = await rig.client.server("web1")
    with pytest.raises(RemoteError, match="wants web1 typed") as error:
        await rig.client.remove_server(server.id, typed=typed.replace("the id", server.id))
    assert error.value.view().code == "usage"
    assert not (await rig.client.server("web1")).revoked
    assert (await rig.client.remove_server(server.id, typed="web1")).revoked


async def test_the_agent_comes_back_with_its_certificate_its_group_and_its_history(rig: Rig) -> None:
    await rig.agent("web1")
    await rig.client.put_group("web", ServerGroup("web", servers=("web1",)))
    before = await rig.client.server("web1")
    removed = await rig.client.remove_server("web1", typed="web1")
    assert removed.revoked
    assert not removed.connected
    back = await rig.client.undelete_server("web1")
    assert not back.revoked

    async def connected() -> bool:
        return (await rig.client.server("web1")).connected

    await rig.until(connected)
    assert (await rig.client.server("web1")).id == before.id
    assert (await rig.client.group("web")).servers == ("web1",)
    entries = [(entry.action, entry.subject) for entry in await rig.client.audit()]
    assert ("server undelete", "web1") in entries


async def test_it_holds_over_a_restart_of_the_core(rig: Rig) -> None:
    await rig.agent("web1")
    await rig.client.remove_server("web1", typed="web1")
    await rig.restart()
    await rig.client.undelete_server("web1")
    await rig.restart()
    assert not (await rig.client.server("web1")).revoked


async def test_after_the_days_it_is_final(rig: Rig, clock: FakeClock) -> None:
    await rig.agent("web1")
    await rig.client.remove_server("web1", typed="web1")
    clock.move(7 * DAY_S)
    assert (await refused(rig)).view().code == "removal_final"
    assert (await rig.client.server("web1")).revoked


async def test_a_clock_that_jumps_thirty_days_either_way_makes_nothing_final_too_soon(
    rig: Rig, clock: FakeClock
) -> None:
    await rig.agent("web1")
    await rig.client.remove_server("web1", typed="web1")
    clock.at += timedelta(days=30)
    assert not (await rig.client.undelete_server("web1")).revoked
    await rig.client.remove_server("web1", typed="web1")
    await rig.restart()  # a day counts of the time that the core was off, at most
    clock.at -= timedelta(days=60)
    await rig.restart()
    clock.move(5 * DAY_S)
    assert not (await rig.client.undelete_server("web1")).revoked
    await rig.client.remove_server("web1", typed="web1")
    clock.at -= timedelta(days=30)
    clock.seconds += 7 * DAY_S
    assert (await refused(rig)).view().code == "removal_final"


async def test_with_no_days_it_is_final_at_once(rig: Rig) -> None:
    await rig.client.set_setting("servers.undo_days", "0")
    await rig.agent("web1")
    await rig.client.remove_server("web1", typed="web1")
    assert (await refused(rig)).view().code == "removal_final"


async def test_one_whose_name_another_server_has_stays_removed(rig: Rig) -> None:
    await rig.agent("web1")
    first = await rig.client.server("web1")
    await rig.client.remove_server("web1", typed="web1")
    await rig.agents.pop().stop()
    (rig.root / "agent-web1").rename(rig.root / "agent-before")
    await rig.agent("web1")
    error = await refused(rig, first.id)
    assert error.view().code == "removal_final"
    assert "another server has its name" in str(error)
    (listed,) = await rig.client.servers()
    assert (listed.name, listed.revoked) == ("web1", False)


async def test_one_that_was_not_removed_is_told_so(rig: Rig) -> None:
    await rig.agent("web1")
    assert (await refused(rig)).view().code == "not_removed"
    assert (await refused(rig, "web2")).view().code == "not_found"


async def test_one_without_snapshots_is_listed_for_as_long_as_it_can_be_brought_back(
    rig: Rig, clock: FakeClock
) -> None:
    await rig.agent("web1")
    assert (await rig.client.server("web1")).undo_until is None
    await rig.client.remove_server("web1", typed="web1")
    for days in (7, 2):
        (listed,) = await rig.client.servers()
        assert (listed.name, listed.revoked, listed.snapshots) == ("web1", True, 0)
        assert listed.undo_until is not None
        assert round((listed.undo_until - clock.now()) / timedelta(days=1), 3) == days
        clock.move(5 * DAY_S if days == 7 else 2 * DAY_S)
    assert await rig.client.servers() == []
    assert (await rig.client.server("web1")).undo_until is None
