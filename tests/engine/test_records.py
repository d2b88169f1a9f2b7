"""Records that vanish from the store, come back, or are replaced: nothing is committed, no number is used twice, and
every way on is told."""

import asyncio
import shutil
from pathlib import Path

import pytest

from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import FindingView, JobView
from phoenix_core.vault.layout import record_name
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    return await rig.agent()


async def backed_up(rig: Rig) -> JobView:
    async def connected() -> bool:
        return (await rig.client.server("web1")).connected

    await rig.until(connected)
    return await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)


async def back_up(rig: Rig) -> str:
    """The snapshot."""
    done = await backed_up(rig)
    assert done.state is JobState.SUCCESSFUL, done.error
    return done.snapshot_id


async def refused(rig: Rig) -> ErrorView:
    """Of a backup; nothing of it reached the agent."""
    orders = len(rig.agents[0].orders)
    done = await backed_up(rig)
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert len(rig.agents[0].orders) == orders
    return done.error


def stored(rig: Rig, number: int) -> Path:
    return rig.data.vault / record_name(number)


def away(rig: Rig, number: int) -> Path:
    return rig.root / f"record {number}"


async def take(rig: Rig, *numbers: int) -> None:
    for number in numbers:
        await asyncio.to_thread(stored(rig, number).rename, away(rig, number))


async def put(rig: Rig, *numbers: int) -> None:
    for number in numbers:
        await asyncio.to_thread(shutil.copy, away(rig, number), _made_free(stored(rig, number)))


def _made_free(path: Path) -> Path:
    path.unlink(missing_ok=True)
    return path


async def records(rig: Rig) -> FindingView:
    (found,) = [each for each in await rig.client.doctor() if each.subject == "records"]
    return found


async def known(rig: Rig) -> set[str]:
    return {each.id for each in await rig.client.snapshots()}


@pytest.mark.parametrize("restarted", [True, False])
async def test_nothing_is_committed_while_a_record_is_missing_and_all_goes_on_once_it_is_back(
    rig: Rig, agent: FakeAgent, restarted: bool
) -> None:
    first, second = await back_up(rig), await back_up(rig)
    if restarted:
        await rig.stop()
        await take(rig, 2)
        await rig.start()
    else:
        await take(rig, 2)
    error = await refused(rig)
    assert error.code == "vault_rolled_back"
    assert "Record 2" in error.message
    assert "put record 2 back" in error.hint
    assert "`phoenix setting set vault.accept_rollback 2`" in error.hint
    assert second[:12] in error.hint
    assert not await asyncio.to_thread(stored(rig, 2).exists)
    removal = await rig.remove(first)
    assert removal.error is not None
    assert removal.error.code == "vault_rolled_back"
    await put(rig, 2)
    third = await back_up(rig)
    assert await known(rig) == {first, second, third}
    assert (await records(rig)).state == "ok"
    await rig.restart()
    assert await known(rig) == {first, second, third}
    assert (await rig.client.vault()).problem == ""


async def test_doctor_and_status_tell_of_the_records_as_they_are_now(rig: Rig, agent: FakeAgent) -> None:
    for _ in range(3):
        await back_up(rig)
    await take(rig, 3, 2)
    finding, vault = await records(rig), await rig.client.vault()
    assert finding.state == "error"
    assert "records end at 1" in finding.text
    assert "records 2 to 3" in finding.hint
    assert (vault.problem, vault.rolled_back, vault.in_order) == (finding.text, True, False)
    await put(rig, 2)
    assert "records end at 2" in (await rig.client.vault()).problem
    await put(rig, 3)
    assert (await rig.client.vault()).problem == ""
    assert (await records(rig)).state == "ok"


async def test_a_record_that_goes_from_the_middle_is_told_and_stops_commits(rig: Rig, agent: FakeAgent) -> None:
    made = {await back_up(rig) for _ in range(3)}
    await take(rig, 2)
    assert "can't be trusted from number 2 on" in (await records(rig)).text
    assert (await refused(rig)).code == "records_broken"
    assert await known(rig) == made
    await put(rig, 2)
    await back_up(rig)


async def test_a_store_without_any_record_is_no_place_for_a_commit(rig: Rig, agent: FakeAgent) -> None:
    made = {await back_up(rig) for _ in range(2)}
    await take(rig, 1, 2)
    assert (await refused(rig)).code == "vault_rolled_back"
    assert await known(rig) == made
    await put(rig, 1, 2)
    await back_up(rig)


async def test_a_loss_is_accepted_while_the_core_runs_and_only_once(rig: Rig, agent: FakeAgent) -> None:
    first, lost = await back_up(rig), await back_up(rig)
    await take(rig, 2)
    await rig.client.set_setting("vault.accept_rollback", "2")
    assert (await rig.client.vault()).problem == ""
    assert await known(rig) == {first}
    assert {each.key: each.value for each in await rig.client.settings()}["vault.accept_rollback"] == "0"
    second = await back_up(rig)
    assert second != lost
    await asyncio.to_thread(stored(rig, 2).unlink)
    assert (await refused(rig)).code == "vault_rolled_back"
    await rig.restart()
    assert (await refused(rig)).code == "vault_rolled_back"
    assert await known(rig) == {first, second}


@pytest.mark.parametrize("later", [0, 1])
async def test_an_accepted_record_that_comes_back_over_a_newer_one_is_told_and_hides_no_snapshot(
    rig: Rig, agent: FakeAgent, later: int
) -> None:
    first, old = await back_up(rig), await back_up(rig)
    await take(rig, 2)
    await rig.client.set_setting("vault.accept_rollback", "2")
    newer = {await back_up(rig) for _ in range(1 + later)}
    await rig.stop()
    newest = await asyncio.to_thread(stored(rig, 2).read_bytes)
    await put(rig, 2)
    await rig.start()
    assert (await records(rig)).state == "error"
    assert {first, *newer} <= await known(rig)
    error = await refused(rig)
    assert error.code == ("records_broken" if later else "vault_rolled_back")
    await asyncio.to_thread(_made_free(stored(rig, 2)).write_bytes, newest)
    assert (await rig.client.vault()).problem == ""
    await back_up(rig)
    assert {first, *newer} <= await known(rig)
    assert old not in await known(rig)


async def test_an_accepted_record_that_comes_back_before_anything_newer_counts_again(
    rig: Rig, agent: FakeAgent
) -> None:
    made = {await back_up(rig) for _ in range(2)}
    await take(rig, 2)
    await rig.client.set_setting("vault.accept_rollback", "2")
    assert len(await known(rig)) == 1
    await put(rig, 2)
    assert await known(rig) == made
    made.add(await back_up(rig))
    assert await known(rig) == made


async def test_a_fork_is_left_by_moving_its_records_away_and_accepting_the_loss(rig: Rig, agent: FakeAgent) -> None:
    made = [await back_up(rig) for _ in range(4)]
    await asyncio.to_thread(stored(rig, 3).unlink)
    finding = await records(rig)
    assert "move record 3 and all after it" in finding.hint
    assert "`phoenix setting set vault.accept_rollback 4`" in finding.hint
    assert all(each[:12] in finding.hint for each in made[2:])
    assert not any(each[:12] in finding.hint for each in made[:2])
    await take(rig, 4)
    assert (await refused(rig)).code == "vault_rolled_back"
    await rig.client.set_setting("vault.accept_rollback", "4")
    made[2:] = [await back_up(rig)]
    assert await known(rig) == set(made)
    await rig.restart()
    assert await known(rig) == set(made)
    assert (await rig.client.vault()).problem == ""


async def test_an_order_says_how_far_the_records_go_and_when_a_loss_was_accepted(rig: Rig, agent: FakeAgent) -> None:
    await back_up(rig)
    await back_up(rig)
    order = agent.orders[-1]
    assert (order.last_record, order.rollback_accepted) == (1, "")  # type: ignore[union-attr]
    await rig.client.set_setting("vault.accept_rollback", "7")
    await back_up(rig)
    order = agent.orders[-1]
    assert order.last_record == 2  # type: ignore[union-attr]
    assert order.rollback_accepted  # type: ignore[union-attr]


async def test_damage_of_records_promises_no_healing_by_a_backup(rig: Rig, agent: FakeAgent) -> None:
    await back_up(rig)
    await back_up(rig)
    await take(rig, 2)
    verify = await rig.ended((await rig.client.verify()).id)
    assert verify.error is not None
    assert "next backup" not in verify.error.hint
    assert "No backup and no repair heals records" in verify.error.hint
    repair = await rig.ended((await rig.client.repair()).id)
    log = " ".join(line.text for line in await rig.client.job_log(repair.id))
    assert "up again" not in log
    assert "no backup heals them" in log
