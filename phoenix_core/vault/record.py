"""Records: the core's signed, chained answer to each commit and each deletion of a snapshot. The vault's trust root.

    object = magic "PHNXRECD" (8), version (2), zero (2), length of the body (4), body, Ed25519 signature (64)

Integers are little-endian. The body is a MessagePack array: of version 1, a commit or a removal, with the fields of
`Record` in their order; of version 2, what operators decide about a committed snapshot, with those of `SealedRecord`.
The signature, by the record key that derives from the vault key, is over a label and everything before it. `previous`
is BLAKE3 of the whole object of the record before; of the first, number 1, it is 32 zero bytes.
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
SEALED_VERSION = 2
SIGNATURE_LABEL = b"phoenix vault v1: record signature\0"
SIGNATURE_BYTES = 64
MAX_RECORD_BYTES = 16384
FIRST_PREVIOUS = bytes(32)
_HEADER = struct.Struct("<8sHHI")

Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]


class RecordKind(StrEnum):
    COMMIT = "commit"
    REMOVE = "remove"
    ANNOTATE = "annotate"
    """From here on these tags, this note and this hold are the snapshot's, and no others."""
    SET_ASIDE = "set_aside"
    """It is no restore point any more, and its removal can still be undone."""
    BRING_BACK = "bring_back"
    """It is a restore point again."""


SEALED_KINDS = frozenset({RecordKind.ANNOTATE, RecordKind.SET_ASIDE, RecordKind.BRING_BACK})
"""Those of version 2."""


class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One commit or removal of a snapshot, or, as `SealedRecord`, what was decided about it since."""

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


class SealedRecord(Record, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A record of a kind in `SEALED_KINDS`. Records can be read by whoever has the store, so what people wrote is
    sealed (`annotation.seal`)."""

    sealed: bytes


_encoder = msgspec.msgpack.Encoder()
_decoders: dict[int, msgspec.msgpack.Decoder[Record]] = {
    VERSION: msgspec.msgpack.Decoder(Record),
    SEALED_VERSION: msgspec.msgpack.Decoder(SealedRecord),
}


def sign(record: Record, key: Ed25519PrivateKey) -> bytes:
    """The object to store; `key` is `VaultKey.record_signing_key()`."""
    body = _encoder.encode(record)
    version = SEALED_VERSION if isinstance(record, SealedRecord) else VERSION
    unsigned = _HEADER.pack(MAGIC, version, 0, len(body)) + body
    return unsigned + key.sign(SIGNATURE_LABEL + unsigned)


def parse(encoded: bytes, *, sequence: int = 0) -> Record:
    """The record, its signature not yet verified. `sequence` is for the error's text. Raises `RecordDamaged`,
    `UnknownVersion`."""
    if not _HEADER.size + SIGNATURE_BYTES < len(encoded) <= MAX_RECORD_BYTES:
        raise RecordDamaged(sequence=sequence, detail=f"it has {len(encoded)} bytes")
    magic, version, zero, length = _HEADER.unpack_from(encoded)
    if magic != MAGIC or zero:
        raise RecordDamaged(sequence=sequence, detail="it does not start as a record does")
    if version not in _decoders:
        raise UnknownVersion(what="record", version=version)
    if _HEADER.size + length + SIGNATURE_BYTES != len(encoded):
        raise RecordDamaged(sequence=sequence, detail="its length is not what it says")
    try:
        record = _decoders[version].decode(encoded[_HEADER.size : -SIGNATURE_BYTES])
    except MALFORMED as error:
        raise RecordDamaged(sequence=sequence, detail="it is malformed") from error
    if (record.kind in SEALED_KINDS) != (version == SEALED_VERSION):
        raise RecordDamaged(sequence=sequence, detail="its kind isn't one of its version")
    return record


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
    """The snapshots that the records committed and did not remove, each with the record of its commit, in order; those
    that are set aside too, since their removal can be undone."""
    live: dict[SnapshotId, Record] = {}
    for record in chain:
        if record.kind is RecordKind.COMMIT:
            live[record.snapshot_id] = record
        elif record.kind is RecordKind.REMOVE:
            live.pop(record.snapshot_id, None)
    return live


def set_aside_snapshots(chain: Iterable[Record]) -> set[SnapshotId]:
    """Of the live snapshots, those whose removal waits for the end of its undo period."""
    aside: set[SnapshotId] = set()
    for record in chain:
        if record.kind is RecordKind.SET_ASIDE:
            aside.add(record.snapshot_id)
        elif record.kind is not RecordKind.ANNOTATE:
            aside.discard(record.snapshot_id)
    return aside
