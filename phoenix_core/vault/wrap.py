"""The vault key under a recovery passphrase, so that a vault alone plus its passphrase is restorable.

key encryption key = Argon2id version 1.3 (passphrase in UTF-8, NFC, outer blanks removed; salt of 16 bytes), 32 bytes
sealed = AES-256-GCM of the vault key under it, random nonce of 12 bytes, associated data the label and the
         parameters: time cost, memory in KiB, parallelism (4 bytes each, little-endian), salt
"""

import secrets
import struct
import unicodedata
from datetime import datetime

import msgspec
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from phoenix_core.vault.descriptor import VaultDescriptor, WrappedKey
from phoenix_core.vault.errors import NotThisVaultsKey, WrappedKeyDamaged, WrongPassphrase
from phoenix_core.vault.vaultkey import KEY_BYTES, VaultKey

__all__ = [
    "Argon2Parameters",
    "WrappedKey",
    "check_descriptor",
    "describe_vault",
    "new_passphrase",
    "new_vault_id",
    "unwrap",
    "unwrap_any",
    "wrap",
]

WRAP_LABEL = b"phoenix vault v1: wrapped vault key\0"
SALT_BYTES = 16
NONCE_BYTES = 12
PASSPHRASE_GROUPS = 6
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_MAX_MEMORY_KIB = 4 * 2**20
_MAX_TIME_COST = 64
_MAX_PARALLELISM = 64


class Argon2Parameters(msgspec.Struct, frozen=True):
    """Cost of trying one passphrase. Defaults: the second recommendation of RFC 9106."""

    time_cost: int = 3
    memory_kib: int = 64 * 2**10
    parallelism: int = 4


def wrap(vault_key: VaultKey, passphrase: str, parameters: Argon2Parameters | None = None) -> WrappedKey:
    """Seal the vault key under a passphrase. Takes about a tenth of a second by default."""
    cost = parameters or Argon2Parameters()
    empty = WrappedKey(
        time_cost=cost.time_cost,
        memory_kib=cost.memory_kib,
        parallelism=cost.parallelism,
        salt=secrets.token_bytes(SALT_BYTES),
        nonce=secrets.token_bytes(NONCE_BYTES),
        sealed=b"",
    )
    sealed = AESGCM(_stretch(passphrase, empty)).encrypt(empty.nonce, vault_key.to_bytes(), _associated_data(empty))
    return msgspec.structs.replace(empty, sealed=sealed)


def unwrap(wrapped: WrappedKey, passphrase: str) -> VaultKey:
    """The vault key. Raises `WrongPassphrase`, also where the sealed bytes were changed; `WrappedKeyDamaged` where the
    parameters make no sense or would take more than 4 GiB of memory."""
    _check(wrapped)
    try:
        key = AESGCM(_stretch(passphrase, wrapped)).decrypt(wrapped.nonce, wrapped.sealed, _associated_data(wrapped))
    except InvalidTag as error:
        raise WrongPassphrase from error
    return VaultKey.from_bytes(key)


def unwrap_any(wrapped_keys: tuple[WrappedKey, ...], passphrase: str) -> VaultKey:
    """The vault key, from whichever of the wrapped keys the passphrase opens. Raises as `unwrap`."""
    for wrapped in wrapped_keys:
        try:
            return unwrap(wrapped, passphrase)
        except WrongPassphrase:
            continue
    raise WrongPassphrase


def describe_vault(
    vault_key: VaultKey, vault_id: str, created_at: datetime, wrapped_keys: tuple[WrappedKey, ...]
) -> VaultDescriptor:
    """The descriptor of a new vault, its public keys derived from the vault key."""
    return VaultDescriptor(
        vault_id=vault_id,
        created_at=created_at,
        public_key=vault_key.public_key(),
        record_public_key=vault_key.record_public_key(),
        token_public_key=vault_key.token_public_key(),
        wrapped_keys=wrapped_keys,
    )


def check_descriptor(descriptor: VaultDescriptor, vault_key: VaultKey) -> None:
    """Raises `NotThisVaultsKey` unless all public keys are those of the vault key."""
    own = (vault_key.public_key(), vault_key.record_public_key(), vault_key.token_public_key())
    if (descriptor.public_key, descriptor.record_public_key, descriptor.token_public_key) != own:
        raise NotThisVaultsKey(vault=descriptor.vault_id)


def new_vault_id() -> str:
    """32 random hex digits."""
    return secrets.token_hex(16)


def new_passphrase() -> str:
    """A random passphrase of six groups of five letters and digits (148 bits), none of which look alike."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(PASSPHRASE_GROUPS))
    return "-".join(groups)


def _stretch(passphrase: str, wrapped: WrappedKey) -> bytes:
    return hash_secret_raw(
        secret=unicodedata.normalize("NFC", passphrase).strip().encode(),
        salt=wrapped.salt,
        time_cost=wrapped.time_cost,
        memory_cost=wrapped.memory_kib,
        parallelism=wrapped.parallelism,
        hash_len=KEY_BYTES,
        type=Type.ID,
        version=19,
    )


def _associated_data(wrapped: WrappedKey) -> bytes:
    costs = struct.pack("<III", wrapped.time_cost, wrapped.memory_kib, wrapped.parallelism)
    return WRAP_LABEL + costs + wrapped.salt


def _check(wrapped: WrappedKey) -> None:
    if (wrapped.kdf, wrapped.kdf_version, wrapped.cipher) != ("argon2id", 19, "aes-256-gcm"):
        raise WrappedKeyDamaged(detail=f"{wrapped.kdf} and {wrapped.cipher} are not known")
    costs_fit = 1 <= wrapped.time_cost <= _MAX_TIME_COST and 1 <= wrapped.parallelism <= _MAX_PARALLELISM
    if not costs_fit or not 8 * wrapped.parallelism <= wrapped.memory_kib <= _MAX_MEMORY_KIB:
        raise WrappedKeyDamaged(detail="its Argon2id parameters are out of range")
    lengths = (len(wrapped.salt), len(wrapped.nonce), len(wrapped.sealed))
    if lengths != (SALT_BYTES, NONCE_BYTES, KEY_BYTES + 16):
        raise WrappedKeyDamaged(detail="a part of it has the wrong length")
