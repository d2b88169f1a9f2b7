"""A server's files and each of its streams have alerts of their own: none of them ends or hides another's."""

from phoenix_core.domain.alerts import AlertKind
from phoenix_core.domain.policies import ContentRule
from phoenix_core.domain.states import JobState
from tests.engine.alerts.backup_bench import Backups

HANDED = "agent of web1"
FILES = ContentRule("files", paths=("/srv",))
DUMPS = ContentRule("dumps", streams=("orders=dump.sh", "users=dump.sh"))
FAILED, WITH_ERRORS, NO_BACKUP = AlertKind.BACKUP_FAILED, AlertKind.BACKUP_WITH_ERRORS, AlertKind.NO_BACKUP


async def test_a_good_stream_ends_no_alert_of_the_files(backups: Backups) -> None:
    await backups.has_rules(FILES)
    await backups.ends(JobState.SUCCESSFUL_WITH_ERRORS)
    await backups.ends(JobState.FAILED, attempt=3)
    await backups.ends(JobState.FAILED, attempt=3)
    for _ in range(4):
        await backups.later(1)
        await backups.ends(JobState.SUCCESSFUL, stream="orders", asks=HANDED)
    assert backups.subjects == [(FAILED, "web1"), (WITH_ERRORS, "web1"), (NO_BACKUP, "web1")]
    (failing,) = [row for row in backups.board.active() if row.kind is FAILED]
    assert failing.count == 2
    assert failing.text.startswith("The last 2 backups of the files of web1 failed,")
    (missed,) = [row for row in backups.board.active() if row.kind is NO_BACKUP]
    assert missed.text.startswith("There has been no good backup of the files of web1 since ")
    await backups.ends(JobState.SUCCESSFUL)
    assert backups.active == []


async def test_a_failed_stream_is_over_only_by_the_same_stream(backups: Backups) -> None:
    await backups.ends(JobState.FAILED, stream="orders", asks=HANDED)
    assert backups.subjects == [(FAILED, "web1, stream orders")]
    (raised,) = backups.board.active()
    assert (raised.text, raised.server_id) == ("The last backup of the stream orders of web1 failed.", "web1")
    await backups.ends(JobState.SUCCESSFUL)
    await backups.ends(JobState.SUCCESSFUL, stream="users", asks=HANDED)
    assert backups.board.active() == [raised]
    await backups.ends(JobState.SUCCESSFUL, stream="orders", asks=HANDED)
    assert backups.active == []
    assert (await backups.whys())[FAILED, "web1, stream orders"].startswith("Backup j4 ended ")


async def test_a_stream_that_is_about_to_be_tried_again_leaves_the_files_alone(backups: Backups) -> None:
    await backups.has_rules(FILES, DUMPS)
    await backups.ends(JobState.FAILED, attempt=3)
    await backups.ends(JobState.FAILED, stream="orders")
    assert backups.subjects == [(FAILED, "web1")]
    await backups.ends(JobState.SUCCESSFUL)
    assert backups.active == []
    await backups.ends(JobState.FAILED, attempt=3, stream="orders")
    assert backups.subjects == [(FAILED, "web1, stream orders")]


async def test_a_server_whose_rules_name_streams_only_is_judged_by_each_of_these(backups: Backups) -> None:
    await backups.has_rules(DUMPS)
    await backups.look()
    for _ in range(4):
        await backups.later(1)
        await backups.ends(JobState.SUCCESSFUL, stream="orders")
        await backups.ends(JobState.SUCCESSFUL, stream="by-hand", asks=HANDED)
    assert backups.subjects == [(NO_BACKUP, "web1, stream users")]
    (missed,) = backups.board.active()
    assert missed.text.startswith("A schedule has asked for backups of the stream users of web1 since ")
    assert "`phoenix backup web1 --stream users --from dump.sh`" in missed.hint
    await backups.ends(JobState.SUCCESSFUL, stream="users")
    assert backups.active == []


async def test_a_server_without_rules_that_has_only_streams_is_judged_by_the_newest(backups: Backups) -> None:
    await backups.ends(JobState.SUCCESSFUL, stream="users", asks=HANDED)
    await backups.later(3)
    await backups.ends(JobState.SUCCESSFUL, stream="orders", asks=HANDED)
    await backups.later(2)
    assert backups.active == []
    await backups.later(2)
    assert backups.subjects == [(NO_BACKUP, "web1")]


async def test_a_stream_that_the_rules_ask_for_no_more_has_no_alerts(backups: Backups) -> None:
    await backups.has_rules(FILES, DUMPS)
    await backups.ends(JobState.SUCCESSFUL)
    await backups.ends(JobState.FAILED, attempt=3, stream="orders")
    await backups.ends(JobState.FAILED, attempt=3, stream="users")
    await backups.ends(JobState.FAILED, stream="handed", asks=HANDED)
    await backups.has_rules(FILES)
    await backups.look()
    assert backups.subjects == [(FAILED, "web1, stream handed")]
    why = "The rules of its group don't ask for it any more."
    assert await backups.whys() == {(FAILED, f"web1, stream {name}"): why for name in ("orders", "users")}


async def test_a_removed_server_has_no_alerts_of_its_streams(backups: Backups) -> None:
    await backups.ends(JobState.FAILED, stream="orders", asks=HANDED)
    await backups.directory.revoke("web1", backups.bench.clock.now(), 0)
    await backups.look()
    assert await backups.whys() == {(FAILED, "web1, stream orders"): "The server was removed."}
