"""Structures of Windows read from their bytes, as Microsoft documents them in winbase.h, winioctl.h, [MS-FSCC],
[MS-DTYP]."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.agent.windows.attributes import MOUNT_POINT, SYMLINK
from phoenix_core.agent.windows.descriptor import (
    ADMINISTRATORS_SID,
    group_of,
    is_descriptor,
    owner_of,
    private,
    sid_text,
    to_be_set,
)
from phoenix_core.agent.windows.native import layouts
from phoenix_core.agent.windows.reparse import junction_data, tag_of, target_of
from tests.agent.windows.descriptors import descriptor

TICKS = 133_500_000_000_000_000
NS = (TICKS - 116_444_736_000_000_000) * 100


def extended_entry(name: str, following: int, *, attributes: int = 0x20, tag: int = 0, file_id: int = 7) -> bytes:
    """A FILE_ID_EXTD_DIR_INFO, field by field."""
    encoded = name.encode("utf-16-le", "surrogatepass")
    head = struct.pack("<II", following, 0)
    head += struct.pack("<4q", TICKS, TICKS + 1, TICKS + 2, TICKS + 3)
    head += struct.pack("<qq", 5, 4096)
    head += struct.pack("<IIII", attributes, len(encoded), 0, tag)
    head += file_id.to_bytes(16, "little")
    assert len(head) == 88
    return (head + encoded).ljust(following or 0, b"\0")


def both_entry(name: str, following: int, *, attributes: int = 0x20, ea: int = 0, file_id: int = 7) -> bytes:
    """A FILE_ID_BOTH_DIR_INFO, field by field."""
    encoded = name.encode("utf-16-le")
    head = struct.pack("<II", following, 0)
    head += struct.pack("<4q", TICKS, TICKS, TICKS, TICKS)
    head += struct.pack("<qq", 5, 8)
    head += struct.pack("<III", attributes, len(encoded), ea)
    head += struct.pack("<bx24s", 10, "LONGNA~1".encode("utf-16-le")).ljust(28, b"\0")[:28]
    head = head.ljust(96, b"\0")
    head += struct.pack("<Q", file_id)
    return (head + encoded).ljust(following or 0, b"\0")


def test_a_listing_of_several_entries() -> None:
    buffer = extended_entry(".", 96) + extended_entry("..", 96) + extended_entry("report.docx", 112)
    buffer += extended_entry("odd\ud800", 0, attributes=0x410, tag=MOUNT_POINT, file_id=9)
    found = list(layouts.directory_entries(buffer, extended=True))
    assert [each.name for each in found] == ["report.docx", "odd\ud800"]
    assert (found[0].created_ns, found[0].modified_ns, found[0].changed_ns) == (NS, NS + 200, NS + 300)
    assert (found[0].size, found[0].allocated_bytes, found[0].file_id) == (5, 4096, 7)
    assert (found[1].attributes, found[1].reparse_tag, found[1].file_id) == (0x410, MOUNT_POINT, 9)


def test_a_listing_of_an_older_file_system_has_the_tag_where_the_attributes_size_is() -> None:
    buffer = both_entry("folder", 120) + both_entry("link", 0, attributes=0x410, ea=SYMLINK)
    found = list(layouts.directory_entries(buffer, extended=False))
    assert [(each.name, each.reparse_tag, each.file_id) for each in found] == [("folder", 0, 7), ("link", SYMLINK, 7)]


@given(st.binary(max_size=300), st.booleans())
def test_a_listing_that_is_cut_off_or_garbled_is_refused_or_ends(buffer: bytes, extended: bool) -> None:
    with contextlib.suppress(ValueError):
        assert len(list(layouts.directory_entries(buffer, extended=extended))) <= 300


def stream_entry(name: str, following: int, size: int) -> bytes:
    encoded = name.encode("utf-16-le")
    return (struct.pack("<IIqq", following, len(encoded), size, 8) + encoded).ljust(following or 0, b"\0")


def test_named_streams_without_the_content_itself() -> None:
    buffer = stream_entry("::$DATA", 40, 1000) + stream_entry(":Zone.Identifier:$DATA", 0, 26)
    assert [(each.name, each.size) for each in layouts.named_streams(buffer)] == [("Zone.Identifier", 26)]


def test_times_before_and_at_the_edges() -> None:
    assert layouts.to_ns(0) == 0
    assert layouts.to_ticks(layouts.to_ns(TICKS)) == TICKS
    assert layouts.to_ticks(-(10**30)) == 1
    assert layouts.to_ns(116_444_736_000_000_000 - 10) == -1000


def test_an_id_of_ntfs_is_its_number_and_one_of_refs_a_hash_of_all_of_it() -> None:
    assert layouts.id_number((0x0005000000001234).to_bytes(16, "little")) == 0x0005000000001234
    one = layouts.id_number(struct.pack("<QQ", 5, 4))
    assert one != layouts.id_number(struct.pack("<QQ", 4, 5))
    assert 0 <= one < 2**64


def test_facts_of_an_open_handle() -> None:
    basic = struct.pack("<4qI4x", TICKS, TICKS, TICKS + 5, TICKS + 6, 0x21)
    standard = struct.pack("<qqIBB2x", 4096, 1234, 3, 0, 0)
    facts = layouts.details_of(basic, standard, 0, (77).to_bytes(16, "little"))
    assert (facts.size, facts.allocated_bytes, facts.attributes, facts.file_id) == (1234, 4096, 0x21, 77)
    assert facts.changed_ns == NS + 600


def test_processes_that_have_a_file_open() -> None:
    """FILE_PROCESS_IDS_USING_FILE_INFORMATION: a count of four bytes, then each as wide as a pointer."""
    buffer = struct.pack("<I4xQQ", 2, 4, 70_000).ljust(1024, b"\xcc")
    assert layouts.process_ids(buffer, 8) == [4, 70_000]
    assert layouts.process_ids(struct.pack("<III", 2, 4, 8), 4) == [4, 8]
    assert layouts.process_ids(bytes(1024), 8) == []


def test_allocated_ranges() -> None:
    assert layouts.ranges(struct.pack("<4q", 0, 65536, 2**30, 4096)) == [(0, 65536), (2**30, 4096)]


def test_a_junction_s_target_comes_back() -> None:
    data = junction_data("C:\\Data\\Ünïcode")
    assert tag_of(data) == MOUNT_POINT
    assert target_of(data) == "C:\\Data\\Ünïcode"


def test_a_symbolic_link_s_target_by_its_print_name_or_its_substitute() -> None:
    """SymbolicLinkReparseBuffer: names after the flags."""
    substitute, printed = "\\??\\C:\\x".encode("utf-16-le"), "..\\x".encode("utf-16-le")
    body = struct.pack("<HHHHI", 0, len(substitute), len(substitute), len(printed), 1) + substitute + printed
    assert target_of(struct.pack("<IHH", SYMLINK, len(body), 0) + body) == "..\\x"
    body = struct.pack("<HHHHI", 0, len(substitute), 0, 0, 0) + substitute
    assert target_of(struct.pack("<IHH", SYMLINK, len(body), 0) + body) == "C:\\x"


@given(st.binary(max_size=100))
def test_any_reparse_data_has_a_target_that_an_entry_can_hold(data: bytes) -> None:
    target = target_of(data)
    assert target
    assert "\0" not in target


def test_owner_and_group_of_a_descriptor() -> None:
    data = descriptor("S-1-5-21-3623811015-3361044348-30300820-1013")
    assert owner_of(data) == "S-1-5-21-3623811015-3361044348-30300820-1013"
    assert group_of(data) == "S-1-5-32-545"
    assert sid_text(ADMINISTRATORS_SID) == "S-1-5-32-544"


def test_what_was_inherited_stays_inherited() -> None:
    """Windows drops SE_DACL_AUTO_INHERITED unless SE_DACL_AUTO_INHERIT_REQ asks for it."""
    data = descriptor("S-1-5-18", inherited=True)
    assert int.from_bytes(to_be_set(data)[2:4], "little") & 0x500 == 0x500
    assert to_be_set(descriptor("S-1-5-18")) == descriptor("S-1-5-18")


def test_what_is_half_restored_is_the_administrators_alone() -> None:
    data = private()
    assert is_descriptor(data)
    assert owner_of(data) == "S-1-5-32-544"
    assert int.from_bytes(data[2:4], "little") & 0x1004 == 0x1004


@given(st.binary(max_size=80))
def test_any_bytes_as_a_descriptor_never_crash(data: bytes) -> None:
    assert isinstance(owner_of(data), str)
    assert isinstance(group_of(data), str)


@pytest.mark.parametrize("cut", range(20))
def test_a_descriptor_that_is_cut_off_is_none(cut: int) -> None:
    assert not is_descriptor(descriptor("S-1-5-18")[:cut])
