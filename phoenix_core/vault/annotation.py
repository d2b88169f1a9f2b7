"""What operators decide about a committed snapshot, as records of version 2 keep it: tags, note and hold, and a removal
that can still be undone.

    sealed = salt (16 random bytes) | AES-256-GCM(record text key, MessagePack of the detail, kind | snapshot)

with a nonce of twelve zero bytes and a key that derives from vault key and salt. The detail is an array with the fields
of `Annotation` (kind `annotate`) or `Aside` (the others) in their order. Who may read the store learns from a record
which snapshot it is about, and not one word.
"""

import secrets
from collections.abc import Callable, Iterable
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta

from phoenix_core.domain.ids import SnapshotId
from phoenix_core.vault.entry import Natural
from phoenix_core.vault.errors import RecordDamaged
from phoenix_core.vault.malformed import MALFORMED
from phoenix_core.vault.record import Record, RecordKind, SealedRecord
from phoenix_core.vault.vaultkey import VaultKey

SALT_BYTES = 16
MAX_UNDO_S = 2**32 - 1
"""136 years: what is longer ends behind all calendars."""
_NONCE = bytes(12)


class Hold(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """While it holds, nothing removes the snapshot."""

    reason: str
    who: str
    since_ns: int
    """The core's clock, since the epoch, UTC."""
    until_ns: Natural = 0
    """0: for ever."""


class Annotation(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """All that is said of a snapshot; each record replaces what the one before said."""

    tags: tuple[str, ...] = ()
    """Ascending, each once."""
    note: str = ""
    hold: Hold | None = None


class Aside(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Of a removal that can be undone, and of its undoing."""

    who: str
    undo_s: Annotated[int, Meta(ge=0, le=MAX_UNDO_S)]
    """Length of the undo period; 0 where it is undone."""


Detail = Annotation | Aside


class Standing(msgspec.Struct, frozen=True):
    """What the records say of one live snapshot beside its commit."""

    annotation: Annotation = Annotation()
    aside: Aside | None = None
    aside_ns: int = 0
    """When it was set aside, by the core's clock."""
    undone_ns: int = 0
    """Removals up to this time, by the core's clock, are undone; 0: none is."""


_encode = msgspec.msgpack.Encoder().encode
_annotation = msgspec.msgpack.Decoder(Annotation)
_aside = msgspec.msgpack.Decoder(Aside)


def seal(
    key: VaultKey,
    kind: RecordKind,
    snapshot: bytes,
    detail: Detail,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> bytes:
    """For `SealedRecord.sealed`; `snapshot` is the record's 32-byte hash."""
    salt = random_bytes(SALT_BYTES)
    aead = AESGCM(key.record_text_key(salt))
    return salt + aead.encrypt(_NONCE, _encode(detail), kind.encode() + snapshot)


def unseal(key: VaultKey, record: SealedRecord) -> Detail:
    """Raises `RecordDamaged`."""
    salt, sealed = record.sealed[:SALT_BYTES], record.sealed[SALT_BYTES:]
    try:
        plain = AESGCM(key.record_text_key(salt)).decrypt(_NONCE, sealed, record.kind.encode() + record.snapshot)
    except (InvalidTag, ValueError) as error:
        raise RecordDamaged(sequence=record.sequence, detail="what it says can't be opened") from error
    try:
        return _annotation.decode(plain) if record.kind is RecordKind.ANNOTATE else _aside.decode(plain)
    except MALFORMED as error:
        raise RecordDamaged(sequence=record.sequence, detail="what it says is malformed") from error


def take(standings: dict[SnapshotId, Standing], record: Record, key: VaultKey) -> None:
    """Bring what one more record says into `standings`. Raises `RecordDamaged`, having changed nothing."""
    name = record.snapshot_id
    if not isinstance(record, SealedRecord):
        standings.pop(name, None)
        return
    detail, before = unseal(key, record), standings.get(name, Standing())
    if isinstance(detail, Annotation):
        standings[name] = msgspec.structs.replace(before, annotation=detail)
    elif record.kind is RecordKind.SET_ASIDE:
        standings[name] = msgspec.structs.replace(before, aside=detail, aside_ns=record.time_ns)
    else:
        # The removal that it undoes may have a later time, where the clock was set back between the two.
        undone_ns = max(before.undone_ns, before.aside_ns, record.time_ns)
        standings[name] = msgspec.structs.replace(before, aside=None, aside_ns=0, undone_ns=undone_ns)


def standings_of(chain: Iterable[Record], key: VaultKey) -> dict[SnapshotId, Standing]:
    """What the records say of the snapshots that some said more of than their commit. Raises `RecordDamaged`."""
    standings: dict[SnapshotId, Standing] = {}
    for record in chain:
        take(standings, record, key)
    return standings
