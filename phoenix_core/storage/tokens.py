"""Storage tokens: short-lived JWTs (EdDSA), by which the core lets one job do one kind of thing at the node.

The audience is the vault, so that a token of one vault opens nothing in another. Only the core holds the signing key.
"""

from datetime import UTC, datetime
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from phoenix_core.storage.errors import TokenExpired, TokenForged, TokenMalformed, TokenOfOtherVault

ALGORITHM = "EdDSA"
ISSUER = "phoenix-core"
AUDIENCE_PREFIX = "phoenix-vault:"
RIGHTS = ("backup", "restore", "core")
LEEWAY_S = 30
"""How far the node's clock may be ahead of the core's."""


class StorageToken(msgspec.Struct, frozen=True):
    """What a token says, once its signature has been checked."""

    job: str
    server_id: str
    lease: str
    rights: str
    """`backup`, `restore` or `core`."""
    domain: str
    expires: int
    """Seconds since the epoch, UTC."""


def mint(key: Ed25519PrivateKey, vault_id: str, token: StorageToken) -> str:
    """Sign a token for the storage node of this vault."""
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE_PREFIX + vault_id,
        "exp": token.expires,
        "job": token.job,
        "server": token.server_id,
        "lease": token.lease,
        "rights": token.rights,
        "domain": token.domain,
    }
    return jwt.encode(claims, key, algorithm=ALGORITHM)


def expires_in(now: datetime, seconds: int) -> int:
    """The `expires` of a token that is minted now."""
    return int(now.timestamp()) + seconds


def verify(public_key: bytes, vault_id: str, token: str, now: datetime) -> StorageToken:
    """Check a token's signature, audience and time.

    Raises TokenMalformed, TokenForged, TokenOfOtherVault, TokenExpired.
    """
    try:
        claims = jwt.decode(
            token,
            Ed25519PublicKey.from_public_bytes(public_key),
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            options={"verify_aud": False, "verify_exp": False, "require": ["exp", "aud", "iss"]},
        )
    except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError, jwt.InvalidIssuerError) as error:
        raise TokenForged from error
    except jwt.InvalidTokenError as error:
        raise TokenMalformed(detail=error) from error
    checked = _claims(claims)
    if claims["aud"] != AUDIENCE_PREFIX + vault_id:
        raise TokenOfOtherVault(audience=str(claims["aud"]).removeprefix(AUDIENCE_PREFIX)[:40], vault=vault_id)
    if now.astimezone(UTC).timestamp() > checked.expires + LEEWAY_S:
        raise TokenExpired(job=checked.job)
    return checked


def _claims(claims: dict[str, Any]) -> StorageToken:
    try:
        token = StorageToken(
            job=claims["job"],
            server_id=claims["server"],
            lease=claims["lease"],
            rights=claims["rights"],
            domain=claims["domain"],
            expires=claims["exp"],
        )
    except KeyError as error:
        raise TokenMalformed(detail=f"the claim {error} is missing") from error
    texts = (token.job, token.server_id, token.lease, token.rights, token.domain)
    if not all(isinstance(text, str) for text in texts) or not isinstance(token.expires, int):
        raise TokenMalformed(detail="a claim has the wrong type")
    if token.rights not in RIGHTS:
        raise TokenMalformed(detail=f"unknown rights {token.rights[:20]}")
    return token
