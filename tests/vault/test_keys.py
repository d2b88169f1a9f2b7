"""Keys: all from one, each for one use, and the one opens with its passphrase only."""

import math

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from phoenix_core.vault.chunkid import chunk_id
from phoenix_core.vault.descriptor import WrappedKey
from phoenix_core.vault.errors import (
    InvalidName,
    NotThisVaultsKey,
    UnsealFailed,
    VaultError,
    VaultKeyMalformed,
    WrappedKeyDamaged,
    WrongPassphrase,
)
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.seal import PUBLIC_KEY_BYTES, SEAL_OVERHEAD, seal_to_vault
from phoenix_core.vault.unseal import unseal
from phoenix_core.vault.vaultkey import VaultKey
from phoenix_core.vault.wrap import (
    Argon2Parameters,
    check_descriptor,
    new_passphrase,
    new_vault_id,
    unwrap,
    unwrap_any,
    wrap,
)
from tests.vault.memory_vault import KEY, KEYS
from tests.vault.test_descriptor import descriptor

CHEAP = Argon2Parameters(time_cost=1, memory_kib=64, parallelism=1)


def test_a_vault_key_survives_export() -> None:
    key = VaultKey.generate()
    assert VaultKey.from_bytes(key.to_bytes()).public_key() == key.public_key()
    assert VaultKey.generate().to_bytes() != key.to_bytes()


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(VaultKeyMalformed):
        VaultKey.from_bytes(bytes(length))


def test_a_key_shows_nothing_of_itself() -> None:
    assert KEY.to_bytes().hex() not in repr(KEY)
    assert repr(KEY) == "VaultKey(…)"
    assert KEYS.index_key.hex()[:8] not in repr(KEYS)
    assert repr(KEYS) == "DomainKeys('default', epoch 1)"


def test_no_two_derived_keys_are_equal() -> None:
    domains = [KEY.domain_keys(domain, epoch) for domain in ("default", "finance") for epoch in (1, 2)]
    keys = [key for keys in domains for key in (keys.data_id_key, keys.meta_id_key, keys.index_key)]
    keys += [KEY.record_signing_key().private_bytes_raw(), KEY.token_signing_key().private_bytes_raw(), KEY.to_bytes()]
    assert len(set(keys)) == 4 * 3 + 3
    assert len({keys.chunker_seed for keys in domains}) == 4


def test_ids_depend_on_kind_domain_and_epoch() -> None:
    others = [
        KEY.domain_keys("default", 2),
        KEY.domain_keys("finance", 1),
        VaultKey.generate().domain_keys("default", 1),
    ]
    ids = {chunk_id(keys, kind, b"content") for keys in (KEYS, *others) for kind in PackKind}
    assert len(ids) == 8


@pytest.mark.parametrize(("domain", "epoch"), [("", 1), ("a b", 1), ("x" * 33, 1), ("d", 0), ("d", -1), ("d", 2**32)])
def test_a_domain_that_no_head_can_name_has_no_keys(domain: str, epoch: int) -> None:
    with pytest.raises(InvalidName):
        KEY.domain_keys(domain, epoch)


def test_signatures_verify_with_the_published_keys() -> None:
    for signing, public in (
        (KEY.record_signing_key(), KEY.record_public_key()),
        (KEY.token_signing_key(), KEY.token_public_key()),
    ):
        Ed25519PublicKey.from_public_bytes(public).verify(signing.sign(b"m"), b"m")


def test_what_is_sealed_opens_with_the_private_key_and_the_same_info_only() -> None:
    sealed = seal_to_vault(KEY.public_key(), b"secret", b"info")
    assert len(sealed) == len(b"secret") + SEAL_OVERHEAD
    assert unseal(KEY.private_key(), sealed, b"info") == b"secret"
    for wrong in (
        sealed[:-1],
        sealed + b"x",
        b"",
        bytes(len(sealed)),
        sealed[:5] + bytes((sealed[5] ^ 1,)) + sealed[6:],
    ):
        with pytest.raises(UnsealFailed):
            unseal(KEY.private_key(), wrong, b"info")
    with pytest.raises(UnsealFailed):
        unseal(KEY.private_key(), sealed, b"other")


@pytest.mark.parametrize(
    "public_key", [b"", bytes(32), bytes(PUBLIC_KEY_BYTES - 1), b"\xff" * PUBLIC_KEY_BYTES], ids=len
)
def test_a_public_key_that_is_none_is_refused(public_key: bytes) -> None:
    with pytest.raises(VaultError, match="public key"):
        seal_to_vault(public_key, b"x", b"")


def test_a_wrapped_key_opens_with_its_passphrase() -> None:
    wrapped = wrap(KEY, "correct horse", CHEAP)
    assert unwrap(wrapped, "correct horse").to_bytes() == KEY.to_bytes()
    assert unwrap(wrapped, "  correct horse\n").to_bytes() == KEY.to_bytes()
    assert (wrapped.time_cost, wrapped.memory_kib, wrapped.parallelism) == (1, 64, 1)


def test_a_passphrase_typed_with_combining_accents_is_the_same() -> None:
    assert unwrap(wrap(KEY, "cafe\u0301", CHEAP), "caf\u00e9").to_bytes() == KEY.to_bytes()


@pytest.mark.parametrize("passphrase", ["", "correct hors", "Correct horse", "correct horse1"])
def test_another_passphrase_is_refused_with_a_hint(passphrase: str) -> None:
    with pytest.raises(WrongPassphrase) as caught:
        unwrap(wrap(KEY, "correct horse", CHEAP), passphrase)
    assert caught.value.code == "wrong_passphrase"
    assert "typing" in caught.value.what_to_do


def test_two_wraps_share_nothing() -> None:
    one, two = wrap(KEY, "p", CHEAP), wrap(KEY, "p", CHEAP)
    assert one.salt != two.salt
    assert one.sealed != two.sealed


def test_any_of_several_passphrases_opens() -> None:
    wrapped = (wrap(KEY, "one", CHEAP), wrap(KEY, "two", CHEAP))
    assert unwrap_any(wrapped, "two").to_bytes() == KEY.to_bytes()
    with pytest.raises(WrongPassphrase):
        unwrap_any(wrapped, "three")


@pytest.mark.parametrize(
    "changes",
    [
        {"memory_kib": 2**32},
        {"memory_kib": 7},
        {"memory_kib": -1},
        {"time_cost": 0},
        {"time_cost": 10**9},
        {"parallelism": 0},
        {"parallelism": 2**24},
        {"kdf": "md5"},
        {"kdf_version": 16},
        {"cipher": "none"},
        {"salt": b""},
        {"nonce": bytes(11)},
        {"sealed": bytes(47)},
        {"sealed": bytes(10**6)},
    ],
    ids=lambda changes: f"{next(iter(changes))}",
)
def test_a_wrapped_key_that_makes_no_sense_is_refused_before_any_work(
    changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped: WrappedKey = msgspec.structs.replace(wrap(KEY, "p", CHEAP), **changes)
    monkeypatch.setattr("phoenix_core.vault.wrap.hash_secret_raw", None)  # the work, which must not be begun
    with pytest.raises(WrappedKeyDamaged):
        unwrap(wrapped, "p")


@pytest.mark.parametrize("field", ["time_cost", "memory_kib", "parallelism", "salt", "nonce", "sealed"])
def test_a_changed_part_does_not_open(field: str) -> None:
    wrapped = wrap(KEY, "p", msgspec.structs.replace(CHEAP, parallelism=2))
    value = getattr(wrapped, field)
    changed = value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
    with pytest.raises(WrongPassphrase):
        unwrap(msgspec.structs.replace(wrapped, **{field: changed}), "p")


def test_new_passphrases_are_long_and_easy_to_copy() -> None:
    one, two = new_passphrase(), new_passphrase()
    assert one != two
    assert [len(group) for group in one.split("-")] == [5] * 6
    assert not set(one) & set("01lioO")
    used = set("".join(new_passphrase() for _ in range(200))) - {"-"}
    assert 30 * math.log2(len(used)) > 148
    assert len(new_vault_id()) == 32


def test_a_descriptor_with_anothers_public_keys_is_found_out() -> None:
    own = descriptor()
    check_descriptor(own, KEY)
    other = VaultKey.generate()
    for changes in (
        {"public_key": other.public_key()},
        {"record_public_key": other.record_public_key()},
        {"token_public_key": other.token_public_key()},
    ):
        with pytest.raises(NotThisVaultsKey):
            check_descriptor(msgspec.structs.replace(own, **changes), KEY)
