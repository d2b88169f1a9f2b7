"""Messages get through: joined, again and again, and with the same id."""

import re
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.notifications import MessageState
from phoenix_core.engine.notifications.joining import due_at
from tests.engine.fake_clock import FakeClock
from tests.engine.notifications.bench import Bench, failed
from tests.engine.notifications.servers import Mailbox, mail_server

HOUR = 3600.0


async def states(bench: Bench, channel: str = "ops") -> list[tuple[MessageState, int]]:
    """Newest first."""
    return [(each.state, each.attempts) for each in await bench.desk.messages(channel, 100)]


async def test_a_hundred_failures_within_a_minute_are_one_mail(bench: Bench, mailbox: Mailbox) -> None:
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    conditions = [failed(f"web{number:03}") for number in range(100)]
    for count in range(10, 101, 10):
        await bench.holds(*conditions[:count])
        await bench.deliver(after_s=6.1)
    message = await mailbox.next()
    assert message["Subject"] == "[Phoenix] 100 alerts (100 error)"
    body = message.get_content()
    assert body.count("ERROR: backup failed") == 50
    assert "and 50 more" in body
    assert len(mailbox.envelopes) == 1


async def test_over_half_an_hour_they_are_a_few_mails(bench: Bench, mailbox: Mailbox) -> None:
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    conditions = [failed(f"web{number:03}") for number in range(100)]
    for count in range(1, 101):
        await bench.holds(*conditions[:count])
        await bench.deliver(after_s=18.0)
    for _ in range(10):
        await bench.deliver(after_s=600.0)
    assert len(mailbox.envelopes) <= 5
    bodies = [(await mailbox.next()).get_content() for _ in mailbox.envelopes]
    counted = sum(int(more[1]) for body in bodies if (more := re.search(r"and (\d+) more", body)))
    assert sum(body.count("ERROR: backup failed: web") for body in bodies) + counted == 100


def test_the_gap_between_mails_grows_and_a_clock_set_back_holds_none_up() -> None:
    now = FakeClock().now()
    ago = [now - timedelta(minutes=minutes) for minutes in (20, 10, 2)]
    assert due_at(now, (), now, 60, 300) == now + timedelta(seconds=60)
    assert due_at(now, ago[:1], now, 60, 300) == now + timedelta(seconds=60)
    assert due_at(now, ago[2:], now, 60, 300) == now + timedelta(minutes=3)
    assert due_at(now, ago, now, 60, 300) == ago[-1] + timedelta(minutes=20)
    assert due_at(now, [now - timedelta(minutes=1)] * 50, now, 60, 300) == now + timedelta(minutes=59)
    tomorrow = now + timedelta(days=30)
    assert due_at(tomorrow, [tomorrow], now, 60, 300) == now + timedelta(seconds=60)


async def test_that_it_is_over_is_told_where_it_was_told_of(bench: Bench, mailbox: Mailbox) -> None:
    await bench.mail_channel(mailbox.port)
    await bench.rule(severity=Severity.ERROR)
    await bench.holds(failed("web1"), failed("web2", severity=Severity.WARNING))
    await bench.deliver()
    assert "web2" not in (await mailbox.next()).get_content()
    await bench.holds()
    await bench.deliver(after_s=HOUR)
    over = await mailbox.next()
    assert over["Subject"] == "[Phoenix] over: backup failed: web1"
    assert "A later backup made a snapshot." in over.get_content()
    assert len(mailbox.envelopes) == 2


async def test_what_was_over_before_its_mail_went_out_is_told_as_that(bench: Bench, mailbox: Mailbox) -> None:
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    await bench.holds(failed())
    await bench.holds()
    await bench.deliver()
    assert (await mailbox.next())["Subject"] == "[Phoenix] over: backup failed: web1"


async def test_an_alert_that_lasts_is_told_once_and_again_when_it_gets_worse(bench: Bench, mailbox: Mailbox) -> None:
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    for text in ("", "The last 2 backups of web1 failed.", "The last 3 backups of web1 failed."):
        await bench.holds(failed(text=text))
        await bench.deliver(after_s=HOUR)
    await bench.holds(failed(severity=Severity.CRITICAL))
    await bench.deliver(after_s=HOUR)
    assert [(await mailbox.next())["Subject"].split()[1] for _ in range(2)] == ["ERROR:", "CRITICAL:"]
    assert mailbox.taken.empty()


async def test_rules_choose_by_kind_and_group_and_a_channel_hears_it_once(bench: Bench, mailbox: Mailbox) -> None:
    await bench.group("web", "web1")
    await bench.group("db", "db1")
    await bench.mail_channel(mailbox.port)
    await bench.rule("web", groups=("web",))
    await bench.rule("web too", groups=("web",), kinds=(AlertKind.BACKUP_FAILED, AlertKind.NO_BACKUP))
    await bench.rule("away", kinds=(AlertKind.AGENT_AWAY,))
    away = msgspec.structs.replace(failed("db1"), kind=AlertKind.AGENT_AWAY)
    await bench.holds(failed("web1"), failed("db1"), away)
    await bench.deliver()
    body = (await mailbox.next()).get_content()
    assert body.count("backup failed: web1") == 1
    assert "backup failed: db1" not in body
    assert "agent away: db1" in body


async def test_a_mail_server_that_is_busy_is_asked_again_with_the_same_id(bench: Bench, mailbox: Mailbox) -> None:
    mailbox.answers = ["451 4.7.1 Greylisted, try later", "421 4.3.2 Shutting down"]
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    await bench.holds(failed())
    await bench.deliver()
    (waiting,) = await bench.desk.messages("ops", 10)
    assert waiting.state is MessageState.WAITING
    assert "451 4.7.1 Greylisted, try later" in waiting.problem
    await bench.deliver(after_s=30)
    assert await states(bench) == [(MessageState.WAITING, 1)]
    await bench.deliver(after_s=31)
    await bench.deliver(after_s=121)
    message = await mailbox.next()
    assert await states(bench) == [(MessageState.DELIVERED, 3)]
    assert message["X-Phoenix-Message"] == waiting.id


async def test_what_comes_while_a_channel_is_stuck_goes_into_one_mail_after_it(bench: Bench, mailbox: Mailbox) -> None:
    mailbox.answers = ["451 later"] * 8
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    for count in range(1, 9):
        await bench.holds(*(failed(f"web{number}") for number in range(count)))
        await bench.deliver(after_s=HOUR)
    assert await states(bench) == [(MessageState.WAITING, 8)]
    await bench.deliver(after_s=HOUR)
    await bench.deliver(after_s=HOUR)
    assert [(await mailbox.next())["Subject"] for _ in range(2)] == [
        "[Phoenix] ERROR: backup failed: web0",
        "[Phoenix] 7 alerts (7 error)",
    ]


async def test_that_a_channel_fails_is_an_alert_which_another_channel_tells(bench: Bench, mailbox: Mailbox) -> None:
    async with mail_server() as broken:
        broken.answers = ["550 5.7.1 Not you"] * 200
        await bench.mail_channel(broken.port)
        await bench.mail_channel(mailbox.port, "night")
        await bench.rule(channels=("ops", "night"), severity=Severity.ERROR)
        await bench.holds(failed())
        for _ in range(5):
            await bench.deliver(after_s=HOUR)
            await bench.board.apply(await bench.failing.look(bench.clock.now()), bench.clock.now())
        (alert,) = [row for row in bench.board.active() if row.kind is AlertKind.NOTIFICATION_FAILING]
        assert (alert.subject, alert.severity) == ("ops", Severity.ERROR)
        assert "550 5.7.1 Not you" in alert.text
        await bench.deliver(after_s=HOUR)
        assert (await mailbox.next())["Subject"] == "[Phoenix] ERROR: backup failed: web1"
        assert "notifications don't get through: ops" in (await mailbox.next())["Subject"]
        broken.answers = []
        await bench.deliver(after_s=HOUR)
        await bench.board.apply(await bench.failing.look(bench.clock.now()), bench.clock.now())
        assert [row.kind for row in bench.board.active()] == [AlertKind.BACKUP_FAILED]


async def test_after_days_a_message_is_given_up_but_not_since_the_clock_was_set(bench: Bench, mailbox: Mailbox) -> None:
    mailbox.answers = ["550 no"] * 500
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    await bench.holds(failed())
    await bench.deliver()
    await bench.deliver(after_s=30 * 24 * HOUR)
    assert await states(bench) == [(MessageState.WAITING, 2)]
    for _ in range(10):
        await bench.deliver(after_s=HOUR)
    assert await states(bench) == [(MessageState.GIVEN_UP, 12)]
    found = await bench.failing.look(bench.clock.now())
    assert "was given up" in found.conditions[0].text


async def test_a_clock_set_back_by_a_month_holds_nothing_up(bench: Bench, mailbox: Mailbox) -> None:
    mailbox.answers = ["451 later"]
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    await bench.holds(failed())
    await bench.deliver()
    bench.clock.at -= timedelta(days=30)
    await bench.deliver(after_s=1)
    assert await states(bench) == [(MessageState.DELIVERED, 2)]


async def test_what_waits_survives_a_restart_and_is_sent_with_the_id_it_had(
    bench: Bench, mailbox: Mailbox, tmp_path: Path
) -> None:
    mailbox.answers = ["451 later"]
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    await bench.holds(failed("web1"))
    await bench.deliver()
    (waiting,) = await bench.desk.messages("ops", 10)
    await bench.holds(failed("web1"), failed("web2"))
    await bench.close()
    await bench.open()
    await bench.deliver()
    assert (await mailbox.next())["X-Phoenix-Message"] == waiting.id
    await bench.deliver(after_s=HOUR)
    assert (await mailbox.next())["Subject"] == "[Phoenix] ERROR: backup failed: web2"


async def test_a_channel_that_was_put_right_is_tried_at_once(bench: Bench, mailbox: Mailbox) -> None:
    async with mail_server() as broken:
        broken.answers = ["550 no"]
        await bench.mail_channel(broken.port)
        await bench.rule()
        await bench.holds(failed())
        await bench.deliver()
    await bench.mail_channel(mailbox.port)
    await bench.deliver(after_s=0)
    assert (await mailbox.next())["Subject"] == "[Phoenix] ERROR: backup failed: web1"


async def test_at_the_core_s_end_what_waits_goes_out_at_once(bench: Bench, mailbox: Mailbox) -> None:
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    await bench.holds(failed())
    await bench.postman.flush(10.0)
    assert (await mailbox.next())["Subject"] == "[Phoenix] ERROR: backup failed: web1"


async def test_a_removed_channel_takes_what_waits_and_its_secret_with_it(bench: Bench, mailbox: Mailbox) -> None:
    await bench.mail_channel(mailbox.port)
    await bench.desk.put_secret("ops", "hidden", "root")
    await bench.rule()
    await bench.holds(failed())
    await bench.desk.remove_channel("ops", "root")
    await bench.deliver()
    assert mailbox.envelopes == []
    assert "hidden" not in bench.data.channel_secrets.read_text()
    assert (await bench.desk.rule("urgent")).channels == ()


async def test_alert_and_notice_are_written_together_or_not_at_all(bench: Bench, mailbox: Mailbox) -> None:
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    refuse = "CREATE TRIGGER refusal BEFORE INSERT ON notices BEGIN SELECT RAISE(ABORT, 'refused'); END"
    async with bench.catalog.writing() as connection:
        await connection.exec_driver_sql(refuse)
    with pytest.raises(sa.exc.IntegrityError, match="refused"):
        await bench.holds(failed())
    assert (bench.board.active(), await bench.alerts.active()) == ([], [])
    async with bench.catalog.writing() as connection:
        await connection.exec_driver_sql("DROP TRIGGER refusal")
    await bench.holds(failed())
    assert len(await bench.alerts.active()) == 1
    await bench.deliver()
    assert len(mailbox.envelopes) == 1
