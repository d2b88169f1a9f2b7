"""What a node writes into the vault beside packs is pinned by golden files: a later release opens it."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from phoenix_core.host.processid import ProcessName
from phoenix_core.storage.merged import MergedEntry, decode, encode
from phoenix_core.storage.owner import Owner
from phoenix_core.vault.kinds import PackKind

GOLDEN = Path(__file__).parent / "golden"
ENTRIES = [
    MergedEntry(PackKind.DATA, bytes(range(32)), 33_000_000, bytes(number % 251 for number in range(1288)), b"tail"),
    MergedEntry(PackKind.META, bytes(32), 5_000, bytes(1288), b"other tail"),
]
OWNER = Owner(
    epoch=3,
    instance="00112233aabbccdd",
    host="backup1",
    process=ProcessName(machine="ab" * 16, boot="b0", pid=77, started="1234"),
    since=datetime(2026, 3, 1, 12, tzinfo=UTC),
)


def test_merged_index_objects_stay_what_they_are() -> None:
    assert encode(ENTRIES) == (GOLDEN / "merged.bin").read_bytes()
    assert decode((GOLDEN / "merged.bin").read_bytes()) == ENTRIES


def test_the_owner_object_stays_what_it_is() -> None:
    assert msgspec.json.encode(OWNER) == (GOLDEN / "owner.json").read_bytes()
    assert msgspec.json.decode((GOLDEN / "owner.json").read_bytes(), type=Owner) == OWNER
