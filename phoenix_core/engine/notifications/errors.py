"""Errors of notifications."""

from phoenix_core.domain.errors import PhoenixError


class NotDelivered(PhoenixError):
    """A message could not be delivered; told with the other end's own words."""

    code = "notification_not_delivered"
    template = "{place} did not take the message: {detail}."
    hint = "{advice}"
    retryable = True
    http_status = 502

    def __init__(self, *, place: str, detail: str, advice: str) -> None:
        super().__init__(place=place, detail=detail.rstrip("."), advice=advice)


class ChannelHostUnknown(NotDelivered):
    """The name of a channel's server has no address."""

    code = "notification_host_unknown"
    template = "{place} can't be reached: its name has no address ({detail})."
    hint = (
        "See that the name is right (`phoenix notification set {channel} {option}`), and that the core's machine finds "
        "addresses of names."
    )

    def __init__(self, *, place: str, detail: str, channel: str, option: str) -> None:
        PhoenixError.__init__(self, place=place, detail=detail.rstrip("."), channel=channel, option=option)


class AuthoritiesUnusable(NotDelivered):
    """The file with the authorities that a channel's server is checked against can't be used any more."""

    code = "notification_authorities_unusable"
    template = "{place} was told nothing, since its certificate can't be checked: {ca_file} can't be read: {detail}."
    hint = (
        "Put the file back on the core's host, or name another: `phoenix notification set {channel} --ca-file FILE`; "
        "`none` takes the authorities of the host."
    )

    def __init__(self, *, place: str, ca_file: str, detail: str, channel: str) -> None:
        PhoenixError.__init__(
            self,
            place=place,
            ca_file=ca_file or "the list of authorities of the host",
            detail=detail.rstrip("."),
            channel=channel,
        )


class ChannelSecretMissing(PhoenixError):
    """A channel needs a password or secret, and it can't be had."""

    code = "channel_secret_missing"
    template = "The password or secret of {channel} can't be had: {detail}."
    hint = "Give it anew: `phoenix notification set {channel} --secret-file FILE`."
    http_status = 409


class SecretLeft(PhoenixError):
    """A channel was removed, and its password or secret could not be deleted with it."""

    code = "channel_secret_left"
    template = "The password or secret of {channel}, which is removed, is still held: {detail}."
    hint = "Nobody uses it any more. Delete it there by hand, or make it worthless at the server that takes it."
    http_status = 409
