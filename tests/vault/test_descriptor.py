"""vault.json comes back as written, and a broken one says what is wrong."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.vault.descriptor import MAX_DESCRIPTOR_BYTES, VaultDescriptor, WrappedKey, decode
from phoenix_core.vault.errors import DescriptorDamaged, UnknownVersion
from phoenix_core.vault.wrap import describe_vault
from tests.vault.memory_vault import KEY, VAULT_ID

WRAPPED = WrappedKey(
    time_cost=1, memory_kib=64, parallelism=1, salt=bytes(range(16)), nonce=bytes(range(12)), sealed=bytes(range(48))
)


def descriptor() -> VaultDescriptor:
    return describe_vault(KEY, VAULT_ID, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), (WRAPPED,))


def test_a_descriptor_comes_back_as_written() -> None:
    assert decode(descriptor().encode()) == descriptor()


def test_it_is_json_that_a_person_can_read_and_holds_no_secret() -> None:
    text = json.loads(descriptor().encode())
    assert text["vault_id"] == VAULT_ID
    assert text["created_at"] == "2026-01-02T03:04:05Z"
    assert text["wrapped_keys"][0]["kdf"] == "argon2id"
    assert KEY.to_bytes().hex() not in descriptor().encode().hex()


def test_a_later_version_says_so_whatever_else_it_holds() -> None:
    with pytest.raises(UnknownVersion):
        decode(b'{"format_version": 2, "all": "new"}')


def changed(**fields: Any) -> bytes:
    return json.dumps(json.loads(descriptor().encode()) | fields).encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"\xff\xfe", id="not text"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="no version"),
        pytest.param(b'{"format_version": 1}', id="nothing else"),
        pytest.param(b" " * (MAX_DESCRIPTOR_BYTES + 1), id="huge"),
        pytest.param(b'{"format_version": 1, "x": ' + b"[" * 100_000, id="deeply nested"),
        pytest.param(changed(vault_id="../../etc"), id="vault id"),
        pytest.param(changed(public_key="AAAA"), id="short public key"),
        pytest.param(changed(record_public_key="!"), id="not base64"),
        pytest.param(changed(created_at="yesterday"), id="time"),
        pytest.param(changed(created_at="2026-01-02T03:04:05"), id="time without zone"),
        pytest.param(changed(default_domain="a/b"), id="domain"),
        pytest.param(changed(epoch=0), id="epoch"),
        pytest.param(changed(wrapped_keys=[{}]), id="wrapped key"),
    ],
)
def test_a_descriptor_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(DescriptorDamaged):
        decode(data)


def test_a_flipped_bit_is_never_read_as_the_same_descriptor() -> None:
    """Not even where it makes a field's name an unknown one, and the field's default is what it was."""
    data = descriptor().encode()
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with suppress(DescriptorDamaged, UnknownVersion):
            assert decode(bytes(flipped)) != descriptor(), bytes(flipped[bit // 8 - 20 : bit // 8 + 20])


@given(at=st.integers(0, 5000), byte=st.binary(min_size=1, max_size=1))
def test_a_changed_byte_gives_a_typed_error_or_another_descriptor(at: int, byte: bytes) -> None:
    data = bytearray(descriptor().encode())
    data[at % len(data)] = byte[0]
    with suppress(DescriptorDamaged, UnknownVersion):
        decode(bytes(data))
