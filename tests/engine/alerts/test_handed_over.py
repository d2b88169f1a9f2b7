"""Streams that an agent hands over by itself: as many as somebody likes who stole it, and their alerts have an end."""

from phoenix_core.domain.alerts import AlertKind
from phoenix_core.domain.policies import ContentRule
from phoenix_core.domain.states import JobState
from phoenix_core.engine.alerts.board import view_of
from phoenix_core.engine.alerts.handed_over import LAPSE_DAYS
from tests.engine.alerts.backup_bench import Backups
from tests.engine.alerts.test_streams import DUMPS, FAILED, HANDED

TOGETHER = (FAILED, "web1, streams handed over")


async def fail(backups: Backups, *streams: str) -> None:
    for stream in streams:
        await backups.ends(JobState.FAILED, stream=stream, asks=HANDED)


async def test_too_many_that_fail_are_one_alert(backups: Backups) -> None:
    await backups.has_rules(DUMPS)
    await fail(backups, "a1", "a2", "a3", "a4", "a5")
    assert len(backups.active) == 5
    await fail(backups, "a6", "orders")
    assert backups.subjects == [(FAILED, "web1, stream orders"), TOGETHER]  # what a policy asks for stays by itself
    (alert,) = [row for row in backups.board.active() if row.subject == TOGETHER[1]]
    assert (alert.count, alert.job_id, view_of(alert).stream) == (6, "j6", "*")
    assert alert.text.startswith(
        "The last backups of 6 streams that the agent of web1 handed over failed: a6, a5, a4 and 3 more. The newest: "
    )
    await fail(backups, *(f"b{number}" for number in range(20)))
    assert len(backups.active) == 2
    (same,) = [row for row in backups.board.active() if row.subject == TOGETHER[1]]
    assert (same.id, same.count) == (alert.id, 26)


async def test_a_few_that_are_left_have_alerts_of_their_own_again(backups: Backups) -> None:
    await fail(backups, "a1", "a2", "a3", "a4", "a5", "a6")
    assert backups.subjects == [TOGETHER]
    await backups.ends(JobState.SUCCESSFUL, stream="a6", asks=HANDED)
    assert len(backups.active) == 5
    assert (await backups.whys())[TOGETHER] == "5 streams are left with it, told of by itself."


async def test_those_that_are_skipped_or_end_with_errors_are_too_many_as_well(backups: Backups) -> None:
    for state in (JobState.SKIPPED, JobState.SUCCESSFUL_WITH_ERRORS):
        for number in range(6):
            await backups.ends(state, stream=f"{state}-{number}", asks=HANDED)
    assert backups.active == [AlertKind.BACKUP_SKIPPED, AlertKind.BACKUP_WITH_ERRORS]


async def test_what_is_not_handed_over_again_for_long_has_no_alert_any_more(backups: Backups) -> None:
    await backups.has_rules(ContentRule("srv", ("/srv",)), DUMPS)
    await fail(backups, "gone", "orders")
    for day in range(LAPSE_DAYS):
        await backups.ends(JobState.SUCCESSFUL)
        await backups.later(1)
        assert (FAILED, "web1, stream gone") in backups.subjects or day == LAPSE_DAYS - 1
    assert (FAILED, "web1, stream gone") not in backups.subjects
    assert (FAILED, "web1, stream orders") in backups.subjects
    why = (await backups.whys())[FAILED, "web1, stream gone"]
    assert why == f"For {LAPSE_DAYS} days it was not handed over again, and no policy asks for it."
    await fail(backups, "gone")
    assert (FAILED, "web1, stream gone") in backups.subjects
