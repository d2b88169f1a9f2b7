"""What keeps a message from its server, whichever way it goes: the causes that mail and webhooks have in common."""

import socket
import ssl
from collections.abc import Iterator

from phoenix_core.domain.notifications import Channel, ChannelKind
from phoenix_core.engine.notifications.errors import AuthoritiesUnusable, ChannelHostUnknown, NotDelivered


def place_of(channel: Channel) -> str:
    """Where its messages go, as the subject of a sentence."""
    return f"The {'mail server' if channel.kind is ChannelKind.MAIL else 'webhook'} {channel.place}"


def trusted(channel: Channel) -> ssl.SSLContext:
    """What the server's certificate is checked against. Blocks. Raises AuthoritiesUnusable: the file was there when it
    was named, and may be gone since."""
    try:
        return ssl.create_default_context(cafile=channel.ca_file or None)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        detail = (error.strerror if isinstance(error, OSError) else "") or str(error)
        raise AuthoritiesUnusable(
            place=place_of(channel), ca_file=channel.ca_file, detail=detail, channel=channel.name
        ) from error


def unknown_host(channel: Channel, error: BaseException) -> NotDelivered | None:
    """The error that tells of it, where a failure to connect is one to find the server's address."""
    cause = next((each for each in causes(error) if isinstance(each, socket.gaierror)), None)
    if cause is None:
        return None
    return ChannelHostUnknown(
        place=place_of(channel),
        detail=cause.strerror or f"error {cause.errno}",
        channel=channel.name,
        option="--host HOST" if channel.kind is ChannelKind.MAIL else "--url URL",
    )


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it wraps (aiohttp keeps that in an attribute too), and what it came from."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [getattr(each, "os_error", None), each.__cause__, each.__context__]
