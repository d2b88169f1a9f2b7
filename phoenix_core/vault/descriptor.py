"""vault.json: what a vault is, and its key wrapped under a recovery passphrase. Clear text that gives nothing away.

JSON with the fields below in their order, bytes as base64, times in RFC 3339. The public keys are copies of what
derives from the vault key: whoever holds the key compares them (`wrap.check_descriptor`) before trusting the rest.
"""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from phoenix_core.vault.errors import DescriptorDamaged, InvalidName, UnknownVersion
from phoenix_core.vault.layout import DESCRIPTOR
from phoenix_core.vault.malformed import MALFORMED
from phoenix_core.vault.names import check_name, check_vault_id
from phoenix_core.vault.seal import PUBLIC_KEY_BYTES

OBJECT_NAME = DESCRIPTOR
FORMAT_VERSION = 1
DEFAULT_DOMAIN = "default"
MAX_DESCRIPTOR_BYTES = 2**20


class WrappedKey(msgspec.Struct, frozen=True):
    """The vault key, sealed with AES-256-GCM under Argon2id of a passphrase. See `wrap`."""

    time_cost: int
    memory_kib: int
    parallelism: int
    salt: bytes
    nonce: bytes
    sealed: bytes
    kdf: str = "argon2id"
    kdf_version: int = 19
    cipher: str = "aes-256-gcm"


Key32 = Annotated[bytes, Meta(min_length=32, max_length=32)]


class VaultDescriptor(msgspec.Struct, frozen=True, kw_only=True):
    format_version: int = FORMAT_VERSION
    vault_id: str
    """32 hex digits."""
    created_at: Annotated[datetime, Meta(tz=True)]
    public_key: Annotated[bytes, Meta(min_length=PUBLIC_KEY_BYTES, max_length=PUBLIC_KEY_BYTES)]
    record_public_key: Key32
    token_public_key: Key32
    wrapped_keys: tuple[WrappedKey, ...]
    """Each opens with a passphrase of its own; usually one."""
    default_domain: str = DEFAULT_DOMAIN
    epoch: Annotated[int, Meta(ge=1)] = 1
    """The default domain's current epoch."""

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


class _Version(msgspec.Struct):
    format_version: int


def decode(data: bytes) -> VaultDescriptor:
    """Raises `DescriptorDamaged`, `UnknownVersion`."""
    if len(data) > MAX_DESCRIPTOR_BYTES:
        raise DescriptorDamaged(detail=f"it has {len(data)} bytes")
    try:
        version = msgspec.json.decode(data, type=_Version).format_version
        if version != FORMAT_VERSION:
            raise UnknownVersion(what="vault", version=version)
        descriptor = msgspec.json.decode(data, type=VaultDescriptor)
        as_written = msgspec.json.decode(data) == msgspec.json.decode(descriptor.encode())
        check_vault_id(descriptor.vault_id)
        check_name("Domain", descriptor.default_domain)
    except InvalidName as error:
        raise DescriptorDamaged(detail=error.message) from error
    except MALFORMED as error:
        raise DescriptorDamaged(detail=str(error)) from error
    if not as_written:  # a damaged name of a field must not pass for an unknown one, its value for the default
        raise DescriptorDamaged(detail="a field is missing, unknown, or not written as Phoenix writes it")
    return descriptor
