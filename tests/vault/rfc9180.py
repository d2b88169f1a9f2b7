"""A second implementation of what opens a pack's head: RFC 9180 base mode, written from ML-KEM-768 and X25519 alone.

KEM: MLKEM768-X25519, identifier 0x647a (draft-ietf-hpke-pq; the X-Wing construction of draft-connolly-cfrg-xwing-kem).
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MLKEM_CIPHERTEXT_BYTES = 1088
X25519_BYTES = 32
COMBINER_LABEL = b"\\.//^\\"
SUITE_ID = b"HPKE" + bytes.fromhex("647a") + bytes.fromhex("0001") + bytes.fromhex("0002")


def decapsulate(mlkem: MLKEM768PrivateKey, x25519: X25519PrivateKey, encapsulated: bytes) -> bytes:
    """The shared secret: SHA3-256 of both secrets, the X25519 ciphertext and public key, and the label."""
    mlkem_part, x25519_part = encapsulated[:MLKEM_CIPHERTEXT_BYTES], encapsulated[MLKEM_CIPHERTEXT_BYTES:]
    mlkem_secret = mlkem.decapsulate(mlkem_part)
    x25519_secret = x25519.exchange(X25519PublicKey.from_public_bytes(x25519_part))
    own_public = x25519.public_key().public_bytes_raw()
    return hashlib.sha3_256(mlkem_secret + x25519_secret + x25519_part + own_public + COMBINER_LABEL).digest()


def open_base(mlkem: MLKEM768PrivateKey, x25519: X25519PrivateKey, sealed: bytes, info: bytes) -> bytes:
    """Single-shot `OpenBase` with HKDF-SHA256 and AES-256-GCM, no associated data; `sealed` is enc, then ciphertext."""
    enc_bytes = MLKEM_CIPHERTEXT_BYTES + X25519_BYTES
    shared = decapsulate(mlkem, x25519, sealed[:enc_bytes])
    context = b"\x00" + _labeled_extract(b"", b"psk_id_hash", b"") + _labeled_extract(b"", b"info_hash", info)
    secret = _labeled_extract(shared, b"secret", b"")
    key = _labeled_expand(secret, b"key", context, 32)
    nonce = _labeled_expand(secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, sealed[enc_bytes:], b"")


def _labeled_extract(salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + SUITE_ID + label + material, "sha256")


def _labeled_expand(key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labeled = length.to_bytes(2, "big") + b"HPKE-v1" + SUITE_ID + label + info
    return hmac.digest(key, labeled + b"\x01", "sha256")[:length]
