"""Files and folders of Windows: opening, reading, writing, removing (`seam.ReadFiles`, `seam.WriteFiles`)."""

import ctypes
from collections.abc import Sequence
from typing import Any

from phoenix_core.agent.windows.descriptor import has_dacl, has_sacl, owner_of
from phoenix_core.agent.windows.native import layouts
from phoenix_core.agent.windows.native.api import NOT_ALL_ASSIGNED, Api, Luid, SecurityAttributes, TokenPrivileges
from phoenix_core.agent.windows.native.handles import (
    BASIC_INFO,
    DACL,
    END_OF_FILE_INFO,
    GROUP,
    OWNER,
    SACL,
    SET_COMPRESSION,
    SET_REPARSE,
    SET_SPARSE,
    Handle,
)
from phoenix_core.agent.windows.seam import Details, FileFacts, StreamFacts, Use

READ_ATTRIBUTES, WRITE_ATTRIBUTES, LIST_FOLDER = 0x80, 0x100, 0x1
READ_CONTROL, WRITE_DAC, WRITE_OWNER, SYSTEM_SECURITY = 0x20000, 0x40000, 0x80000, 0x01000000
GENERIC_READ, GENERIC_WRITE = 0x80000000, 0x40000000
SHARE_READ, SHARE_WRITE, SHARE_DELETE = 1, 2, 4
CREATE_NEW, CREATE_ALWAYS, OPEN_EXISTING = 1, 2, 3
BACKUP_SEMANTICS, REPARSE_POINT_ITSELF, SEQUENTIAL = 0x02000000, 0x00200000, 0x08000000
REPLACE, WRITE_THROUGH = 1, 8
PRIVILEGES = ("SeBackupPrivilege", "SeRestorePrivilege", "SeSecurityPrivilege")
_ADJUST_AND_QUERY, _ENABLED = 0x28, 2
_COMPRESSION_DEFAULT = (1).to_bytes(2, "little")


class NativeInFile(Handle):
    """See `seam.InFile`."""

    def __init__(self, api: Api, handle: Any, path: str, *, with_sacl: bool) -> None:
        super().__init__(api, handle, path)
        self._with_sacl = with_sacl

    def security(self, parts: int = 0) -> bytes:
        return super().security(parts or OWNER | GROUP | DACL | (SACL if self._with_sacl else 0))

    def ranges(self, attributes: int = 0, size: int = 0) -> list[tuple[int, int]] | None:
        facts = self.details().facts
        return super().ranges(facts.attributes, facts.size)


class NativeOutFile(Handle):
    """See `seam.OutFile`."""

    def set_size(self, size: int) -> None:
        self.set_information(END_OF_FILE_INFO, size.to_bytes(8, "little"))

    def set_sparse(self) -> None:
        self.control(SET_SPARSE)

    def set_compressed(self) -> None:
        self.control(SET_COMPRESSION, _COMPRESSION_DEFAULT)

    def flush(self) -> None:
        self.ask("FlushFileBuffers")


class NativeHeldFolder:
    """See `seam.HeldFolder`."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self.real_path = handle.real_path()

    def close(self) -> None:
        self._handle.close()


class NativeFiles:
    """See `seam.ReadFiles` and `seam.WriteFiles`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._with_sacl = False

    def take_rights(self) -> Sequence[str]:
        token = ctypes.c_void_p()
        process = self._api.plain("GetCurrentProcess")
        self._api.ask("OpenProcessToken", process, _ADJUST_AND_QUERY, ctypes.byref(token))
        try:
            lacking = [name for name in PRIVILEGES if not self._take(token, name)]
        finally:
            self._api.plain("CloseHandle", token)
        self._with_sacl = PRIVILEGES[2] not in lacking
        return lacking

    def _take(self, token: Any, name: str) -> bool:
        luid = Luid()
        self._api.ask("LookupPrivilegeValueW", None, name, ctypes.byref(luid))
        wanted = TokenPrivileges(1, luid, _ENABLED)
        self._api.ask("AdjustTokenPrivileges", token, 0, ctypes.byref(wanted), 0, None, None)
        return self._api.last_error() != NOT_ALL_ASSIGNED

    # --- reading ---------------------------------------------------------------------------------------------------

    def list_folder(self, path: str) -> list[FileFacts]:
        with self._open(path, LIST_FOLDER | READ_ATTRIBUTES) as folder:
            return folder.listing()

    def details(self, path: str) -> Details:
        with self._open(path, READ_ATTRIBUTES) as entry:
            return entry.details()

    def use(self, path: str) -> Use:
        with self._open(path, READ_ATTRIBUTES) as entry:
            return entry.use()

    def streams(self, path: str) -> list[StreamFacts]:
        with self._open(path, READ_ATTRIBUTES) as entry:
            return entry.streams()

    def security(self, path: str) -> bytes:
        access = READ_CONTROL | (SYSTEM_SECURITY if self._with_sacl else 0)
        with self._open(path, access) as entry:
            return entry.security(OWNER | GROUP | DACL | (SACL if self._with_sacl else 0))

    def reparse_data(self, path: str) -> bytes:
        with self._open(path, READ_ATTRIBUTES) as entry:
            return entry.reparse_data()

    def open_file(self, path: str) -> NativeInFile:
        """Without the flag for the reparse point itself: what is compressed or deduplicated is read as it is meant."""
        access = GENERIC_READ | READ_CONTROL | (SYSTEM_SECURITY if self._with_sacl else 0)
        share = SHARE_READ | SHARE_WRITE | SHARE_DELETE
        flags = BACKUP_SEMANTICS | SEQUENTIAL
        handle = self._api.ask("CreateFileW", path, access, share, None, OPEN_EXISTING, flags, None, path=path)
        return NativeInFile(self._api, handle, path, with_sacl=self._with_sacl)

    # --- writing ---------------------------------------------------------------------------------------------------

    def hold_folder(self, path: str) -> NativeHeldFolder:
        """Not shared for deleting, so that nobody renames it; opened through junctions."""
        access, share = LIST_FOLDER | READ_ATTRIBUTES, SHARE_READ | SHARE_WRITE
        handle = self._api.ask(
            "CreateFileW", path, access, share, None, OPEN_EXISTING, BACKUP_SEMANTICS, None, path=path
        )
        held = Handle(self._api, handle, path)
        try:
            return NativeHeldFolder(held)
        except BaseException:
            held.close()
            raise

    def make_folder(self, path: str, security: bytes) -> None:
        with _Attributes(security) as attributes:
            self._api.ask("CreateDirectoryW", path, attributes, path=path)

    def create_file(self, path: str, security: bytes) -> NativeOutFile:
        with _Attributes(security) as attributes:
            handle = self._api.ask(
                "CreateFileW",
                path,
                GENERIC_READ | GENERIC_WRITE,
                0,
                attributes,
                CREATE_NEW,
                BACKUP_SEMANTICS | SEQUENTIAL,
                None,
                path=path,
            )
        return NativeOutFile(self._api, handle, path)

    def open_stream(self, path: str) -> NativeOutFile:
        handle = self._api.ask(
            "CreateFileW", path, GENERIC_WRITE, 0, None, CREATE_ALWAYS, BACKUP_SEMANTICS, None, path=path
        )
        return NativeOutFile(self._api, handle, path)

    def set_security(self, path: str, security: bytes) -> None:
        parts, access = 0, 0
        if owner_of(security):
            parts, access = parts | OWNER | GROUP, access | WRITE_OWNER
        if has_dacl(security):
            parts, access = parts | DACL, access | WRITE_DAC
        if has_sacl(security) and self._with_sacl:
            parts, access = parts | SACL, access | SYSTEM_SECURITY
        if parts:
            with self._open(path, access) as entry:
                entry.ask("SetKernelObjectSecurity", parts, security)

    def set_facts(self, path: str, attributes: int, created_ns: int, modified_ns: int) -> None:
        created, modified = layouts.to_ticks(created_ns), layouts.to_ticks(modified_ns)
        with self._open(path, WRITE_ATTRIBUTES) as entry:
            entry.set_information(BASIC_INFO, layouts.BASIC.pack(created, 0, modified, 0, attributes))

    def set_reparse_data(self, path: str, data: bytes) -> None:
        with self._open(path, GENERIC_WRITE) as entry:
            entry.control(SET_REPARSE, data)

    def link(self, existing: str, new: str) -> None:
        self._api.ask("CreateHardLinkW", new, existing, None, path=new)

    def rename(self, old: str, new: str, *, replace: bool) -> None:
        self._api.ask("MoveFileExW", old, new, WRITE_THROUGH | (REPLACE if replace else 0), path=new)

    def delete_file(self, path: str) -> None:
        self._api.ask("DeleteFileW", path, path=path)

    def delete_folder(self, path: str) -> None:
        self._api.ask("RemoveDirectoryW", path, path=path)

    def free_bytes(self, path: str) -> int:
        free = ctypes.c_uint64()
        self._api.ask("GetDiskFreeSpaceExW", path, ctypes.byref(free), None, None, path=path)
        return free.value

    def _open(self, path: str, access: int) -> Handle:
        share = SHARE_READ | SHARE_WRITE | SHARE_DELETE
        flags = BACKUP_SEMANTICS | REPARSE_POINT_ITSELF
        handle = self._api.ask("CreateFileW", path, access, share, None, OPEN_EXISTING, flags, None, path=path)
        return Handle(self._api, handle, path)


class _Attributes:
    """SECURITY_ATTRIBUTES with this descriptor, for the time of the block; none for an empty one: it is inherited."""

    def __init__(self, security: bytes) -> None:
        self._buffer = ctypes.create_string_buffer(security, len(security)) if security else None

    def __enter__(self) -> Any:
        if self._buffer is None:
            return None
        size = ctypes.sizeof(SecurityAttributes)
        self._made = SecurityAttributes(size, ctypes.cast(self._buffer, ctypes.c_void_p), 0)
        return ctypes.byref(self._made)

    def __exit__(self, *error: object) -> None:
        """The memory goes with this object."""
