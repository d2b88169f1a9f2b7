"""Blots a channel's password or secret out of what the other end says: it may give back what it was told, in the form
that it was told in."""

import base64
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

BLOT = "…"


def blotted(text: str, secret: str, user: str = "") -> str:
    """The text without the secret. To be called before the text is cut: half a secret is found by nobody. `user`: who
    logs in with it, by mail."""
    if not secret:
        return text
    for form in sorted(_forms(secret, user), key=len, reverse=True):
        text = re.sub(re.escape(form), BLOT, text, flags=re.IGNORECASE)
    return text


def _forms(secret: str, user: str) -> Iterator[str]:
    """As it is; as in a URL; as SMTP's AUTH LOGIN and AUTH PLAIN (RFC 4616) send it."""
    yield secret
    yield quote(secret, safe="")
    yield quote(secret)
    yield quote_plus(secret)
    for sent in (secret, f"\0{user}\0{secret}"):
        encoded = base64.b64encode(sent.encode()).decode()
        yield encoded
        if unpadded := encoded.rstrip("="):
            yield unpadded
