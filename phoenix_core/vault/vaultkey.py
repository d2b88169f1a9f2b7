"""The vault key: 256 random bits from which every other key of a vault derives. Core and command line only.

Each derivation is BLAKE3 in `derive_key` mode with its own context string; all are listed in
docs/internals/vault-format.md and pinned by golden files.
"""

import secrets
from functools import cached_property

from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from phoenix_core.vault.domainkeys import DomainKeys
from phoenix_core.vault.errors import VaultKeyMalformed
from phoenix_core.vault.names import check_epoch, check_name

KEY_BYTES = 32
MLKEM_SEED_CONTEXT = "phoenix vault v1: ML-KEM-768 seed"
X25519_CONTEXT = "phoenix vault v1: X25519 private key"
RECORD_KEY_CONTEXT = "phoenix vault v1: record signing key"
TOKEN_KEY_CONTEXT = "phoenix vault v1: storage token signing key"  # noqa: S105 - a label, not a secret
RECORD_TEXT_CONTEXT = "phoenix vault v1: record text key"
DATA_ID_CONTEXT = "phoenix vault v1: data chunk id key"
META_ID_CONTEXT = "phoenix vault v1: metadata chunk id key"
INDEX_CONTEXT = "phoenix vault v1: index key"
CHUNKER_CONTEXT = "phoenix vault v1: chunker seed"


class VaultKey:
    """Derives the keys of one vault. Keep it in memory no longer than needed; it is never logged or shown."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise VaultKeyMalformed(length=len(key))
        self._key = key

    @classmethod
    def generate(cls) -> "VaultKey":
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def from_bytes(cls, key: bytes) -> "VaultKey":
        """Raises `VaultKeyMalformed` unless there are 32 bytes."""
        return cls(key)

    def to_bytes(self) -> bytes:
        return self._key

    def __repr__(self) -> str:
        return "VaultKey(…)"

    def private_key(self) -> MLKEM768X25519PrivateKey:
        """Opens what agents sealed to the vault."""
        return MLKEM768X25519PrivateKey(self._mlkem_key, self._x25519_key)

    def public_key(self) -> bytes:
        """ML-KEM-768 encapsulation key (1,184 bytes), then X25519 public key (32 bytes)."""
        return self._mlkem_key.public_key().public_bytes_raw() + self._x25519_key.public_key().public_bytes_raw()

    def domain_keys(self, domain: str, epoch: int) -> DomainKeys:
        """The keys of a deduplication domain. Raises `InvalidName`."""
        material = self._key + check_epoch(epoch) + check_name("Domain", domain)
        seed = int.from_bytes(_derive(CHUNKER_CONTEXT, material, 8), "little") >> 1
        return DomainKeys(
            domain=domain,
            epoch=epoch,
            data_id_key=_derive(DATA_ID_CONTEXT, material),
            meta_id_key=_derive(META_ID_CONTEXT, material),
            index_key=_derive(INDEX_CONTEXT, material),
            chunker_seed=seed or 1,
        )

    def record_signing_key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(_derive(RECORD_KEY_CONTEXT, self._key))

    def record_public_key(self) -> bytes:
        return self.record_signing_key().public_key().public_bytes_raw()

    def record_text_key(self, salt: bytes) -> bytes:
        """Seals what people wrote into one record (AES-256, 32 bytes); each record has a salt of its own, of 16 bytes,
        so that a key seals one text only."""
        return _derive(RECORD_TEXT_CONTEXT, self._key + salt)

    def token_signing_key(self) -> Ed25519PrivateKey:
        """Signs the storage tokens that the core mints."""
        return Ed25519PrivateKey.from_private_bytes(_derive(TOKEN_KEY_CONTEXT, self._key))

    def token_public_key(self) -> bytes:
        return self.token_signing_key().public_key().public_bytes_raw()

    @cached_property
    def _mlkem_key(self) -> MLKEM768PrivateKey:
        return MLKEM768PrivateKey.from_seed_bytes(_derive(MLKEM_SEED_CONTEXT, self._key, 64))

    @cached_property
    def _x25519_key(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(_derive(X25519_CONTEXT, self._key))


def _derive(context: str, material: bytes, length: int = 32) -> bytes:
    return blake3(material, derive_key_context=context).digest(length)
