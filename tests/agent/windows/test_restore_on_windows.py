"""WF6 on Windows: pre-checks, conflict rules, names that Windows can't have, junctions in the way, crossing of
families."""

import msgspec
import pytest

from phoenix_core.agent.restore.errors import (
    DestinationForbidden,
    DestinationFull,
    DestinationNotFolder,
    NotEnoughSpace,
    OtherFamily,
)
from phoenix_core.agent.windows.attributes import COMPRESSED, READONLY, SPARSE
from phoenix_core.agent.windows.errors import DISK_FULL, NoDriveInPath, NoSuchDrive
from phoenix_core.agentlink.reports import BackupResult, StepReport
from phoenix_core.domain.states import ConflictRule
from tests.agent.windows.memory_nodes import Fault
from tests.agent.windows.rig import WindowsRig


@pytest.fixture
def backed_up(rig: WindowsRig) -> BackupResult:
    windows = rig.windows
    windows.file("C:\\Data\\report.txt", b"as backed up", mark=b"of the report")
    windows.file("C:\\Data\\sub\\deep.txt", b"deep")
    return rig.backup(b"/C/Data")


def content(rig: WindowsRig, path: str) -> bytes:
    return bytes(rig.windows.at(path).data)


def test_the_pre_checks_are_told_before_anything_is_written(rig: WindowsRig, backed_up: BackupResult) -> None:
    rig.windows.calls.clear()
    result = rig.restore(backed_up, check_only=True)
    assert rig.ports is not None
    steps = [body for body in rig.ports.reports if isinstance(body, StepReport) and body.state == "done"]
    assert [each.step for each in steps] == ["WF6.3", "WF6.4", "WF6.5"]
    assert (steps[0].detail, steps[2].detail) == ("C:\\restored", "3 files, 3 folders, 29 Bytes")
    assert result.check_only
    assert not {"create_file", "make_folder", "rename", "set_security", "open_stream"} & set(rig.windows.calls)


def test_the_original_place_is_put_right(rig: WindowsRig, backed_up: BackupResult) -> None:
    windows = rig.windows
    windows.file("C:\\Data\\report.txt", b"spoiled", mark=b"spoiled too")
    windows.remove("C:\\Data\\sub\\deep.txt")
    root = windows.disks["C"].root
    attributes = root.attributes
    rig.restore(backed_up, to=b"")
    assert content(rig, "C:\\Data\\report.txt") == b"as backed up"
    assert bytes(windows.at("C:\\Data\\report.txt").streams["mark"]) == b"of the report"
    assert content(rig, "C:\\Data\\sub\\deep.txt") == b"deep"
    assert root.attributes == attributes, "the volume's own folder is left alone"


def test_one_file_brings_its_streams(rig: WindowsRig, backed_up: BackupResult) -> None:
    rig.restore(backed_up, paths=[b"/C/Data/report.txt"])
    assert set(rig.windows.tree("C:\\restored")) == {"C", "C\\Data", "C\\Data\\report.txt"}
    assert bytes(rig.windows.at("C:\\restored\\C\\Data\\report.txt").streams["mark"]) == b"of the report"


@pytest.mark.parametrize(
    ("rule", "wanted", "others"),
    [
        (ConflictRule.OVERWRITE, b"as backed up", 0),
        (ConflictRule.SKIP, b"newer", 0),
        (ConflictRule.IF_OLDER, b"newer", 0),
        (ConflictRule.KEEP_BOTH, b"newer", 1),
    ],
)
def test_a_file_that_is_there_is_treated_by_the_rule(
    rig: WindowsRig, backed_up: BackupResult, rule: ConflictRule, wanted: bytes, others: int
) -> None:
    rig.windows.file("C:\\Data\\REPORT.txt", b"newer")
    result = rig.restore(backed_up, to=b"", conflict=rule)
    assert content(rig, "C:\\Data\\report.txt") == wanted
    restored = [name for name in rig.windows.at("C:\\Data").children if "restored" in name]
    assert len(restored) == others == result.renamed
    for name in restored:
        assert content(rig, f"C:\\Data\\{name}") == b"as backed up"
        assert bytes(rig.windows.at(f"C:\\Data\\{name}").streams["mark"]) == b"of the report"


def test_a_second_restore_writes_nothing_again(rig: WindowsRig, backed_up: BackupResult) -> None:
    rig.restore(backed_up)
    rig.windows.calls.clear()
    result = rig.restore(backed_up)
    assert result.missing_count == 0
    assert "create_file" not in rig.windows.calls


def test_a_read_only_file_is_replaced_and_read_only_again(rig: WindowsRig) -> None:
    rig.windows.file("C:\\Data\\r.txt", b"old", mark=b"m").attributes |= READONLY
    backed_up = rig.backup(b"/C/Data")
    rig.windows.at("C:\\Data\\r.txt").data = bytearray(b"changed")
    assert rig.restore(backed_up, to=b"").missing_count == 0
    node = rig.windows.at("C:\\Data\\r.txt")
    assert bytes(node.data) == b"old"
    assert node.attributes & READONLY


def test_sparse_and_compressed_files_are_so_again(rig: WindowsRig) -> None:
    node = rig.windows.file("C:\\Data\\s", bytes(4 * 2**20) + b"end")
    node.attributes |= SPARSE
    node.ranges = [(4 * 2**20, 3)]
    rig.windows.file("C:\\Data\\c", b"c").attributes |= COMPRESSED
    rig.restore(rig.backup(b"/C/Data"))
    tree = rig.windows.tree("C:\\restored\\C\\Data")
    assert tree["s"].attributes & SPARSE
    assert bytes(tree["s"].data) == bytes(4 * 2**20) + b"end"
    assert tree["c"].attributes & COMPRESSED


def test_a_junction_put_into_the_way_is_not_written_through(
    rig: WindowsRig, backed_up: BackupResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user with rights in the destination swaps a folder for a junction while the restore runs with the system's."""
    windows = rig.windows
    windows.folder("C:\\Windows\\System32")
    real = windows.make_folder

    def swapping(path: str, security: bytes) -> None:
        real(path, security)
        if path.endswith("\\sub"):
            del windows.at("C:\\restored\\C\\Data").children["sub"]
            windows.junction("C:\\restored\\C\\Data\\sub", "C:\\Windows\\System32")

    monkeypatch.setattr(windows, "make_folder", swapping)
    result = rig.restore(backed_up)
    assert windows.at("C:\\Windows\\System32").children == {}
    assert ("/C/Data/sub/deep.txt", True) in {(each.path, bool(each.reason)) for each in result.missing}


def test_a_junction_on_the_way_to_the_original_place_is_kept(rig: WindowsRig, backed_up: BackupResult) -> None:
    windows = rig.windows
    windows.remove("C:\\Data\\sub\\deep.txt")
    del windows.at("C:\\Data").children["sub"]
    windows.folder("C:\\Elsewhere")
    windows.junction("C:\\Data\\sub", "C:\\Elsewhere")
    result = rig.restore(backed_up, to=b"")
    assert [each.reason for each in result.missing] == ["link_in_the_way"]
    assert windows.at("C:\\Elsewhere").children == {}


def test_names_that_differ_in_case_only_are_told(rig: WindowsRig) -> None:
    """A folder may be set to tell them apart, as those of the Linux subsystem are."""
    folder = rig.windows.folder("C:\\Data")
    rig.windows.file("C:\\Data\\name", b"one")
    folder.children["NAME"] = rig.windows._node(0x20)
    result = rig.restore(rig.backup(b"/C/Data"))
    assert [(each.path, each.reason) for each in result.missing] == [("/C/Data/name", "case_clash")]


def test_the_destination_may_lie_behind_a_junction_that_the_administrator_made(
    rig: WindowsRig, backed_up: BackupResult
) -> None:
    rig.windows.folder("C:\\Big")
    rig.windows.junction("C:\\Target", "C:\\Big")
    result = rig.restore(backed_up, to=b"/C/Target/x")
    assert result.destination == "/C/Big/x"
    assert content(rig, "C:\\Big\\x\\C\\Data\\report.txt") == b"as backed up"


def test_destinations_that_can_not_be_are_refused_before_anything_is_written(
    rig: WindowsRig, backed_up: BackupResult
) -> None:
    rig.windows.file("C:\\file", b"")
    for to, error in (
        (b"/C/file/x", DestinationNotFolder),
        (b"/X/y", NoSuchDrive),
        (b"/srv/x", NoDriveInPath),
    ):
        with pytest.raises(error):
            rig.restore(backed_up, to=to)
    rig.windows.disks["C"].free_bytes = 1000
    with pytest.raises(NotEnoughSpace, match="C:"):
        rig.restore(backed_up)
    assert "restored" not in rig.windows.at("C:\\").children


def test_the_agent_s_own_folder_takes_no_restore(rig: WindowsRig, backed_up: BackupResult) -> None:
    from phoenix_core.agent.windows.restore import destination

    with pytest.raises(DestinationForbidden):
        destination._check_not_own(b"/c/programdata/phoenix/AGENT/x", b"/C/PROGRAMDATA/PHOENIX/AGENT")


def test_a_volume_that_runs_full_ends_the_restore_and_leaves_no_half_file(
    rig: WindowsRig, backed_up: BackupResult
) -> None:
    rig.windows.faults["write_at"] = Fault(DISK_FULL)
    with pytest.raises(DestinationFull):
        rig.restore(backed_up)
    assert not [name for name in rig.windows.tree("C:\\restored") if name.endswith(".tmp")]


def test_what_an_interrupted_restore_left_is_cleared_away_by_the_next(rig: WindowsRig, backed_up: BackupResult) -> None:
    rig.restore(backed_up)
    left = "C:\\restored\\C\\Data\\.phoenix-restore-jaaaaaaaaaa-7.tmp"
    rig.windows.file(left, b"half")
    assert rig.backup(b"/C/restored").files == 3, "it is backed up neither"
    rig.restore(backed_up)
    assert ".phoenix-restore-jaaaaaaaaaa-7.tmp" not in rig.windows.at("C:\\restored\\C\\Data").children


def test_descriptors_that_may_not_be_set_are_told(rig: WindowsRig, backed_up: BackupResult) -> None:
    rig.windows.faults["set_security"] = Fault(1307, "report")
    rig.windows.faults["set_security"] = Fault(5)
    result = rig.restore(backed_up)
    assert result.missing_count == 0
    assert result.not_applied_count == 5
    assert {each.reason for each in result.not_applied} == {"security descriptor: EACCES"}


def test_a_snapshot_of_linux_is_refused_with_the_reason(rig: WindowsRig, backed_up: BackupResult) -> None:
    from phoenix_core.agent.windows.restore.destination import check_family
    from phoenix_core.vault.entry import Entry, EntryType

    with pytest.raises(OtherFamily, match="of a Linux server and can't be restored to this Windows server"):
        check_family([Entry(b"srv", EntryType.DIRECTORY, 0o755, 0, 0, tree=b"x" * 32)])
    check_family(rig.vault.entries(backed_up.snapshot_id)[b"/C"] for _ in range(1))


def test_a_hard_link_is_one_again(rig: WindowsRig) -> None:
    rig.windows.file("C:\\Data\\one", b"content")
    rig.windows.hard_link("C:\\Data\\one", "C:\\Data\\two")
    backed_up = rig.backup(b"/C/Data")
    rig.restore(backed_up)
    tree = rig.windows.tree("C:\\restored\\C\\Data")
    assert tree["one"] is tree["two"]
    assert tree["one"].links == 2


def test_where_there_can_be_no_hard_link_the_content_is_written_again(rig: WindowsRig) -> None:
    rig.windows.file("C:\\Data\\one", b"content")
    rig.windows.hard_link("C:\\Data\\one", "C:\\Data\\two")
    backed_up = rig.backup(b"/C/Data")
    rig.windows.faults["link"] = Fault(1)
    assert rig.restore(backed_up).missing_count == 0
    assert content(rig, "C:\\restored\\C\\Data\\two") == b"content"


def test_a_large_file_comes_in_parts(rig: WindowsRig, monkeypatch: pytest.MonkeyPatch) -> None:
    from phoenix_core.agent.restore import largeparts

    monkeypatch.setattr(largeparts, "LARGE_BYTES", 2 * 2**20)
    monkeypatch.setattr(largeparts, "PART_BYTES", 2**20)
    data = bytes(range(256)) * 4096 * 5
    rig.windows.file("C:\\Data\\large.bin", data)
    rig.restore(rig.backup(b"/C/Data"))
    assert content(rig, "C:\\restored\\C\\Data\\large.bin") == data
    assert rig.ports is not None
    assert msgspec.json.encode(rig.ports.told[-1].phase) == b'"finish"'
