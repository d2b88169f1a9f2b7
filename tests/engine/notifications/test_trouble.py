"""What goes wrong on the way of a message is told at its channel, backs off, and makes nothing go out twice."""

import socket

import msgspec
import pytest
from aiohttp import web

from phoenix_core.domain.notifications import Channel, MessageState
from phoenix_core.engine.notifications import delivery, mail
from phoenix_core.engine.notifications.content import Content
from phoenix_core.engine.notifications.errors import (
    AuthoritiesUnusable,
    ChannelHostUnknown,
    NotDelivered,
    SecretLeft,
)
from phoenix_core.engine.notifications.mail import Delivered
from tests.engine.full_catalog import FullCatalog
from tests.engine.notifications.bench import Bench, failed
from tests.engine.notifications.servers import Certificate, Mailbox, web_server


async def states(bench: Bench, channel: str = "ops") -> list[tuple[MessageState, int]]:
    """Newest first."""
    return [(each.state, each.attempts) for each in await bench.desk.messages(channel, 100)]


async def says_ok(request: web.Request) -> web.StreamResponse:
    return web.Response(text="ok")


async def test_authorities_that_are_gone_are_told_at_the_channel_and_tried_again_later(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    certificate = Certificate(tmp_path_factory.mktemp("ca"))
    content = certificate.file.read_bytes()
    async with web_server(says_ok, certificate) as (url, calls):
        await bench.webhook(url, ca_file=str(certificate.file))
        await bench.rule(channels=("hook",))
        certificate.file.unlink()
        with pytest.raises(AuthoritiesUnusable, match="No such file") as refused:
            await bench.desk.test("hook")
        assert "phoenix notification set hook --ca-file FILE" in refused.value.what_to_do
        await bench.holds(failed())
        await bench.deliver()
        await bench.deliver(after_s=0)
        assert await states(bench, "hook") == [(MessageState.WAITING, 1)]
        assert f"{certificate.file} can't be read" in (await bench.desk.channel("hook")).problem
        certificate.file.write_bytes(content)
        await bench.deliver(after_s=61)
        assert await states(bench, "hook") == [(MessageState.DELIVERED, 2)]
        assert len(calls) == 1


async def test_an_error_that_nobody_thought_of_backs_off_and_is_told_without_the_password(
    bench: Bench, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def breaks(channel: Channel, secret: str, content: Content) -> Delivered:
        raise RuntimeError(f"no idea what to do with {secret}")

    monkeypatch.setattr(delivery, "send_mail", breaks)
    await bench.mail_channel(mailbox.port, user="phoenix")
    await bench.desk.put_secret("ops", "tr0ub4dor", "root")
    await bench.rule()
    await bench.holds(failed())
    await bench.deliver()
    await bench.deliver(after_s=0)
    assert await states(bench) == [(MessageState.WAITING, 1)]
    told = (await bench.desk.channel("ops")).problem
    assert "an error of Phoenix itself came in between (RuntimeError)" in told
    logged = capsys.readouterr().err
    assert "no idea what to do with …" in logged
    assert "tr0ub4dor" not in told + logged


async def test_a_message_that_can_t_be_read_any_more_backs_off_and_holds_up_no_other(
    bench: Bench, mailbox: Mailbox
) -> None:
    mailbox.answers = ["451 later"]
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    await bench.holds(failed())
    await bench.deliver()
    (message,) = await bench.messages.waiting()
    await bench.messages.update(message.id, body='{"id": 7}')
    await bench.deliver(after_s=61)
    (spoilt,) = await bench.messages.waiting()
    assert (spoilt.attempts, "ValidationError" in spoilt.problem) == (2, True)
    assert [each.subject for each in await bench.desk.messages("ops", 10)] == ["(what it says can't be read)"]
    other = msgspec.structs.replace(message, id="m2", created_at=bench.clock.now(), next_try_at=bench.clock.now())
    await bench.messages.add(other, [])
    await bench.deliver(after_s=0)
    assert len(mailbox.envelopes) == 1


async def test_what_was_taken_while_the_catalog_was_full_is_not_sent_again(bench: Bench, mailbox: Mailbox) -> None:
    mailbox.answers = ["451 later"]
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    await bench.holds(failed())
    await bench.deliver()
    with FullCatalog(0) as full:
        for after_s in (61.0, 0.0, 61.0, 3600.0):
            await bench.deliver(after_s)
        assert full.failed
        assert await states(bench) == [(MessageState.WAITING, 1)]
    await bench.deliver(after_s=0)
    assert await states(bench) == [(MessageState.DELIVERED, 2)]
    assert len(mailbox.envelopes) == 1


async def test_a_failure_that_the_full_catalog_doesn_t_take_backs_off_too(bench: Bench, mailbox: Mailbox) -> None:
    mailbox.answers = ["451 first", "451 second", "451 third"]
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    await bench.holds(failed())
    await bench.deliver()
    with FullCatalog(0):
        await bench.deliver(after_s=61)
        for _ in range(3):
            await bench.deliver(after_s=1)
    assert mailbox.answers == ["451 third"]
    await bench.deliver(after_s=0)
    assert await states(bench) == [(MessageState.WAITING, 2)]


async def test_a_server_that_takes_a_mail_and_no_leave_has_taken_it(
    bench: Bench, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "WHOLE_S", 5.0)
    monkeypatch.setattr(mail, "GOODBYE_S", 0.1)
    mailbox.quits.clear()
    await bench.mail_channel(mailbox.port)
    assert (await bench.desk.test("ops")).answer == "250 OK queued as 4711"
    mailbox.quits.set()


@pytest.mark.parametrize("channel", ["hook", "ops"])
async def test_a_host_without_an_address_is_told_in_plain_words(
    bench: Bench, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*where: object, **how: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    await bench.webhook("http://hooks.invalid/phoenix")
    await bench.mail_channel(25, host="mail.invalid")
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(ChannelHostUnknown) as refused:
        await bench.desk.test(channel)
    view = refused.value.view()
    assert view.code == "notification_host_unknown"
    assert view.message.endswith("can't be reached: its name has no address (Name or service not known).")
    assert ("--url URL" if channel == "hook" else "--host HOST") in view.hint
    assert isinstance(refused.value, NotDelivered)


async def test_a_secret_that_can_t_be_deleted_keeps_no_alert_from_being_kept(bench: Bench, mailbox: Mailbox) -> None:
    await bench.mail_channel(mailbox.port)
    await bench.mail_channel(mailbox.port, "night")
    await bench.desk.put_secret("ops", "hidden", "root")
    await bench.rule(channels=("ops", "night"))
    bench.data.channel_secrets.chmod(0o644)
    with pytest.raises(SecretLeft, match=r"secret of ops, which is removed, is still held: others may read"):
        await bench.desk.remove_channel("ops", "root")
    assert [view.channel.name for view in await bench.desk.channels()] == ["night"]
    await bench.holds(failed())
    assert len(await bench.alerts.active()) == 1
    await bench.deliver()
    assert len(mailbox.envelopes) == 1


async def test_a_channel_that_goes_while_it_is_to_be_told_keeps_no_alert_from_being_kept(
    bench: Bench, mailbox: Mailbox
) -> None:
    await bench.mail_channel(mailbox.port)
    await bench.mail_channel(mailbox.port, "night")
    await bench.rule(channels=("ops", "night"))
    (row,) = [row for row in bench.book.channels.values() if row.name == "ops"]
    async with bench.catalog.writing() as connection:  # what the book knows is behind
        await connection.exec_driver_sql("DELETE FROM channels WHERE id = ?", (row.id,))
    await bench.holds(failed())
    assert len(await bench.alerts.active()) == 1
    await bench.deliver()
    assert len(mailbox.envelopes) == 1
