"""Activation tokens: whole, mistyped, cut, of another version."""

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.agentlink import activation
from phoenix_core.agentlink.activation import ActivationToken
from phoenix_core.agentlink.errors import TokenMalformed, TokenOfOtherVersion

TOKEN = ActivationToken(("https://core.example:8443", "https://[2001:db8::1]:8443"), bytes(range(32)), b"\x55" * 32)
TEXT = activation.encode(TOKEN)


def test_a_token_comes_back_whole() -> None:
    assert TEXT.startswith("phx1.")
    assert activation.decode(TEXT) == TOKEN


def test_blanks_and_line_breaks_of_a_paste_do_not_matter() -> None:
    assert activation.decode(f"  {TEXT[:40]}\n   {TEXT[40:]} \n") == TOKEN


@pytest.mark.parametrize("text", ["", "phx1.", "hello", "phx.abc", "phx1.a", "phx1.äöü", TEXT[5:]])
def test_what_is_no_token_is_told_so(text: str) -> None:
    with pytest.raises(TokenMalformed):
        activation.decode(text)


def test_a_token_of_another_version_names_both_versions() -> None:
    with pytest.raises(TokenOfOtherVersion, match="version 2; this program reads version 1"):
        activation.decode("phx2." + TEXT[5:])


@given(st.integers(0, len(TEXT) - 6))
def test_a_cut_token_is_malformed(length: int) -> None:
    with pytest.raises(TokenMalformed):
        activation.decode(TEXT[: 5 + length])


@given(st.integers(5, len(TEXT) - 2), st.sampled_from("ABCxyz019_-"))
def test_a_mistyped_token_is_told_apart_from_an_unknown_one(at: int, letter: str) -> None:
    mistyped = TEXT[:at] + letter + TEXT[at + 1 :]
    if mistyped != TEXT:
        with pytest.raises(TokenMalformed):
            activation.decode(mistyped)


@pytest.mark.parametrize(
    "body",
    [
        [[], bytes(32), bytes(32)],
        [["https://a"], bytes(31), bytes(32)],
        [["https://a"], bytes(32), bytes(1)],
        [["https://a"], bytes(32)],
        {"urls": 1},
    ],
)
def test_a_token_with_wrong_parts_is_malformed(body: object) -> None:
    packed = msgspec.msgpack.encode(body)
    text = "phx1." + base64.urlsafe_b64encode(packed + activation._check(packed)).decode().rstrip("=")
    with pytest.raises(TokenMalformed):
        activation.decode(text)


def test_the_secret_is_not_shown_by_chance() -> None:
    assert TOKEN.secret.hex() not in repr(TOKEN)
    assert "\\x55" not in repr(TOKEN)


def test_new_tokens_differ() -> None:
    tokens = {activation.new_token(["https://a:1"], bytes(32)).secret for _ in range(10)}
    assert len(tokens) == 10
    assert {len(secret) for secret in tokens} == {activation.SECRET_BYTES}
