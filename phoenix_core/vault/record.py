"""Records: the core's signed, chained answer to each commit and each deletion of a snapshot. The vault's trust root.

    object = magic "PHNXRECD" (8), version 1 (2), zero (2), length of the body (4), body, Ed25519 signature (64)

Integers are little-endian. The body is a MessagePack array with the fields of `Record` in their order. The signature,
by the record key that derives from the vault key, is over a label and everything before it. `previous` is BLAKE3 of
the whole object of the record before; of the first, number 1, it is 32 zero bytes.
"""

import struct
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import msgspec
from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from phoenix_core.domain.ids import SnapshotId
from phoenix_core.vault.errors import RecordDamaged, UnknownVersion
from phoenix_core.vault.malformed import MALFORMED

MAGIC = b"PHNXRECD"
VERSION = 1
SIGNATURE_LABEL = b"phoenix vault v1: record signature\0"
SIGNATURE_BYTES = 64
MAX_RECORD_BYTES = 4096
FIRST_PREVIOUS = bytes(32)
_HEADER = struct.Struct("<8sHHI")

Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]


class RecordKind(StrEnum):
    COMMIT = "commit"
    REMOVE = "remove"


class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One commit or removal of a snapshot."""

    sequence: Annotated[int, Meta(ge=1)]
    """1, 2, 3, … without gaps."""
    previous: Hash
    time_ns: int
    """The core's clock, since the epoch, UTC."""
    kind: RecordKind
    server_id: str
    agent_public_key: Hash
    snapshot: Hash
    """BLAKE3 of the sealed snapshot."""

    @property
    def snapshot_id(self) -> SnapshotId:
        return SnapshotId(self.snapshot.hex())


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


def sign(record: Record, key: Ed25519PrivateKey) -> bytes:
    """The object to store; `key` is `VaultKey.record_signing_key()`."""
    body = _encoder.encode(record)
    unsigned = _HEADER.pack(MAGIC, VERSION, 0, len(body)) + body
    return unsigned + key.sign(SIGNATURE_LABEL + unsigned)


def parse(encoded: bytes, *, sequence: int = 0) -> Record:
    """The record, its signature not yet verified. `sequence` is for the error's text. Raises `RecordDamaged`,
    `UnknownVersion`."""
    if not _HEADER.size + SIGNATURE_BYTES < len(encoded) <= MAX_RECORD_BYTES:
        raise RecordDamaged(sequence=sequence, detail=f"it has {len(encoded)} bytes")
    magic, version, zero, length = _HEADER.unpack_from(encoded)
    if magic != MAGIC or zero:
        raise RecordDamaged(sequence=sequence, detail="it does not start as a record does")
    if version != VERSION:
        raise UnknownVersion(what="record", version=version)
    if _HEADER.size + length + SIGNATURE_BYTES != len(encoded):
        raise RecordDamaged(sequence=sequence, detail="its length is not what it says")
    try:
        return _decoder.decode(encoded[_HEADER.size : -SIGNATURE_BYTES])
    except MALFORMED as error:
        raise RecordDamaged(sequence=sequence, detail="it is malformed") from error


def verify(encoded: bytes, public_key: bytes, *, sequence: int = 0) -> Record:
    """The record, if `public_key` (`VaultKey.record_public_key()`) signed it. Raises as `parse`."""
    record = parse(encoded, sequence=sequence)
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
        key.verify(encoded[-SIGNATURE_BYTES:], SIGNATURE_LABEL + encoded[:-SIGNATURE_BYTES])
    except (InvalidSignature, ValueError) as error:
        raise RecordDamaged(sequence=sequence or record.sequence, detail="its signature is wrong") from error
    return record


def record_hash(encoded: bytes) -> bytes:
    """What the next record names as `previous`."""
    return blake3(encoded).digest()


def verify_chain(
    records: Iterable[tuple[int, bytes]], public_key: bytes, *, after: int = 0, previous: bytes = FIRST_PREVIOUS
) -> list[Record]:
    """The records of ascending (sequence, object) pairs, if each is signed and follows the one before without a gap.

    `after` and `previous` are number and hash of a record already verified. Raises as `parse`."""
    chain: list[Record] = []
    for sequence, encoded in records:
        if sequence != after + 1:
            raise RecordDamaged(sequence=after + 1, detail="it is gone")
        record = verify(encoded, public_key, sequence=sequence)
        if record.sequence != sequence:
            raise RecordDamaged(sequence=sequence, detail=f"it is number {record.sequence} under another name")
        if record.previous != previous:
            raise RecordDamaged(sequence=sequence, detail="it does not follow the record before it")
        chain.append(record)
        after, previous = sequence, record_hash(encoded)
    return chain


def live_snapshots(chain: Iterable[Record]) -> dict[SnapshotId, Record]:
    """The snapshots that the records committed and did not remove, each with the record of its commit, in order."""
    live: dict[SnapshotId, Record] = {}
    for record in chain:
        if record.kind is RecordKind.COMMIT:
            live[record.snapshot_id] = record
        else:
            live.pop(record.snapshot_id, None)
    return live
