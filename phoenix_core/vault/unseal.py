"""Opening what was sealed to the vault's public key. Core only: the storage node never imports this."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from phoenix_core.vault.errors import UnsealFailed
from phoenix_core.vault.packhead import PackHead
from phoenix_core.vault.seal import SEAL_OVERHEAD, SUITE


def unseal(private_key: MLKEM768X25519PrivateKey, sealed: bytes, info: bytes, *, what: str = "object") -> bytes:
    """The plain bytes. Raises `UnsealFailed` if `sealed` or `info` was changed or belongs to another vault."""
    if len(sealed) < SEAL_OVERHEAD:
        raise UnsealFailed(what=what)
    try:
        return SUITE.decrypt(sealed, private_key, info)
    except (InvalidTag, ValueError) as error:
        raise UnsealFailed(what=what) from error


def unseal_pack_key(private_key: MLKEM768X25519PrivateKey, head: PackHead) -> bytes:
    """The 32-byte key of the pack with this head. Raises `UnsealFailed`."""
    return unseal(private_key, head.sealed_key, head.clear_bytes(), what="pack key")
