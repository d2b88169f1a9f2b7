"""Delivers a message by mail (SMTP, RFC 5321)."""

import asyncio
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import TYPE_CHECKING

import msgspec

from phoenix_core.domain.notifications import Channel, Security
from phoenix_core.engine.alerts.words import one_line
from phoenix_core.engine.notifications.blotting import blotted
from phoenix_core.engine.notifications.content import Content
from phoenix_core.engine.notifications.errors import NotDelivered
from phoenix_core.engine.notifications.text import body_of
from phoenix_core.engine.notifications.trouble import causes, place_of, trusted, unknown_host

if TYPE_CHECKING:
    from aiosmtplib import SMTP, SMTPResponse

COMMAND_S = 20.0
"""How long the mail server may take to answer one command."""
WHOLE_S = 60.0
GOODBYE_S = 5.0
SUBJECT_CHARS = 200
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")


class Delivered(msgspec.Struct, frozen=True):
    answer: str
    """In the other end's own words."""
    to: tuple[str, ...]
    refused: str = ""
    """Of a mail with several recipients: whom the server did not take, and why."""


def mail_of(channel: Channel, content: Content) -> EmailMessage:
    """Whatever names and texts hold, a header stays one: they are single lines, and the policy refuses others."""
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = Address("Phoenix", addr_spec=channel.sender)
    message["To"] = [Address(addr_spec=each) for each in channel.recipients]
    message["Subject"] = one_line(content.subject, SUBJECT_CHARS)
    message["Date"] = content.at
    message["Message-ID"] = f"<{content.id}@{_host(content.core)}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Phoenix-Message"] = content.id
    message.set_content(body_of(content))
    return message


async def send_mail(channel: Channel, secret: str, content: Content) -> Delivered:
    """Raises NotDelivered, which never holds the password."""
    import aiosmtplib

    secured = channel.security is not Security.NONE
    context = await asyncio.to_thread(trusted, channel) if secured else None
    client = aiosmtplib.SMTP(
        hostname=channel.host,
        port=channel.port_in_use,
        use_tls=channel.security is Security.TLS,
        start_tls=channel.security is Security.STARTTLS,
        tls_context=context,
        username=channel.user or None,
        password=secret if channel.user else None,
        local_hostname=_host(content.core),
        timeout=COMMAND_S,
    )
    try:
        async with asyncio.timeout(WHOLE_S):
            await client.connect()
            refused, answer = await client.send_message(
                mail_of(channel, content), sender=channel.sender, recipients=list(channel.recipients)
            )
        await _goodbye(client)
    except TimeoutError as error:
        detail = f"it did not answer within {COMMAND_S:g} s"
        advice = "See that host, port and security are right, and its own log."
        raise _failed(channel, secret, detail, advice) from error
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise unknown_host(channel, error) or _failed(channel, secret, *_explained(channel, error)) from None
    finally:
        client.close()
    return _delivered(channel, secret, refused, answer)


async def _goodbye(client: "SMTP") -> None:
    """The mail was taken: no answer to this makes it less so, and none is to have it sent again."""
    import aiosmtplib

    with suppress(aiosmtplib.SMTPException, OSError, ValueError, TimeoutError):
        await client.quit(timeout=GOODBYE_S)


def _delivered(channel: Channel, secret: str, refused: "Mapping[str, SMTPResponse]", answer: str) -> Delivered:
    left_out = "; ".join(f"{each}: {said.code} {said.message}" for each, said in refused.items())
    return Delivered(
        answer=one_line(blotted(f"250 {answer}", secret, channel.user)),
        to=tuple(each for each in channel.recipients if each not in refused),
        refused=one_line(blotted(left_out, secret, channel.user)),
    )


def _explained(channel: Channel, error: Exception) -> tuple[str, str]:
    """What the mail server said, and what to do."""
    import aiosmtplib

    set_it = f"`phoenix notification set {channel.name}`"
    certificate = _certificate_error(error)
    if certificate is not None:
        return (
            f"its certificate is not trusted ({certificate.verify_message})",
            f"Where an authority of your own signed it, name that: {set_it} --ca-file FILE. Name the host as the "
            "certificate does.",
        )
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return f"{error.code} {error.message}", f"See that user and password are right: {set_it} --user USER."
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        said = "; ".join(f"{each.recipient}: {each.code} {each.message}" for each in error.recipients)
        return said, f"See that the addresses are right, and that the server relays for {channel.sender}."
    if isinstance(error, aiosmtplib.SMTPResponseException):
        refused = isinstance(error, aiosmtplib.SMTPSenderRefused)
        advice = f"See that it lets this user send as {channel.sender}." if refused else "Its own log says more."
        return f"{error.code} {error.message}", advice
    if isinstance(error, aiosmtplib.SMTPNotSupported) or "not supported" in str(error):
        return str(error), f"See which protection and log-in it offers: {set_it} --security tls."
    return str(error) or type(error).__name__, "See that host, port and security are right, and that it can be reached."


def _certificate_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    return next((each for each in causes(error) if isinstance(each, ssl.SSLCertVerificationError)), None)


def _failed(channel: Channel, secret: str, detail: str, advice: str) -> NotDelivered:
    said = one_line(blotted(detail, secret, channel.user))
    return NotDelivered(place=place_of(channel), detail=said, advice=advice)


def _host(name: str) -> str:
    return name if _HOST.fullmatch(name) else "localhost"
