"""All that the agent asks of Windows. `native` does it on a Windows server; tests have a volume in memory.

Paths are native ones in extended form (`\\\\?\\C:\\Data\\x`,
`\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy3\\x`), so that they may be of any length and stand for nothing
but themselves; a named stream follows after a colon. Names are text as Python has it, lone surrogates included. No
call follows a link or junction at the path's end. Times are nanoseconds since the epoch, UTC, in steps of 100; 0
where the file system keeps none. Every call may raise `WindowsFailure`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec


class WindowsFailure(Exception):
    """A call of Windows failed."""

    def __init__(self, code: int, call: str, path: str = "", detail: str = "") -> None:
        """`detail` says what happened, where the number says it to nobody."""
        super().__init__(code, call, path)
        self.detail = detail
        self.code = code
        """Of winerror.h."""
        self.call = call
        self.path = path

    def __str__(self) -> str:
        if self.detail:
            return f"{self.call}: {self.detail}"
        return f"{self.call} failed with error {self.code}" + (f" at {self.path}" if self.path else "")


class FileFacts(msgspec.Struct, frozen=True, gc=False):
    """What is said of one entry. Of a folder's listing only names, attributes and tags are sure: NTFS writes sizes
    and times there late, for a file that is kept open perhaps after days, and for its further hard links never."""

    name: str
    attributes: int
    size: int
    allocated_bytes: int
    created_ns: int
    modified_ns: int
    changed_ns: int
    """The last change of anything: content, streams, attributes, security."""
    file_id: int
    """The same for all hard links of a file, as long as it exists; 0 on file systems without."""
    reparse_tag: int = 0


class StreamFacts(msgspec.Struct, frozen=True, gc=False):
    name: str
    """Without colons: `Zone.Identifier`."""
    size: int
    allocated_bytes: int


class Details(msgspec.Struct, frozen=True, gc=False):
    """What only opening an entry tells."""

    facts: FileFacts
    """Its name is empty."""
    links: int
    volume_serial: int


class Use(msgspec.Struct, frozen=True, gc=False):
    """What tells whether a file may have been written to under times that don't show it: those move for sure only once
    the handle is closed that wrote."""

    modified_ns: int
    changed_ns: int
    open_elsewhere: bool
    """Another process has it open; also where it only reads."""


class Volume(msgspec.Struct, frozen=True):
    letter: str
    """`C`; empty: it has no drive letter."""
    device_id: str
    """`\\\\?\\Volume{…}\\`."""
    file_system: str
    """`NTFS`, `ReFS`, `FAT32`, …; empty: not formatted, or locked by BitLocker."""
    is_fixed: bool
    """A local disk: no network drive, CD or stick."""
    total_bytes: int
    free_bytes: int


class ShadowCopy(msgspec.Struct, frozen=True):
    id: str
    """A GUID in braces."""
    device: str
    """`\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopyN`, without a backslash at the end."""
    volume: str
    """The `device_id` of the volume."""


class Service(msgspec.Struct, frozen=True):
    state: str
    """`Running`, `Stopped`, `Start Pending`, …"""
    start_mode: str
    """`Auto`, `Manual`, `Disabled`."""


class Shadows(Protocol):
    """Volumes, and the service that makes shadow copies of them. Each call takes seconds."""

    def volumes(self) -> list[Volume]: ...

    def vss_service(self) -> Service: ...

    def start_vss(self) -> None:
        """Returns once it runs."""

    def create_shadow_copy(self, volume: str, note: Path) -> str:
        """The new copy's id. `volume`: its `device_id`. The id is written into the file `note` before it is given back,
        by a process that lives on if this one dies."""

    def shadow_copies(self) -> list[ShadowCopy]:
        """All there are, whoever made them."""

    def delete_shadow_copy(self, copy: str) -> None:
        """One that isn't there is no failure."""


class InFile(Protocol):
    """An open file or stream, read only."""

    def details(self) -> Details:
        """Of a stream: those of its file, but for its own size."""

    def security(self) -> bytes:
        """Self-relative; without the SACL where this process may not read that."""

    def ranges(self) -> list[tuple[int, int]] | None:
        """Offsets and lengths of what is allocated, ascending; None where that can't be known."""

    def read_at(self, into: memoryview, offset: int) -> int:
        """How many bytes came; 0 at the end."""

    def close(self) -> None: ...


class ReadFiles(Protocol):
    """Reading, with the right to back up (SeBackupPrivilege): permissions don't stop it, open files do."""

    def list_folder(self, path: str) -> list[FileFacts]:
        """Without `.` and `..`, in no order."""

    def details(self, path: str) -> Details: ...

    def use(self, path: str) -> Use:
        """Of a live file, now. Where its file system doesn't say who has it open, nobody has."""

    def streams(self, path: str) -> list[StreamFacts]:
        """The named ones of a file or folder, in no order."""

    def security(self, path: str) -> bytes: ...

    def reparse_data(self, path: str) -> bytes: ...

    def open_file(self, path: str) -> InFile: ...


class OutFile(Protocol):
    """A file or stream that is being written."""

    def write_at(self, data: bytes | memoryview, offset: int) -> None:
        """All of it."""

    def set_size(self, size: int) -> None: ...

    def set_sparse(self) -> None:
        """From now on what isn't written takes no space."""

    def set_compressed(self) -> None: ...

    def flush(self) -> None:
        """Returns once all is on the disk."""

    def close(self) -> None: ...


class HeldFolder(Protocol):
    """A folder that can't be renamed, removed or made a junction while it is held."""

    @property
    def real_path(self) -> str:
        """Its path without junctions, in extended form."""

    def close(self) -> None: ...


class WriteFiles(Protocol):
    """Writing, with the right to restore (SeRestorePrivilege)."""

    def hold_folder(self, path: str) -> HeldFolder:
        """Follows junctions on the way, as the real path then tells."""

    def make_folder(self, path: str, security: bytes) -> None: ...

    def create_file(self, path: str, security: bytes) -> OutFile:
        """A new file; error 80 or 183 where the name is taken."""

    def open_stream(self, path: str) -> OutFile:
        """A named stream, emptied, made where it isn't there."""

    def set_security(self, path: str, security: bytes) -> None: ...

    def set_facts(self, path: str, attributes: int, created_ns: int, modified_ns: int) -> None:
        """Times that are 0 stay as they are; so do attribute bits that can't be set this way."""

    def set_reparse_data(self, path: str, data: bytes) -> None:
        """Makes the empty file or folder a link or junction."""

    def link(self, existing: str, new: str) -> None: ...

    def rename(self, old: str, new: str, *, replace: bool) -> None: ...

    def delete_file(self, path: str) -> None:
        """A file, or a link to one; read-only ones are refused."""

    def delete_folder(self, path: str) -> None:
        """An empty folder, a junction or a link to a folder."""

    def free_bytes(self, path: str) -> int:
        """On the folder's volume, for this process."""


class Windows(Shadows, ReadFiles, WriteFiles, Protocol):
    """All of it."""

    def take_rights(self) -> Sequence[str]:
        """Turn on the privileges that a backup and a restore need; those that this process hasn't got."""
