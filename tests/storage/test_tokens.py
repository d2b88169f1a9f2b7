"""Who is let in: the holder of an unexpired token that this vault's core signed."""

import base64
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.storage.errors import TokenExpired, TokenForged, TokenMalformed, TokenOfOtherVault
from phoenix_core.storage.tokens import StorageToken, expires_in, mint, verify

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw()
VAULT = "ab" * 16
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKEN = StorageToken("j1", "s1", "l1", "backup", "default", expires_in(NOW, 600))


def test_a_token_says_at_the_node_what_the_core_put_in() -> None:
    assert verify(PUBLIC, VAULT, mint(KEY, VAULT, TOKEN), NOW) == TOKEN


def test_an_expired_token_is_refused_once_the_clocks_leeway_is_over() -> None:
    token = mint(KEY, VAULT, TOKEN)
    assert verify(PUBLIC, VAULT, token, NOW + timedelta(seconds=620)) == TOKEN
    with pytest.raises(TokenExpired) as raised:
        verify(PUBLIC, VAULT, token, NOW + timedelta(seconds=640))
    assert raised.value.view().retryable
    assert raised.value.code == "token_expired"


def test_a_token_of_another_core_is_forged() -> None:
    with pytest.raises(TokenForged):
        verify(PUBLIC, VAULT, mint(Ed25519PrivateKey.generate(), VAULT, TOKEN), NOW)


def test_a_token_of_another_vault_names_both() -> None:
    with pytest.raises(TokenOfOtherVault, match=r"cdcdcd.*ababab"):
        verify(PUBLIC, VAULT, mint(KEY, "cd" * 16, TOKEN), NOW)


def tampered(token: str, **claims: object) -> str:
    head, body, signature = token.split(".")
    content = json.loads(base64.urlsafe_b64decode(body + "==")) | claims
    return ".".join((head, base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode(), signature))


@pytest.mark.parametrize("claims", [{"rights": "core"}, {"server": "s2"}, {"exp": 99999999999}, {"job": "j2"}])
def test_a_token_that_was_changed_is_forged(claims: dict[str, object]) -> None:
    with pytest.raises(TokenForged):
        verify(PUBLIC, VAULT, tampered(mint(KEY, VAULT, TOKEN), **claims), NOW)


def test_a_token_without_signature_or_with_another_algorithm_is_refused() -> None:
    claims = {"iss": "phoenix-core", "aud": f"phoenix-vault:{VAULT}", "exp": TOKEN.expires, "rights": "core"}
    for token in (
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, PUBLIC.hex(), algorithm="HS256"),
    ):
        with pytest.raises((TokenForged, TokenMalformed)):
            verify(PUBLIC, VAULT, token, NOW)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "....", "é.é.é"])
def test_rubbish_is_malformed(token: str) -> None:
    with pytest.raises(TokenMalformed):
        verify(PUBLIC, VAULT, token, NOW)


@pytest.mark.parametrize(
    "change",
    [{"rights": "everything"}, {"job": None}, {"exp": "soon"}, {"domain": ["default"]}],
)
def test_a_signed_token_with_wrong_claims_is_malformed(change: dict[str, object]) -> None:
    claims = jwt.decode(mint(KEY, VAULT, TOKEN), options={"verify_signature": False})
    claims.update(change)
    signed = jwt.encode({name: value for name, value in claims.items() if value is not None}, KEY, algorithm="EdDSA")
    with pytest.raises(PhoenixError) as raised:
        verify(PUBLIC, VAULT, signed, NOW)
    assert isinstance(raised.value, TokenMalformed)
