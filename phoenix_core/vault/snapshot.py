"""A snapshot: what one backup made, signed by its agent and sealed to the vault.

    object = header | HPKE(plain text)
    header = magic "PHNXSNAP" (8), version 1 (2), seal suite 1 (1), zero (1), bytes that follow (4, little-endian)
    plain text = MessagePack array [body, Ed25519 signature over the label and the body]

The header is HPKE's `info`. The body is a MessagePack map with the fields of `SnapshotBody` in their order; the
signature is by the key whose public half the body names, and the core believes it only if it is the agent's.
"""

import struct
from typing import Annotated

import msgspec
from blake3 import blake3
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey
from msgspec import Meta

from phoenix_core.domain.ids import SnapshotId
from phoenix_core.vault.entry import Id, IdOrNone, Natural
from phoenix_core.vault.errors import SnapshotDamaged, SnapshotForged, UnknownVersion, UnsealFailed
from phoenix_core.vault.malformed import MALFORMED
from phoenix_core.vault.seal import SEAL_OVERHEAD, SUITE, SUITE_ID, seal_to_vault

MAGIC = b"PHNXSNAP"
VERSION = 1
SIGNATURE_LABEL = b"phoenix vault v1: snapshot signature\0"
_HEADER = struct.Struct("<8sHBBI")


Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""What a catalog can hold."""


class SnapshotBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about a snapshot but its files. Times are ns since the epoch by the agent's clock; sizes are bytes."""

    vault_id: str
    server_id: str
    job_id: str
    domain: str
    epoch: Natural
    root: Id
    """Chunk id of the tree of `/`."""
    paths: tuple[bytes, ...]
    """Absolute paths that were asked for."""
    agent_public_key: Id
    """Ed25519, 32 bytes."""
    hostname: str = ""
    agent_version: str = ""
    excludes: tuple[str, ...] = ()
    cross_mounts: bool = False
    parent: str = ""
    started_ns: int = 0
    finished_ns: int = 0
    files: Count = 0
    directories: Count = 0
    other_entries: Count = 0
    bytes: Count = 0
    """Sum of the sizes of all files, hard links once."""
    changed_files: Count = 0
    read_bytes: Count = 0
    new_chunks: Count = 0
    new_raw_bytes: Count = 0
    stored_bytes: Count = 0
    missing_list: IdOrNone = b""
    """List of the files that could not be read (`filelists.read_missing`); empty if there are none."""
    missing_count: Count = 0
    packs: tuple[Id, ...] = ()
    """The packs that this backup wrote."""


class _Signed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    body: bytes
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


_encoder = msgspec.msgpack.Encoder()
_signed_decoder = msgspec.msgpack.Decoder(_Signed)
_body_decoder = msgspec.msgpack.Decoder(SnapshotBody)


def seal_snapshot(body: SnapshotBody, signing_key: Ed25519PrivateKey, public_key: bytes) -> bytes:
    """The object to store: `body` signed by the agent and sealed to the vault. The body's `agent_public_key` must be
    that of `signing_key`; raises `SnapshotForged` otherwise."""
    if signing_key.public_key().public_bytes_raw() != body.agent_public_key:
        raise SnapshotForged(agent=body.agent_public_key.hex())
    encoded = _encoder.encode(body)
    plain = _encoder.encode(_Signed(encoded, signing_key.sign(SIGNATURE_LABEL + encoded)))
    header = _HEADER.pack(MAGIC, VERSION, SUITE_ID, 0, len(plain) + SEAL_OVERHEAD)
    return header + seal_to_vault(public_key, plain, header)


def open_snapshot(private_key: MLKEM768X25519PrivateKey, sealed: bytes) -> tuple[SnapshotBody, bytes]:
    """The body and the public key of the agent that signed it; that the key is the right agent's is for the caller to
    check. Raises `SnapshotDamaged`, `UnsealFailed`, `SnapshotForged`, `UnknownVersion`."""
    header = check_sealed_form(sealed)
    try:
        plain = SUITE.decrypt(sealed[_HEADER.size :], private_key, header)
    except (InvalidTag, ValueError) as error:
        raise UnsealFailed(what="snapshot") from error
    try:
        signed = _signed_decoder.decode(plain)
        body = _body_decoder.decode(signed.body)
    except MALFORMED as error:
        raise SnapshotDamaged(detail=f"its body is malformed ({error})") from error
    try:
        key = Ed25519PublicKey.from_public_bytes(body.agent_public_key)
        key.verify(signed.signature, SIGNATURE_LABEL + signed.body)
    except (InvalidSignature, ValueError) as error:
        raise SnapshotForged(agent=body.agent_public_key.hex()) from error
    return body, body.agent_public_key


def check_sealed_form(sealed: bytes) -> bytes:
    """The header of a sealed snapshot, checked as far as one can without a key. Raises `SnapshotDamaged`,
    `UnknownVersion`."""
    if len(sealed) < _HEADER.size + SEAL_OVERHEAD:
        raise SnapshotDamaged(detail=f"it has only {len(sealed)} bytes")
    magic, version, suite, zero, length = _HEADER.unpack_from(sealed)
    if magic != MAGIC or zero:
        raise SnapshotDamaged(detail="it does not start as a snapshot does")
    if version != VERSION or suite != SUITE_ID:
        raise UnknownVersion(what="snapshot", version=f"{version} with suite {suite}")
    if length != len(sealed) - _HEADER.size:
        raise SnapshotDamaged(detail=f"it has {len(sealed) - _HEADER.size} sealed bytes instead of {length}")
    return sealed[: _HEADER.size]


def snapshot_id(sealed: bytes) -> SnapshotId:
    """The snapshot's id: BLAKE3 of the sealed object, 64 hex digits; also its name in the store."""
    return SnapshotId(blake3(sealed).hexdigest())
