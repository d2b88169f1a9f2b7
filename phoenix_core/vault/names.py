"""Which names the formats can hold: domain and server ids in a pack's head, and vault ids."""

import re

from phoenix_core.vault.errors import InvalidName

NAME_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9._-]{1,32}")
_VAULT_ID = re.compile(r"[0-9a-f]{32}")
MAX_EPOCH = 2**32 - 1


def check_name(what: str, name: str) -> bytes:
    """The name as bytes; raises `InvalidName` unless it is 1 to 32 of the allowed ASCII characters."""
    if not _NAME.fullmatch(name):
        raise InvalidName(what=what, name=name, detail="characters or length not allowed")
    return name.encode("ascii")


def check_epoch(epoch: int) -> bytes:
    """The four bytes of a domain's key epoch, 1 to 2**32 - 1; raises `InvalidName` for another."""
    if not 1 <= epoch <= MAX_EPOCH:
        raise InvalidName(what="Epoch", name=str(epoch), detail="out of range")
    return epoch.to_bytes(4, "little")


def check_vault_id(vault_id: str) -> bytes:
    """The 16 bytes of a vault id; raises `InvalidName` unless it is 32 lower-case hex digits."""
    if not _VAULT_ID.fullmatch(vault_id):
        raise InvalidName(what="Vault", name=vault_id, detail="not 32 hex digits")
    return bytes.fromhex(vault_id)
