"""How a file of a Windows volume is read: when its stamps are to be trusted, and how it is cut."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from phoenix_core.agent.backup.cutting import AddChunk
from phoenix_core.agent.backup.diskimages import Images
from phoenix_core.agent.backup.fileresult import FileResult
from phoenix_core.agent.backup.records import ReadItem
from phoenix_core.agent.windows.paths import live_root
from phoenix_core.agent.windows.reader import NEVER_UNCHANGED, WindowsReader
from phoenix_core.vault.entry import ChunkRef, Entry
from tests.agent.windows.memory_windows import MemoryWindows
from tests.agent.windows.rig import WindowsRig

NOW_NS = 1_800_000_000_250_000_000
SECOND_NS = 1_000_000_000
WHOLE_NS = NOW_NS // SECOND_NS * SECOND_NS


@dataclass
class Parts:
    """What a worker gives its reader."""

    add: AddChunk = lambda data: ChunkRef(bytes(32), len(data))
    chunker_seed: int = 7
    images: tuple[Images, ...] = ()
    source: bytes = b""

    def tick(self, count: int) -> None:
        """Nothing."""

    def opened(self, item: ReadItem) -> None:
        """Nothing."""


@pytest.fixture
def windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryWindows:
    monkeypatch.setattr("phoenix_core.agent.windows.reader.time.time_ns", lambda: NOW_NS)
    return MemoryWindows(tmp_path / "state")


def read(windows: MemoryWindows, name: str, parts: Parts | None = None) -> FileResult:
    reader = WindowsReader(windows, {"C": live_root("C")}, parts or Parts())
    return reader.read(ReadItem(b"/C", name.encode(), 0))


def entry_of(result: FileResult) -> Entry:
    assert result.entry is not None
    return result.entry


@pytest.mark.parametrize(
    ("changed_ns", "modified_ns", "is_unsure"),
    [
        (NOW_NS - 40_000_000, WHOLE_NS, False),  # NTFS, whatever its file's own time says
        (NOW_NS - 10 * SECOND_NS, NOW_NS, False),
        (0, WHOLE_NS, True),  # FAT
        (0, WHOLE_NS + SECOND_NS, True),  # rounded up
        (0, WHOLE_NS - SECOND_NS, True),
        (0, WHOLE_NS - 2 * SECOND_NS, False),
        (0, WHOLE_NS + 60 * SECOND_NS, False),  # the clock went back
    ],
)
def test_a_file_that_may_change_within_its_stamp_s_step_is_read_again_by_the_next_backup(
    windows: MemoryWindows, changed_ns: int, modified_ns: int, is_unsure: bool
) -> None:
    node = windows.file("C:\\file", b"content")
    node.changed_ns, node.modified_ns = changed_ns, modified_ns
    result = read(windows, "file")
    assert entry_of(result).ctime_ns == (NEVER_UNCHANGED if is_unsure else changed_ns)
    assert not result.changed


def test_a_disk_image_is_known_whatever_the_case_of_its_name(windows: MemoryWindows) -> None:
    windows.file("C:\\DISK.VHD", bytes(range(256)) * 4000)
    windows.file("C:\\DISK.TXT", bytes(range(256)) * 4000)
    parts = Parts(images=(Images(("*.vhd",)),))
    assert entry_of(read(windows, "DISK.VHD", parts)).fixed_chunks
    assert not entry_of(read(windows, "DISK.TXT", parts)).fixed_chunks


def test_a_file_that_changed_while_its_shadow_copy_was_made_is_read_again_by_the_next_backup(
    rig: WindowsRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The live file is written to again, within the tick of the clock in which the copy was made."""
    windows = rig.windows
    node = windows.file("C:\\Data\\busy", b"first!", stream=b"1")
    windows.file("C:\\Data\\quiet", b"quiet")
    make: Callable[[str, Path], str] = windows.create_shadow_copy

    def create(volume: str, note: Path) -> str:
        node.changed_ns = node.modified_ns = time.time_ns()
        made = make(volume, note)
        node.data[:], node.streams["stream"] = b"second", bytearray(b"2")
        return made

    with monkeypatch.context() as patch:
        patch.setattr(windows, "create_shadow_copy", create)
        first = rig.backup(b"/C/Data")
    assert rig.vault.content(rig.entries(first)["/C/Data/busy"]) == b"first!"
    assert first.changed_while_read == ()
    second = rig.backup(b"/C/Data", parent=first)
    entries = rig.entries(second)
    assert rig.vault.content(entries["/C/Data/busy"]) == b"second"
    assert rig.vault.content(entries["/C/Data/busy:stream"]) == b"2"
    assert second.changed_files == 2
