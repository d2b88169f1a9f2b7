"""That something is over is told once it is, and with what ended it."""

import msgspec

from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.policies import WINDOW_ENDS, ContentRule
from phoenix_core.domain.states import JobState
from phoenix_core.engine.alerts.condition import Condition
from tests.engine.alerts.backup_bench import DAY, Backups
from tests.engine.notifications.bench import failed


async def test_while_a_retry_is_coming_nothing_that_failed_before_is_over(backups: Backups) -> None:
    await backups.ends(JobState.FAILED, attempt=3)
    (first,) = backups.board.active()
    assert first.kind is AlertKind.BACKUP_FAILED
    await backups.ends(JobState.FAILED, attempt=1)
    assert backups.board.active() == [first]
    await backups.ends(JobState.FAILED, attempt=2)
    await backups.ends(JobState.FAILED, attempt=3)
    (last,) = backups.board.active()
    assert (last.id, last.count, last.job_id) == (first.id, 4, "j4")
    assert await backups.bench.alerts.resolved_since(first.first_seen_at - DAY) == []
    await backups.ends(JobState.SUCCESSFUL)
    (over,) = await backups.bench.alerts.resolved_since(first.first_seen_at - DAY)
    assert over.resolved_why.startswith("Backup j5 ended ")
    assert over.resolved_why.endswith(": successful.")


async def test_a_skipped_backup_isn_t_over_by_one_that_is_about_to_be_tried_again(backups: Backups) -> None:
    await backups.ends(JobState.SKIPPED)
    await backups.ends(JobState.FAILED)
    assert backups.active == [AlertKind.BACKUP_SKIPPED]
    await backups.ends(JobState.FAILED, attempt=3)
    assert backups.active == [AlertKind.BACKUP_FAILED]


async def test_a_backup_that_missed_files_isn_t_mended_by_one_that_failed(backups: Backups) -> None:
    await backups.ends(JobState.SUCCESSFUL_WITH_ERRORS)
    assert backups.active == [AlertKind.BACKUP_WITH_ERRORS]
    await backups.ends(JobState.FAILED)
    assert backups.active == [AlertKind.BACKUP_WITH_ERRORS]
    await backups.ends(JobState.FAILED, attempt=3)
    assert backups.active == [AlertKind.BACKUP_FAILED, AlertKind.BACKUP_WITH_ERRORS]
    texts = [row.text for row in backups.board.active()]
    assert "The last backup of web1 that made a snapshot ended with errors." in texts
    await backups.ends(JobState.SUCCESSFUL)
    assert backups.active == []


async def test_a_backup_of_a_time_to_come_hides_none_that_comes_after_it(backups: Backups) -> None:
    """The clock was a month ahead, and is put back: what fails then is told, and what is skipped."""
    backups.bench.clock.at += 30 * DAY
    await backups.ends(JobState.SUCCESSFUL)
    backups.bench.clock.at -= 30 * DAY
    await backups.ends(JobState.SKIPPED)
    assert backups.active == [AlertKind.BACKUP_SKIPPED]
    await backups.ends(JobState.FAILED, attempt=3)
    await backups.ends(JobState.FAILED, attempt=3)
    (alert,) = backups.board.active()
    assert (alert.kind, alert.count, alert.job_id) == (AlertKind.BACKUP_FAILED, 2, "j4")


async def test_a_retry_that_is_coming_is_waited_for_behind_a_clock_that_was_set_back(backups: Backups) -> None:
    await backups.ends(JobState.FAILED)
    backups.bench.clock.at -= DAY
    await backups.look()
    assert backups.active == []
    backups.bench.clock.move(1800)
    await backups.look()
    assert backups.active == [AlertKind.BACKUP_FAILED]


async def test_a_backup_that_was_skipped_is_no_matter_once_no_schedule_asks_for_it(backups: Backups) -> None:
    """Its group had a schedule and no rules, by mistake."""
    await backups.ends(JobState.SUCCESSFUL, asks="jane")
    await backups.ends(JobState.SKIPPED)
    assert backups.active == [AlertKind.BACKUP_SKIPPED]
    await backups.is_on_no_schedule()
    assert backups.active == []
    assert (await backups.whys())[AlertKind.BACKUP_SKIPPED, "web1"] == "It is on no schedule any more."


async def test_the_later_of_what_ended_and_what_was_skipped_says_whose_it_is(backups: Backups) -> None:
    """By hand it was backed up first; then its policy asked, and won't again: its rules name something else."""
    await backups.has_rules(ContentRule("dumps", streams=("orders=dump.sh",)))
    await backups.ends(JobState.SUCCESSFUL, stream="orders", asks="jane")
    await backups.ends(JobState.SKIPPED, stream="orders")
    assert backups.active == [AlertKind.BACKUP_SKIPPED]
    await backups.has_rules(ContentRule("srv", ("/srv",)))
    await backups.look()
    assert backups.active == []


async def test_what_is_over_since_its_server_was_removed_says_so(backups: Backups) -> None:
    await backups.ends(JobState.FAILED, attempt=3)
    backups.bench.clock.move(20 * DAY.total_seconds())
    await backups.look()
    assert backups.active == [AlertKind.BACKUP_FAILED, AlertKind.NO_BACKUP]
    await backups.directory.revoke("web1", backups.bench.clock.now(), 0)
    await backups.look()
    over = await backups.bench.alerts.resolved_since(backups.bench.clock.now() - 100 * DAY)
    assert [row.resolved_why for row in over] == ["The server was removed."] * 2


async def test_what_is_over_since_its_channel_was_removed_says_so(backups: Backups) -> None:
    failing = Condition(AlertKind.NOTIFICATION_FAILING, "c1", "ops", Severity.ERROR, "Nothing gets through.", "Look.")
    found = await backups.bench.failing.look(backups.bench.clock.now())
    found.conditions.append(failing)
    await backups.board.apply(found, backups.bench.clock.now())
    found.conditions.clear()
    await backups.board.apply(found, backups.bench.clock.now())
    (over,) = await backups.bench.alerts.resolved_since(backups.bench.clock.now() - DAY)
    assert over.resolved_why == "The channel was removed."


async def test_what_can_t_be_told_yet_stays_as_it_is(backups: Backups) -> None:
    now = backups.bench.clock.now()
    found = await backups.source.look(now)
    found.conditions = [failed("web1"), msgspec.structs.replace(failed("web1"), kind=AlertKind.BACKUP_SKIPPED)]
    await backups.board.apply(found, now)
    found.conditions, found.undecided = [], {(AlertKind.BACKUP_FAILED, "web1")}
    await backups.board.apply(found, now)
    assert backups.active == [AlertKind.BACKUP_FAILED]


async def test_a_backup_that_its_window_stopped_is_a_warning_until_a_later_one_comes_to_its_end(
    backups: Backups,
) -> None:
    await backups.has_rules(ContentRule("web", ("/srv",), streams=("orders=dump.sh",)))
    await backups.ends(JobState.CANCELLED, by="root")
    assert backups.active == []
    await backups.ends(JobState.CANCELLED, by=f"{WINDOW_ENDS}nightly")
    (stopped,) = backups.board.active()
    assert (stopped.kind, stopped.severity, stopped.job_id) == (AlertKind.BACKUP_STOPPED, Severity.WARNING, "j2")
    assert "`phoenix policy set nightly --window HOURS`" in stopped.hint
    await backups.ends(JobState.SKIPPED)
    assert backups.active == [AlertKind.BACKUP_SKIPPED, AlertKind.BACKUP_STOPPED]
    await backups.ends(JobState.CANCELLED, by=f"{WINDOW_ENDS}nightly", stream="orders")
    assert backups.active.count(AlertKind.BACKUP_STOPPED) == 2
    await backups.ends(JobState.SUCCESSFUL)
    assert backups.subjects == [(AlertKind.BACKUP_STOPPED, "web1, stream orders")]
