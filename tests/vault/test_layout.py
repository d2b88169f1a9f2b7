"""Object names: what is written is found again, and nothing else is taken for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.domain.ids import PackId, SnapshotId
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.layout import (
    index_name,
    pack_name,
    parse_pack_name,
    parse_record_name,
    parse_snapshot_name,
    record_name,
    snapshot_name,
)


@given(kind=st.sampled_from(PackKind), pack_id=st.binary(min_size=32, max_size=32))
def test_pack_names_parse_back(kind: PackKind, pack_id: bytes) -> None:
    assert parse_pack_name(pack_name(kind, PackId(pack_id))) == (kind, pack_id)


def test_names_are_these() -> None:
    assert pack_name(PackKind.META, PackId(bytes([171]) + bytes(31))) == "packs/meta/ab/ab" + "00" * 31
    assert snapshot_name(SnapshotId("c" * 64)) == "snapshots/" + "c" * 64
    assert record_name(42) == "records/0000000000000042"
    assert index_name("x") == "index/x"


def test_snapshot_and_record_names_parse_back() -> None:
    assert parse_snapshot_name("snapshots/" + "c" * 64) == "c" * 64
    assert parse_record_name(record_name(10**15)) == 10**15


@pytest.mark.parametrize(
    "name",
    [
        "",
        "packs/data/ab/cd" + "00" * 31,
        "packs/other/ab/ab" + "00" * 31,
        "packs/data/AB/AB" + "00" * 31,
        "packs/data/ab/ab" + "00" * 30,
        "packs/data/ab/ab" + "00" * 31 + ".tmp",
        "snapshots/" + "g" * 64,
        "snapshots/" + "c" * 64 + "\n",
        "records/42",
        "records/000000000000004x",
        "../records/0000000000000042",
    ],
)
def test_other_names_are_none_of_these(name: str) -> None:
    assert parse_pack_name(name) is None
    assert parse_snapshot_name(name) is None
    assert parse_record_name(name) is None
