"""WF4.7: what of a Windows volume gets into a snapshot, compared with the parent, under Windows' own rules of names."""

import random
from pathlib import Path

import pytest

from phoenix_core.agent.errors import PathNotFound
from phoenix_core.agent.windows.attributes import ENCRYPTED, OFFLINE, RECALL_ON_DATA, REPARSE_POINT, SPARSE
from phoenix_core.agent.windows.errors import NoDriveInPath, NoSuchDrive
from phoenix_core.agent.windows.names import to_bytes
from phoenix_core.vault.windowsentry import REPARSE, attribute
from tests.agent.windows.memory_nodes import Fault
from tests.agent.windows.rig import WindowsRig


def test_an_unchanged_volume_costs_no_read(rig: WindowsRig) -> None:
    for number in range(30):
        rig.windows.file(f"C:\\Data\\{number % 3}\\{number}.txt", b"x" * number, mark=b"stream")
    first = rig.backup(b"/C/Data")
    second = rig.backup(b"/C/Data", parent=first)
    assert second.read_bytes == 0
    assert second.changed_files == 0
    assert (second.files, second.bytes) == (first.files, first.bytes) == (60, sum(range(30)) + 30 * 6)
    assert rig.entries(second).keys() == rig.entries(first).keys()
    assert rig.vault.body(second.snapshot_id).root == rig.vault.body(first.snapshot_id).root


def test_what_changed_is_read_and_what_went_is_gone(rig: WindowsRig) -> None:
    windows = rig.windows
    windows.file("C:\\Data\\stays.txt", b"stays", kept=b"kept")
    windows.file("C:\\Data\\changes.txt", b"old", one=b"1")
    windows.file("C:\\Data\\goes.txt", b"goes", with_it=b"2")
    windows.file("C:\\Data\\stays-too.txt", b"between the file and its stream")
    windows.file("C:\\Data\\sub\\deep.txt", b"deep")
    first = rig.backup(b"/C/Data")
    windows.file("C:\\Data\\changes.txt", b"new content", two=b"3")
    windows.remove("C:\\Data\\goes.txt")
    second = rig.backup(b"/C/Data", parent=first)
    entries = rig.entries(second)
    assert sorted(path.removeprefix("/C/Data/") for path in entries if path.startswith("/C/Data/")) == [
        "changes.txt", "changes.txt:one", "changes.txt:two", "stays-too.txt", "stays.txt", "stays.txt:kept",
        "sub", "sub/deep.txt",
    ]  # fmt: skip
    assert rig.vault.content(entries["/C/Data/changes.txt"]) == b"new content"
    assert second.changed_files == 3


@pytest.mark.parametrize("seed", range(6))
def test_after_any_changes_the_snapshot_is_what_a_full_backup_would_be(rig: WindowsRig, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"{stem}{end}" for stem in ("a", "a b", "a-b", "B", "c") for end in ("", ".txt", "0", "~", "ä")]
    for _ in range(40):
        change(rig, chance, names)
    last = rig.backup(b"/C/Data")
    for _ in range(5):
        for _ in range(chance.randrange(8)):
            change(rig, chance, names)
        last = rig.backup(b"/C/Data", parent=last)
        full = rig.backup(b"/C/Data")
        assert rig.vault.body(last.snapshot_id).root == rig.vault.body(full.snapshot_id).root
        assert (last.files, last.directories, last.bytes) == (full.files, full.directories, full.bytes)


def change(rig: WindowsRig, chance: random.Random, names: list[str]) -> None:
    windows = rig.windows
    folder = chance.choice(["C:\\Data", "C:\\Data\\sub", "C:\\Data\\sub\\deep"])
    parent = windows.folder(folder)
    name = chance.choice(names)
    key = parent.find(name)
    match chance.randrange(6):
        case 0 if key is not None and not parent.children[key].is_folder:
            windows.remove(f"{folder}\\{key}")
        case 1 if key is not None and not parent.children[key].is_folder:
            parent.children[key].streams[chance.choice("xyz")] = bytearray(chance.randbytes(5))
            windows.touch(parent.children[key])
        case 2 if key is not None:
            parent.children[key].streams.clear()
            windows.touch(parent.children[key], content=False)
        case 3 if key is None:
            windows.folder(f"{folder}\\{name}").streams["of a folder"] = bytearray(b"here")
            windows.touch(parent.children[name])
        case _ if key is None or not parent.children[key].is_folder:
            windows.file(f"{folder}\\{key or name}", chance.randbytes(chance.randrange(20)))


def test_a_file_that_a_program_has_open_is_read_though_its_times_say_it_did_not_change(rig: WindowsRig) -> None:
    """Windows moves them for sure only when the handle is closed that wrote."""
    node = rig.windows.file("C:\\Data\\mail.pst", b"first!", stream=b"1")
    rig.windows.file("C:\\Data\\quiet", b"quiet")
    first = rig.backup(b"/C/Data")
    node.data[:], node.streams["stream"][:] = b"second", b"2"
    rig.windows.in_use.add("C:\\DATA\\MAIL.PST")
    second = rig.backup(b"/C/Data", parent=first)
    entries = rig.entries(second)
    assert rig.vault.content(entries["/C/Data/mail.pst"]) == b"second"
    assert rig.vault.content(entries["/C/Data/mail.pst:stream"]) == b"2"
    assert second.changed_files == 2


def test_a_file_that_was_closed_after_its_shadow_copy_was_made_is_read(
    rig: WindowsRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the copy its times are still those of before it was written to."""
    windows = rig.windows
    node = windows.file("C:\\Data\\mail.pst", b"first!")
    gone = windows.file("C:\\Data\\gone.pst", b"first!")
    first = rig.backup(b"/C/Data")
    node.data[:], gone.data[:] = b"second", b"second"
    make = windows.create_shadow_copy

    def create(volume: str, note: Path) -> str:
        made = make(volume, note)
        windows.touch(node)
        windows.remove("C:\\Data\\gone.pst")
        return made

    monkeypatch.setattr(windows, "create_shadow_copy", create)
    entries = rig.entries(rig.backup(b"/C/Data", parent=first))
    assert rig.vault.content(entries["/C/Data/mail.pst"]) == b"second"
    assert rig.vault.content(entries["/C/Data/gone.pst"]) == b"second"


def test_hard_links_are_one_file_with_all_names(rig: WindowsRig) -> None:
    rig.windows.file("C:\\Data\\one.bin", b"content")
    rig.windows.hard_link("C:\\Data\\one.bin", "C:\\Data\\sub.bin")
    result = rig.backup(b"/C/Data")
    entries = rig.entries(result)
    one, two = entries["/C/Data/one.bin"], entries["/C/Data/sub.bin"]
    assert (one.inode, one.device, one.links) == (two.inode, two.device, two.links)
    assert one.links == 2
    assert result.bytes == len(b"content")
    assert rig.backup(b"/C/Data", parent=result).read_bytes == 0


def test_names_may_differ_in_case_from_how_they_are_given(rig: WindowsRig) -> None:
    rig.windows.file("C:\\Users\\Müller\\Documents\\x.txt", b"x")
    entries = rig.entries(rig.backup("/c/USERS/mÜLLER/documents".encode()))
    assert "/C/Users/Müller/Documents/x.txt" in set(entries)


@pytest.mark.parametrize("pattern", ["*.TMP", "/C/data/CACHE/", "/c/Data/cache", "**/cache/**", "*.tmp"])
def test_patterns_hold_whatever_the_case(rig: WindowsRig, pattern: str) -> None:
    rig.windows.file("C:\\Data\\Cache\\x.tmp", b"x")
    rig.windows.file("C:\\Data\\keep.txt", b"x")
    entries = rig.entries(rig.backup(b"/C/Data", excludes=(pattern,)))
    assert "/C/Data/Cache/x.tmp" not in entries
    assert "/C/Data/keep.txt" in entries


def test_paths_one_below_the_other_take_all_that_the_upper_one_does(rig: WindowsRig) -> None:
    for name in ("a.txt", "way\\b.txt", "way\\named\\c.txt", "way\\other\\d.txt", "file"):
        rig.windows.file(f"C:\\Data\\{name}", name.encode(), stream=b"of it")
    whole = rig.backup(b"/C/Data")
    both = rig.backup(b"/C/Data/way/named", b"/C/Data", b"/C/data/WAY/named/c.txt", b"/C/Data/file/below")
    assert rig.vault.body(both.snapshot_id).root == rig.vault.body(whole.snapshot_id).root
    assert (both.files, both.directories) == (whole.files, whole.directories)
    assert [(each.path, each.reason) for each in both.missing] == [("/C/Data/file/below", "not_found")]
    again = rig.backup(b"/C/Data/way/named", b"/C/Data", parent=both)
    assert again.read_bytes == 0
    assert rig.vault.body(again.snapshot_id).root == rig.vault.body(whole.snapshot_id).root


def test_an_excluded_folder_stays_out_though_a_path_in_it_is_named(rig: WindowsRig) -> None:
    for name in ("keep.txt", "Cache\\x.txt", "Cache\\named\\y.txt"):
        rig.windows.file(f"C:\\Data\\{name}", b"x")
    paths = (b"/C/Data", b"/C/Data/Cache/named")
    out = rig.entries(rig.backup(*paths, excludes=("cache/",)))
    assert {path for path in out if path.startswith("/C/Data/")} == {"/C/Data/keep.txt"}
    back = rig.entries(rig.backup(*paths, excludes=("cache/", "!/c/data/cache/NAMED")))
    assert {path for path in back if path.startswith("/C/Data/Cache/")} == {
        "/C/Data/Cache/named",
        "/C/Data/Cache/named/y.txt",
    }


def test_junctions_are_kept_as_such_and_never_followed(rig: WindowsRig) -> None:
    rig.windows.file("C:\\Data\\x.txt", b"x")
    rig.windows.junction("C:\\Data\\up", "C:\\")
    rig.windows.junction("C:\\Data\\self", "C:\\Data\\self")
    result = rig.backup(b"/C/Data")
    entries = rig.entries(result)
    assert entries["/C/Data/up"].target == b"C:\\"
    assert attribute(entries["/C/Data/up"], REPARSE) == rig.windows.at("C:\\Data\\up").reparse
    assert result.files == 1
    assert result.missing_count == 0


def test_a_path_through_a_junction_is_the_folder_that_it_leads_to(rig: WindowsRig) -> None:
    rig.windows.file("C:\\Real\\sub\\x.txt", b"x")
    rig.windows.junction("C:\\Alias", "C:\\Real")
    entries = rig.entries(rig.backup(b"/C/Alias/sub"))
    assert "/C/Real/sub/x.txt" in entries


def test_deduplicated_and_compressed_files_are_read_as_what_they_are(rig: WindowsRig) -> None:
    for name, tag in (("wof", 0x80000017), ("dedup", 0x80000013), ("cloud", 0x9000601A)):
        node = rig.windows.file(f"C:\\Data\\{name}.bin", name.encode())
        node.attributes |= REPARSE_POINT
        node.reparse = tag.to_bytes(4, "little") + bytes(4)
    entries = rig.entries(rig.backup(b"/C/Data"))
    assert rig.vault.content(entries["/C/Data/wof.bin"]) == b"wof"
    assert rig.vault.content(entries["/C/Data/dedup.bin"]) == b"dedup"
    assert rig.vault.content(entries["/C/Data/cloud.bin"]) == b"cloud"


def test_what_only_a_cloud_or_a_user_s_key_has_is_missing_and_never_fetched(rig: WindowsRig) -> None:
    for name, bits in (("cloud", RECALL_ON_DATA), ("tape", OFFLINE), ("efs", ENCRYPTED)):
        rig.windows.file(f"C:\\Data\\{name}", b"x").attributes |= bits
    result = rig.backup(b"/C/Data")
    assert [(each.path, each.reason) for each in result.missing] == [
        ("/C/Data/cloud", "offline"),
        ("/C/Data/efs", "encrypted_file"),
        ("/C/Data/tape", "offline"),
    ]
    assert "open_file" not in rig.windows.calls


def test_what_windows_keeps_for_itself_is_left_out(rig: WindowsRig) -> None:
    windows = rig.windows
    windows.file("C:\\pagefile.sys", b"memory")
    windows.file("C:\\System Volume Information\\{guid}", b"shadow storage")
    windows.file("C:\\Data\\pagefile.sys", b"only a name")
    entries = rig.entries(rig.backup(b"/C"))
    assert {path for path in entries if "pagefile" in path or "System" in path} == {"/C/Data/pagefile.sys"}


def test_names_with_lone_surrogates_and_long_paths_are_kept(rig: WindowsRig) -> None:
    odd = "odd\ud800name \U0001f600.txt"
    rig.windows.file(f"C:\\Data\\{odd}", b"odd")
    deep = "C:\\Data\\" + "\\".join(["long folder name " * 10] * 40)
    rig.windows.file(deep + "\\deep.txt", b"deep")
    result = rig.backup(b"/C/Data")
    entries = rig.vault.entries(result.snapshot_id)
    assert rig.vault.content(entries[b"/C/Data/" + to_bytes(odd)]) == b"odd"
    assert max(map(len, entries)) > 6000
    assert rig.restore(result).missing_count == 0
    assert bytes(rig.windows.tree("C:\\restored\\C\\Data")[odd].data) == b"odd"


def test_a_sparse_file_is_read_where_it_has_data(rig: WindowsRig) -> None:
    node = rig.windows.file("C:\\Data\\disk.vhdx", bytes(40 * 2**20))
    node.attributes |= SPARSE
    node.data[20 * 2**20 : 20 * 2**20 + 5] = b"hello"
    node.ranges = [(20 * 2**20, 65536)]
    result = rig.backup(b"/C/Data")
    entry = rig.entries(result)["/C/Data/disk.vhdx"]
    assert result.read_bytes == 2**20
    assert entry.size == 40 * 2**20
    assert rig.vault.content(entry) == bytes(node.data)


def test_what_even_a_backup_may_not_read_is_missing_with_its_reason(rig: WindowsRig) -> None:
    rig.windows.file("C:\\Data\\bad.txt", b"x")
    rig.windows.faults["read_at"] = Fault(1117, "bad.txt")
    rig.windows.faults["list_folder"] = Fault(5, "closed")
    rig.windows.folder("C:\\Data\\closed")
    result = rig.backup(b"/C/Data")
    assert {(each.path, each.reason) for each in result.missing} == {
        ("/C/Data/closed", "EACCES"),
        ("/C/Data/bad.txt", "EIO"),
    }


def test_paths_that_are_none_of_this_server_are_refused(rig: WindowsRig) -> None:
    with pytest.raises(NoDriveInPath, match="names no drive"):
        rig.backup(b"/srv/data")
    with pytest.raises(NoSuchDrive, match="drive letter X"):
        rig.backup(b"/X/Data")
    with pytest.raises(PathNotFound):
        rig.backup(b"/C/nothing/here")


def test_rights_that_the_account_lacks_are_named(rig: WindowsRig) -> None:
    rig.windows.file("C:\\Data\\x", b"")
    rig.windows.lacking = ("SeBackupPrivilege",)
    rig.backup(b"/C/Data")
    assert rig.ports is not None
    assert any("lacks SeBackupPrivilege" in text for text in rig.ports.logged())
