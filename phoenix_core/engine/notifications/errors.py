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


class ChannelSecretMissing(PhoenixError):
    """A channel needs a password or secret, and it can't be had."""

    code = "channel_secret_missing"
    template = "The password or secret of {channel} can't be had: {detail}."
    hint = "Give it anew: `phoenix notification set {channel} --secret-file FILE`."
    http_status = 409
