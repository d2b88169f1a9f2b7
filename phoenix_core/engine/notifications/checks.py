"""What channels and notification rules may hold; each check names the field that is wrong."""

import ipaddress
import re
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from phoenix_core.domain.notifications import AT_ONCE, SECRET_PART, Channel, ChannelKind, NotificationRule, Security
from phoenix_core.engine.policies.checks import check_name
from phoenix_core.engine.policies.errors import FieldInvalid
from phoenix_core.engine.policies.timetable import Timetable

CHANNEL = "Notification"
RULE = "Notification rule"
RECIPIENTS_MAX = 50
URL_MAX = 2000
SECRET_MAX = 4096
# What mail servers of today take, without quotes, comments, blanks and anything that ends a line.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_OF_MAIL = ("host", "port", "user", "sender", "recipients")


def check_channel(channel: Channel) -> None:
    """Looks at the file of authorities, too: blocks. Raises FieldInvalid."""
    check_name(CHANNEL, channel.name)
    if channel.kind is ChannelKind.MAIL:
        _check_mail(channel)
    else:
        _check_webhook(channel)
    if channel.ca_file:
        _check_authorities(channel)


def check_secret(name: str, secret: str) -> None:
    if len(secret) > SECRET_MAX or any(char in secret for char in "\r\n\0"):
        raise FieldInvalid(
            what=CHANNEL, name=name, field="secret", detail=f"it is one line of {SECRET_MAX} characters at most"
        )


def check_rule(rule: NotificationRule) -> None:
    """Looks at the time zone's file: blocks. Raises FieldInvalid."""
    check_name(RULE, rule.name)
    if rule.when != AT_ONCE:
        digest_times(rule)


def digest_times(rule: NotificationRule) -> Timetable:
    """When the digests of a rule are due that doesn't tell at once. Raises FieldInvalid."""
    try:
        zone = ZoneInfo(rule.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        detail = f"{rule.time_zone or 'nothing'} is no time zone such as UTC or Europe/Berlin"
        raise _wrong_rule(rule, "time_zone", detail) from error
    try:
        timetable = Timetable((rule.when,), zone)
    except ValueError as error:
        raise _wrong_rule(rule, "when", f"{error}, or `{AT_ONCE}`") from error
    first = timetable.due_after(datetime(2024, 1, 1, tzinfo=UTC))
    second = timetable.due_after(first) if first else None
    if first and second and (second - first).total_seconds() < 3600:
        raise _wrong_rule(rule, "when", "a digest comes each hour at most")
    return timetable


def _check_mail(channel: Channel) -> None:
    if channel.url:
        raise _wrong(channel, "url", "it is a webhook's, and this is a mail channel")
    if not _is_host(channel.host):
        raise _wrong(channel, "host", f"{channel.host or 'nothing'} is no mail server's name or address")
    if not 0 <= channel.port <= 65535:
        raise _wrong(channel, "port", f"{channel.port} is no port from 1 to 65535, or 0 for the usual one")
    if not _is_address(channel.sender):
        raise _wrong(channel, "sender", f"{channel.sender or 'nothing'} is no address such as phoenix@example.org")
    if not 0 < len(channel.recipients) <= RECIPIENTS_MAX:
        raise _wrong(channel, "recipients", f"1 to {RECIPIENTS_MAX} addresses are wanted")
    for address in channel.recipients:
        if not _is_address(address):
            raise _wrong(channel, "recipients", f"{address or 'nothing'} is no address such as ops@example.org")
    if any(ord(char) < 32 or ord(char) == 127 for char in channel.user):
        raise _wrong(channel, "user", "it holds a control character")
    if channel.user and channel.security is Security.NONE and not _is_loopback(channel.host):
        raise _wrong(
            channel, "security", "the password would cross the network in the clear: starttls or tls is wanted"
        )


def _check_webhook(channel: Channel) -> None:
    for field in _OF_MAIL:
        if getattr(channel, field):
            raise _wrong(channel, field, "it is a mail channel's, and this is a webhook")
    url = channel.url
    if len(url) > URL_MAX or not _PRINTABLE.fullmatch(url):
        raise _wrong(channel, "url", f"a URL of {URL_MAX} characters at most, without blanks, is wanted")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise _wrong(channel, "url", str(error)) from error
    if parts.scheme not in {"https", "http"} or not _is_host(host):
        raise _wrong(channel, "url", f"{url} is no URL such as https://hooks.example.org/phoenix")
    if parts.username is not None or parts.password is not None:
        detail = f"a password in it would be shown; write {SECRET_PART} where the URL's secret part is, and give that"
        raise _wrong(channel, "url", detail)
    if SECRET_PART in url:
        if SECRET_PART in parts.netloc:
            raise _wrong(channel, "url", f"{SECRET_PART} stands in the path or the query, not in the host")
        if parts.scheme == "http" and not _is_loopback(host):
            raise _wrong(channel, "url", "the secret would cross the network in the clear: https is wanted")


def _check_authorities(channel: Channel) -> None:
    import ssl

    path = Path(channel.ca_file)
    if not path.is_absolute():
        raise _wrong(channel, "ca_file", f"{channel.ca_file} is no absolute path on the core's host")
    try:
        ssl.create_default_context(cafile=channel.ca_file)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        detail = f"{channel.ca_file} holds no certificates (PEM) that can be read: {error}"
        raise _wrong(channel, "ca_file", detail) from error


def _is_address(text: str) -> bool:
    return len(text) <= 254 and _ADDRESS.fullmatch(text) is not None and ".." not in text


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return len(text) <= 253 and _HOST.fullmatch(text) is not None
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _wrong(channel: Channel, field: str, detail: str) -> FieldInvalid:
    return FieldInvalid(what=CHANNEL, name=channel.name, field=field, detail=detail)


def _wrong_rule(rule: NotificationRule, field: str, detail: str) -> FieldInvalid:
    return FieldInvalid(what=RULE, name=rule.name, field=field, detail=detail)
