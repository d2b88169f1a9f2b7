"""Mail, through a real mail server."""

import asyncio
from pathlib import Path

import pytest

from phoenix_core.domain.notifications import MessageState, Security
from phoenix_core.engine.notifications import mail
from phoenix_core.engine.notifications.errors import ChannelSecretMissing, NotDelivered
from tests.engine.notifications.bench import Bench, failed
from tests.engine.notifications.servers import Certificate, Mailbox, mail_server, silent_server


async def test_a_mail_says_what_happened_to_what_and_what_to_do(bench: Bench, mailbox: Mailbox) -> None:
    await bench.mail_channel(mailbox.port, recipients=("ops@example.org", "night@example.org"))
    await bench.rule()
    await bench.holds(failed())
    await bench.deliver()
    message = await mailbox.next()
    assert message["Subject"] == "[Phoenix] ERROR: backup failed: web1"
    assert message["From"] == "Phoenix <phoenix@example.org>"
    assert message["To"] == "ops@example.org, night@example.org"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == bench.clock.now()
    body = message.get_content()
    assert "The last backup of web1 failed: the disk is full." in body
    assert "What to do: Free space there." in body
    assert "phoenix alert show w" in body
    assert mailbox.envelopes[0].rcpt_tos == ["ops@example.org", "night@example.org"]
    (sent,) = await bench.desk.messages("ops", 10)
    assert (sent.state, sent.attempts, sent.answer) == (MessageState.DELIVERED, 1, "250 OK queued as 4711")
    assert sent.id in message["Message-ID"]


async def test_a_name_that_holds_a_line_s_end_makes_no_header_and_no_paragraph(bench: Bench, mailbox: Mailbox) -> None:
    evil = "web1\r\nBcc: thief@example.net\r\n\r\nAll is well."
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    await bench.holds(failed(evil, text=f"{evil}\n.\nQUIT failed\u2028here"))
    await bench.deliver()
    message = await mailbox.next()
    assert message["Bcc"] is None
    subject = message["Subject"].strip()
    assert subject == "[Phoenix] ERROR: backup failed: web1 Bcc: thief@example.net All is well."
    assert mailbox.envelopes[0].rcpt_tos == ["ops@example.org"]
    assert "\nAll is well." not in message.get_content()
    assert "\n.\n" not in message.get_content()


async def test_letters_of_all_languages_arrive(bench: Bench, mailbox: Mailbox) -> None:
    await bench.mail_channel(mailbox.port)
    await bench.rule()
    await bench.holds(failed("büro-пк", text="Die Sicherung von büro-пк ist fehlgeschlagen."))
    await bench.deliver()
    message = await mailbox.next()
    assert message["Subject"] == "[Phoenix] ERROR: backup failed: büro-пк"
    assert "büro-пк ist fehlgeschlagen" in message.get_content()


async def test_a_test_shows_the_mail_server_s_own_answer(bench: Bench, mailbox: Mailbox) -> None:
    await bench.mail_channel(mailbox.port)
    result = await bench.desk.test("ops")
    assert result.answer == "250 OK queued as 4711"
    assert result.sent_to == ("ops@example.org",)
    assert (await mailbox.next())["Subject"] == "[Phoenix] test from backup1"
    mailbox.answers = ["554 5.7.1 Spam, go away"]
    with pytest.raises(NotDelivered, match=r"554 5\.7\.1 Spam, go away"):
        await bench.desk.test("ops")


async def test_a_refused_log_in_is_told_in_the_server_s_words_without_the_password(
    bench: Bench, tmp_path: Path
) -> None:
    certificate = Certificate(tmp_path)
    async with mail_server(certificate, logs_in=True) as box:
        secured = {"security": Security.STARTTLS, "user": "phoenix", "ca_file": str(certificate.file)}
        await bench.mail_channel(box.port, **secured)
        with pytest.raises(ChannelSecretMissing, match="none was given"):
            await bench.desk.test("ops")
        await bench.desk.put_secret("ops", "tr0ub4dor", "root")
        assert (await bench.desk.test("ops")).answer.startswith("250 ")
        assert box.logins == [(b"phoenix", b"tr0ub4dor")]
        box.takes_login = False
        with pytest.raises(NotDelivered) as refused:
            await bench.desk.test("ops")
        assert "535 5.7.8 Authentication credentials invalid" in refused.value.message
        assert "tr0ub4dor" not in str(refused.value.view())


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
async def test_a_certificate_of_nobody_s_is_not_trusted(bench: Bench, tmp_path: Path, security: Security) -> None:
    certificate = Certificate(tmp_path)
    async with mail_server(certificate, tls=security is Security.TLS) as box:
        await bench.mail_channel(box.port, security=security)
        with pytest.raises(NotDelivered, match="certificate is not trusted") as refused:
            await bench.desk.test("ops")
        assert "--ca-file" in refused.value.what_to_do
        await bench.mail_channel(box.port, security=security, ca_file=str(certificate.file))
        assert (await bench.desk.test("ops")).answer.startswith("250 ")


async def test_where_starttls_is_wanted_and_not_offered_nothing_is_sent(bench: Bench, mailbox: Mailbox) -> None:
    await bench.mail_channel(mailbox.port, security=Security.STARTTLS)
    with pytest.raises(NotDelivered, match="STARTTLS"):
        await bench.desk.test("ops")
    assert mailbox.envelopes == []


async def test_a_mail_server_that_hangs_is_given_up_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "COMMAND_S", 0.1)
    async with silent_server() as port:
        await bench.mail_channel(port)
        async with asyncio.timeout(5):
            with pytest.raises(NotDelivered, match="did not answer within"):
                await bench.desk.test("ops")


async def test_where_nobody_listens_that_is_told(bench: Bench) -> None:
    async with silent_server() as port:
        pass
    await bench.mail_channel(port)
    with pytest.raises(NotDelivered, match=rf"127.0.0.1:{port}"):
        await bench.desk.test("ops")


async def test_who_is_refused_among_several_is_named_and_the_others_get_it(bench: Bench, mailbox: Mailbox) -> None:
    mailbox.refused["gone@example.org"] = "550 5.1.1 No such user"
    await bench.mail_channel(mailbox.port, recipients=("ops@example.org", "gone@example.org"))
    await bench.rule()
    await bench.holds(failed())
    await bench.deliver()
    await mailbox.next()
    (sent,) = await bench.desk.messages("ops", 10)
    assert sent.state is MessageState.DELIVERED
    assert sent.problem == "Not taken for gone@example.org: 550 5.1.1 No such user"
    found = await bench.failing.look(bench.clock.now())
    assert [each.text for each in found.conditions if "No such user" in each.text]
    mailbox.refused["ops@example.org"] = "550 5.1.1 Gone too"
    with pytest.raises(NotDelivered, match=r"gone@example\.org: 550 5\.1\.1 No such user"):
        await bench.desk.test("ops")
