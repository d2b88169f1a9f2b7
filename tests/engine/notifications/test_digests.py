"""Digests: one a day, with what matters."""

from datetime import UTC, datetime, timedelta

import pytest

from phoenix_core.domain.notifications import MessageState
from phoenix_core.engine.policies.errors import FieldInvalid
from tests.engine.notifications.bench import Bench, failed
from tests.engine.notifications.servers import Mailbox

DAY = 86_400.0


@pytest.fixture
async def digests(bench: Bench, mailbox: Mailbox) -> Bench:
    """With a digest at seven each morning, Berlin's time."""
    bench.clock.at = datetime(2030, 3, 30, 12, tzinfo=UTC)
    await bench.mail_channel(mailbox.port)
    await bench.rule("daily", when="daily at 07:00", time_zone="Europe/Berlin")
    return bench


async def at(bench: Bench, moment: datetime) -> None:
    bench.clock.move((moment - bench.clock.at).total_seconds())
    await bench.digests.turn()
    await bench.deliver(after_s=0)


async def test_a_digest_tells_how_things_are_and_what_is_over(digests: Bench, mailbox: Mailbox) -> None:
    await digests.holds(failed("web1"), failed("web2"))
    digests.clock.move(60)
    await digests.holds(failed("web2"))
    known = digests.board.active()[0]
    await digests.board.acknowledge(known.id, "mara", "new disk on Monday")
    await digests.deliver(after_s=3600)
    assert mailbox.taken.empty()  # nothing of it is told at once
    await at(digests, datetime(2030, 3, 31, 5, 0, 30, tzinfo=UTC))  # it was summer time at two
    message = await mailbox.next()
    assert message["Subject"] == "[Phoenix] backup1: 1 alert (1 error), 1 over"
    body = message.get_content()
    assert body.index("ACTIVE") < body.index("web2") < body.index("OVER") < body.index("web1")
    assert "Known to mara: new disk on Monday" in " ".join(body.split())
    assert "Backups that ended: none." in body


async def test_it_comes_once_a_day_and_after_a_night_without_a_core_once(digests: Bench, mailbox: Mailbox) -> None:
    await digests.holds(failed())
    for _ in range(3):
        await at(digests, datetime(2030, 3, 31, 5, 1, tzinfo=UTC))
    assert len(mailbox.envelopes) == 1
    await digests.close()
    digests.clock.move(3 * DAY)
    await digests.open()
    await at(digests, digests.clock.at)
    await at(digests, digests.clock.at)
    assert len(mailbox.envelopes) == 2


async def test_a_clock_that_is_set_back_makes_none_come_twice(digests: Bench, mailbox: Mailbox) -> None:
    await digests.holds(failed())
    await at(digests, datetime(2030, 3, 31, 5, 1, tzinfo=UTC))
    digests.clock.at -= timedelta(minutes=30)
    await at(digests, digests.clock.at)
    await at(digests, datetime(2030, 3, 31, 5, 2, tzinfo=UTC))
    assert len(mailbox.envelopes) == 1


async def test_with_nothing_to_tell_it_comes_where_that_is_wanted(digests: Bench, mailbox: Mailbox) -> None:
    await at(digests, datetime(2030, 3, 31, 5, 1, tzinfo=UTC))
    assert mailbox.envelopes == []
    await digests.rule("daily", when="daily at 07:00", time_zone="Europe/Berlin", when_quiet=True)
    await at(digests, datetime(2030, 4, 1, 5, 1, tzinfo=UTC))
    message = await mailbox.next()
    assert message["Subject"] == "[Phoenix] backup1: nothing to report"
    assert "No alert is active, and none was." in message.get_content()


async def test_of_digests_that_could_not_be_delivered_the_newest_is(digests: Bench, mailbox: Mailbox) -> None:
    await digests.holds(failed())
    mailbox.answers = ["451 later"]
    await at(digests, datetime(2030, 3, 31, 5, 1, tzinfo=UTC))
    await at(digests, datetime(2030, 4, 1, 5, 1, tzinfo=UTC))
    newest, older = await digests.desk.messages("ops", 10)
    assert (newest.state, older.state) == (MessageState.DELIVERED, MessageState.GIVEN_UP)
    assert len(mailbox.envelopes) == 1


async def test_a_digest_that_never_comes_or_comes_all_the_time_is_refused(digests: Bench) -> None:
    for when in ("0 0 31 2 *", "* * * * *", "sometimes", ""):
        with pytest.raises(FieldInvalid, match="Notification rule daily: when"):
            await digests.rule("daily", when=when)
    with pytest.raises(FieldInvalid, match="time_zone"):
        await digests.rule("daily", when="daily at 07:00", time_zone="Mars/Olympus")
