"""Delivers a message to a webhook: one POST with JSON; docs/manual/alerts.md says what is in it."""

import asyncio
import hashlib
import hmac
import os
from datetime import datetime
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from phoenix_core.domain.notifications import SECRET_PART, Channel
from phoenix_core.engine.alerts.words import one_line
from phoenix_core.engine.notifications.blotting import blotted
from phoenix_core.engine.notifications.content import Content
from phoenix_core.engine.notifications.errors import NotDelivered
from phoenix_core.engine.notifications.mail import Delivered
from phoenix_core.engine.notifications.text import body_of
from phoenix_core.engine.notifications.trouble import place_of, trusted, unknown_host

CONNECT_S = 10.0
WHOLE_S = 20.0
ANSWER_BYTES = 4096
"""More of an answer isn't read, however long it is."""
ANSWER_S = 5.0
ANSWER_CHARS = 300
ALERTS_MAX = 500
VERSION = 1
SIGNATURE, TIMESTAMP, MESSAGE_ID = "X-Phoenix-Signature", "X-Phoenix-Timestamp", "X-Phoenix-Message"


def json_of(content: Content) -> bytes:
    """`text` is what a mail would say: chat services show it as it is."""
    alerts = [msgspec.to_builtins(told.alert) | {"change": told.change} for told in content.alerts[:ALERTS_MAX]]
    return msgspec.json.encode(
        {
            "version": VERSION,
            "id": content.id,
            "kind": content.kind,
            "at": content.at,
            "core": content.core,
            "subject": one_line(content.subject),
            "text": body_of(content),
            "rule": content.rule,
            "since": content.since,
            "backups": content.backups,
            "alerts": alerts,
            "more_alerts": max(0, len(content.alerts) - ALERTS_MAX),
        }
    )


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) over timestamp, a full stop and the body."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


async def post(channel: Channel, secret: str, content: Content, now: datetime) -> Delivered:
    """Redirects are not followed, wherever they lead. Raises NotDelivered, which never holds the secret."""
    body = json_of(content)
    headers = {"Content-Type": "application/json", "User-Agent": "phoenix", MESSAGE_ID: content.id}
    url = channel.url.replace(SECRET_PART, quote(secret, safe=""))
    if secret and url == channel.url:
        timestamp = str(int(now.timestamp()))
        headers |= {TIMESTAMP: timestamp, SIGNATURE: signature(secret, timestamp, body)}
    context = await asyncio.to_thread(trusted, channel)
    timeout = aiohttp.ClientTimeout(total=WHOLE_S, sock_connect=CONNECT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(
                URL(url, encoded=True), data=body, headers=headers, allow_redirects=False, ssl=context
            ) as response,
        ):
            answer = f"HTTP {response.status} {response.reason or ''}".rstrip()
            location = response.headers.get("Location", "")
            line = await _first_line(response, secret)
            response.close()  # what else it has to say isn't read
    except TimeoutError as error:
        advice = "See that it runs, and that the core's machine reaches it."
        raise _failed(channel, secret, f"it did not answer within {WHOLE_S:g} s", advice) from error
    except aiohttp.ClientConnectorCertificateError as error:
        advice = f"Where an authority of your own signed it: `phoenix notification set {channel.name} --ca-file FILE`."
        cause = error.certificate_error
        why = getattr(cause, "verify_message", "") or str(cause)
        raise _failed(channel, secret, f"its certificate is not trusted ({why})", advice) from None
    except aiohttp.ClientConnectorError as error:
        number = error.os_error.errno
        why = os.strerror(number) if number else str(error.os_error)
        advice = "See that it runs, and that the core's machine reaches it."
        unknown = unknown_host(channel, error)
        raise unknown or _failed(channel, secret, f"no connection could be made ({why})", advice) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        detail = str(error) or type(error).__name__
        raise _failed(channel, secret, detail, "See that URL and network are right.") from None
    said = f"{answer}: {line}" if line else answer
    if 300 <= response.status < 400:
        advice = "Redirects are not followed. Where it is right, give that URL: `phoenix notification set --url`."
        raise _failed(channel, secret, f"{answer}, to {location or 'nowhere'}", advice)
    if response.status >= 400:
        raise _failed(channel, secret, said, "That is its own answer; its log says more.")
    return Delivered(answer=one_line(blotted(said, secret)), to=(channel.url,))


async def _first_line(response: aiohttp.ClientResponse, secret: str) -> str:
    """Of the body, without the secret; what comes too late or can't be read is nothing."""
    content = b""
    try:
        async with asyncio.timeout(ANSWER_S):
            while len(content) < ANSWER_BYTES and b"\n" not in content:
                part = await response.content.read(ANSWER_BYTES - len(content))
                if not part:
                    break
                content += part
    except (TimeoutError, aiohttp.ClientError):
        pass
    lines = blotted(content.decode("utf-8", "replace"), secret).strip().splitlines()
    return one_line(lines[0], ANSWER_CHARS) if lines else ""


def _failed(channel: Channel, secret: str, detail: str, advice: str) -> NotDelivered:
    return NotDelivered(place=place_of(channel), detail=one_line(blotted(detail, secret)), advice=advice)
