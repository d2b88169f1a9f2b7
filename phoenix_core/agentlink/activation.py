"""The activation token: what a host needs to enrol, once. `phx1.` and base64url, made to be pasted into a command.

The body is MessagePack `[urls, fingerprint, secret]` followed by the first four bytes of its SHA-256, so that a slip in
copying is told apart from a token that the core doesn't know.
"""

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Sequence

import msgspec

from phoenix_core.agentlink.errors import TokenMalformed, TokenOfOtherVersion
from phoenix_core.agentlink.frames import UNREADABLE

VERSION = 1
SECRET_BYTES = 32
FINGERPRINT_BYTES = 32
_CHECK_BYTES = 4
_FORM = re.compile(r"phx(\d{1,6})\.([A-Za-z0-9_-]+)={0,2}")


class ActivationToken(msgspec.Struct, frozen=True, array_like=True):
    urls: tuple[str, ...]
    """`https://host:port`, tried in order."""
    ca_fingerprint: bytes
    """SHA-256 of the CA's certificate (DER): what the host trusts, before it has anything else."""
    secret: bytes

    def __repr__(self) -> str:
        return f"ActivationToken(urls={self.urls!r}, …)"


_decoder = msgspec.msgpack.Decoder(ActivationToken)


def new_token(urls: Sequence[str], ca_fingerprint: bytes) -> ActivationToken:
    return ActivationToken(tuple(urls), ca_fingerprint, secrets.token_bytes(SECRET_BYTES))


def secret_hash(secret: bytes) -> str:
    """What the core keeps of a token: SHA-256 of the secret, hex. The secret has 256 random bits, so no salt is due."""
    return hashlib.sha256(b"phoenix activation v1:" + secret).hexdigest()


def encode(token: ActivationToken) -> str:
    body = msgspec.msgpack.encode(token)
    return f"phx{VERSION}." + base64.urlsafe_b64encode(body + _check(body)).rstrip(b"=").decode("ascii")


def decode(text: str) -> ActivationToken:
    """Raises TokenMalformed, TokenOfOtherVersion."""
    match = _FORM.fullmatch("".join(text.split()))
    if match is None:
        raise TokenMalformed(detail="it does not have the form phx1.…")
    if int(match.group(1)) != VERSION:
        raise TokenOfOtherVersion(found=int(match.group(1)), known=VERSION)
    packed = match.group(2)
    try:
        raw = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
    except (binascii.Error, ValueError) as error:
        raise TokenMalformed(detail="a part of it is missing") from error
    body, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    if _check(body) != check:
        raise TokenMalformed(detail="a part of it is missing or mistyped")
    try:
        token = _decoder.decode(body)
    except UNREADABLE as error:
        raise TokenMalformed(detail=str(error)) from error
    if len(token.ca_fingerprint) != FINGERPRINT_BYTES or len(token.secret) != SECRET_BYTES or not token.urls:
        raise TokenMalformed(detail="its parts have wrong lengths")
    return token


def _check(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:_CHECK_BYTES]
