"""A Windows volume backed up from its shadow copy and restored: content, streams, descriptors, junctions, times."""

from phoenix_core.agent.windows.attributes import DIRECTORY, HIDDEN, READONLY
from phoenix_core.vault.windowsentry import SECURITY, attribute
from tests.agent.windows.descriptors import descriptor
from tests.agent.windows.memory_nodes import Node
from tests.agent.windows.rig import WindowsRig


def filled(rig: WindowsRig) -> None:
    windows = rig.windows
    report = windows.file(
        "C:\\Data\\Report.docx", b"report" * 50_000, **{"Zone.Identifier": b"[ZoneTransfer]\r\nZoneId=3"}
    )
    report.security = descriptor("S-1-5-21-1-2-3-1001", inherited=True)
    report.attributes |= READONLY | HIDDEN
    windows.file("C:\\Data\\Report.docx.bak", b"")
    windows.file("C:\\Data\\sub\\notes.txt", b"notes")
    windows.hard_link("C:\\Data\\sub\\notes.txt", "C:\\Data\\again.txt")
    windows.junction("C:\\Data\\loop", "C:\\Data")
    folder = windows.folder("C:\\Data\\sub")
    folder.security = descriptor("S-1-5-21-1-2-3-500")
    folder.streams["mark"] = bytearray(b"on a folder")


def facts(node: Node) -> tuple[object, ...]:
    """All that a restore is to bring back."""
    return (
        bytes(node.data),
        {name: bytes(data) for name, data in node.streams.items()},
        node.reparse,
        node.attributes,
        node.created_ns,
        node.modified_ns,
        node.security,
        node.links,
    )


def test_what_was_backed_up_comes_back_as_it_was(rig: WindowsRig) -> None:
    filled(rig)
    before = {name: facts(node) for name, node in rig.windows.tree("C:\\Data").items()}
    result = rig.backup(b"/C/Data")
    assert result.missing_count == 0
    assert rig.restore(result).missing_count == 0
    after = {name: facts(node) for name, node in rig.windows.tree("C:\\restored\\C\\Data").items()}
    assert after == before


def test_a_backup_goes_through_the_steps_of_wf4_and_leaves_no_shadow_copy(rig: WindowsRig) -> None:
    filled(rig)
    rig.backup(b"/C/Data")
    assert rig.ports is not None
    done = [step for step, state in rig.ports.steps() if state == "done"]
    assert [step for step in done if step.startswith("WF4")] == [
        "WF4.1", "WF4.3", "WF4.4", "WF4.5", "WF4.6", "WF4.7", "WF4.5", "WF4.8",
    ]  # fmt: skip
    assert rig.windows.copies == []
    assert "start_vss" in rig.windows.calls


def test_streams_stand_beside_their_files(rig: WindowsRig) -> None:
    filled(rig)
    entries = rig.entries(rig.backup(b"/C/Data"))
    assert rig.vault.content(entries["/C/Data/Report.docx:Zone.Identifier"]).startswith(b"[ZoneTransfer]")
    assert rig.vault.content(entries["/C/Data/sub:mark"]) == b"on a folder"
    assert attribute(entries["/C/Data/Report.docx"], SECURITY) == rig.windows.at("C:\\Data\\Report.docx").security
    assert entries["/C/Data/Report.docx"].owner == "S-1-5-21-1-2-3-1001"
    assert entries["/C/Data/loop"].target == b"C:\\Data"
    assert not any(path.startswith("/C/Data/loop/") for path in entries)
    assert rig.windows.at("C:\\Data\\loop").attributes & DIRECTORY
