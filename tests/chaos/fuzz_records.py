"""Records of both versions, and behind its seal what operators wrote into those of version 2."""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

import msgspec

from phoenix_core.engine.commit import lost_snapshot_row
from phoenix_core.engine.standing import as_recorded, held_error, holds, removed_error
from phoenix_core.vault import record
from phoenix_core.vault.annotation import Standing, seal, standings_of, unseal
from phoenix_core.vault.record import Record, RecordKind, SealedRecord
from tests.chaos.fuzz_mutate import altered, mutated
from tests.chaos.fuzz_seeds import golden
from tests.chaos.fuzz_target import View
from tests.vault.memory_vault import KEY

PLAIN = golden("record-commit", "record-remove")
DECIDED = golden("record-annotate", "record-set-aside", "record-bring-back")
_PUBLIC = KEY.record_public_key()
_SIGNING = KEY.record_signing_key()
_NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _stored(encoded: bytes) -> None:
    """As the core takes one more record, whatever its number is."""
    found = record.parse(encoded)
    chain = record.verify_chain([(found.sequence, encoded)], _PUBLIC, after=found.sequence - 1, previous=found.previous)
    record.live_snapshots(chain)
    record.set_aside_snapshots(chain)
    for standing in standings_of(chain, KEY).values():
        _shown(chain[0], standing)


def _shown(said: Record, standing: Standing) -> None:
    """As the catalog keeps it, and as it is told to whoever asks for the snapshot."""
    row = as_recorded(lost_snapshot_row(said, "server"), standing, 1.0)
    hold = holds(row, _NOW, 1.0)
    if hold is not None:
        _ = held_error(row, hold).view()
    if row.removed_at is not None:
        _ = removed_error(row, _NOW, 1.0).view()


def _signed(body: bytes, version: int) -> None:
    unsigned = struct.pack("<8sHHI", record.MAGIC, version, 0, len(body)) + body
    _stored(unsigned + _SIGNING.sign(record.SIGNATURE_LABEL + unsigned))


def _sealed(detail: bytes, kind: RecordKind) -> None:
    snapshot = bytes(32)
    sealed = seal(KEY, kind, snapshot, msgspec.Raw(detail), bytes)  # type: ignore[arg-type]
    said = SealedRecord(1, record.FIRST_PREVIOUS, 1, kind, "s1", bytes(32), snapshot, sealed)
    _stored(record.sign(said, _SIGNING))


def _bodies(records: Sequence[bytes]) -> list[bytes]:
    return [each[16 : -record.SIGNATURE_BYTES] for each in records]


def _details(kind: RecordKind) -> list[bytes]:
    found = [each for each in map(record.parse, DECIDED) if isinstance(each, SealedRecord) and each.kind is kind]
    return [msgspec.msgpack.encode(unseal(KEY, each)) for each in found]


VIEWS = (
    View("record", mutated, [*PLAIN, *DECIDED], _stored),
    View("signed record", altered, _bodies(PLAIN), partial(_signed, version=record.VERSION)),
    View("signed record of version 2", altered, _bodies(DECIDED), partial(_signed, version=record.SEALED_VERSION)),
    *(
        View(f"{kind} behind its seal", altered, _details(kind), partial(_sealed, kind=kind))
        for kind in (RecordKind.ANNOTATE, RecordKind.SET_ASIDE, RecordKind.BRING_BACK)
    ),
)
