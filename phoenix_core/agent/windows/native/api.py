"""Calls of kernel32, advapi32 and ntdll through ctypes, with their types; a call that fails raises WindowsFailure.

Nothing here runs but on Windows; what it hands on is checked by tests in `layouts`.
"""

import ctypes
from typing import Any

from phoenix_core.agent.windows.seam import WindowsFailure

_DWORD, _BOOL, _HANDLE, _VOID, _WIDE = ctypes.c_uint32, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_wchar_p
_INVALID = ctypes.c_void_p(-1).value
MORE_DATA, NO_MORE_FILES, HANDLE_EOF, NOT_ALL_ASSIGNED = 234, 18, 38, 1300


class Overlapped(ctypes.Structure):
    """OVERLAPPED of minwinbase.h: tells ReadFile and WriteFile the offset."""

    _fields_ = (
        ("internal", _VOID),
        ("internal_high", _VOID),
        ("offset", _DWORD),
        ("offset_high", _DWORD),
        ("event", _HANDLE),
    )

    @classmethod
    def at(cls, offset: int) -> "Overlapped":
        return cls(None, None, offset & 0xFFFFFFFF, offset >> 32, None)


class IoStatus(ctypes.Structure):
    """IO_STATUS_BLOCK of wdm.h."""

    _fields_ = (("status", _VOID), ("information", _VOID))


class SecurityAttributes(ctypes.Structure):
    """SECURITY_ATTRIBUTES of minwinbase.h."""

    _fields_ = (("length", _DWORD), ("descriptor", _VOID), ("inherit", _BOOL))


class Luid(ctypes.Structure):
    _fields_ = (("low", _DWORD), ("high", ctypes.c_int32))


class TokenPrivileges(ctypes.Structure):
    """TOKEN_PRIVILEGES of winnt.h, with one privilege."""

    _fields_ = (("count", _DWORD), ("luid", Luid), ("attributes", _DWORD))


_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "CreateFileW": (_HANDLE, (_WIDE, _DWORD, _DWORD, _VOID, _DWORD, _DWORD, _HANDLE)),
    "CloseHandle": (_BOOL, (_HANDLE,)),
    "ReadFile": (_BOOL, (_HANDLE, _VOID, _DWORD, _VOID, _VOID)),
    "WriteFile": (_BOOL, (_HANDLE, _VOID, _DWORD, _VOID, _VOID)),
    "FlushFileBuffers": (_BOOL, (_HANDLE,)),
    "GetFileInformationByHandleEx": (_BOOL, (_HANDLE, ctypes.c_int, _VOID, _DWORD)),
    "SetFileInformationByHandle": (_BOOL, (_HANDLE, ctypes.c_int, _VOID, _DWORD)),
    "GetFinalPathNameByHandleW": (_DWORD, (_HANDLE, _VOID, _DWORD, _DWORD)),
    "DeviceIoControl": (_BOOL, (_HANDLE, _DWORD, _VOID, _DWORD, _VOID, _DWORD, _VOID, _VOID)),
    "CreateDirectoryW": (_BOOL, (_WIDE, _VOID)),
    "RemoveDirectoryW": (_BOOL, (_WIDE,)),
    "DeleteFileW": (_BOOL, (_WIDE,)),
    "CreateHardLinkW": (_BOOL, (_WIDE, _WIDE, _VOID)),
    "MoveFileExW": (_BOOL, (_WIDE, _WIDE, _DWORD)),
    "GetDiskFreeSpaceExW": (_BOOL, (_WIDE, _VOID, _VOID, _VOID)),
    "GetCurrentProcess": (_HANDLE, ()),
}
_SECURITY_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "GetKernelObjectSecurity": (_BOOL, (_HANDLE, _DWORD, _VOID, _DWORD, _VOID)),
    "SetKernelObjectSecurity": (_BOOL, (_HANDLE, _DWORD, _VOID)),
    "OpenProcessToken": (_BOOL, (_HANDLE, _DWORD, _VOID)),
    "LookupPrivilegeValueW": (_BOOL, (_WIDE, _WIDE, _VOID)),
    "AdjustTokenPrivileges": (_BOOL, (_HANDLE, _BOOL, _VOID, _DWORD, _VOID, _VOID)),
}
_NATIVE_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "NtQueryInformationFile": (_DWORD, (_HANDLE, _VOID, _VOID, _DWORD, ctypes.c_int)),
}
"""Of ntdll: what they give is a status, 0 for success."""
_LIBRARIES = (("kernel32", _SIGNATURES), ("advapi32", _SECURITY_SIGNATURES), ("ntdll", _NATIVE_SIGNATURES))


class Api:
    """The libraries. One for all threads: the last error is kept per thread."""

    def __init__(self) -> None:
        load: Any = getattr(ctypes, "WinDLL")  # noqa: B009 - there is none on other systems
        self._last_error: Any = getattr(ctypes, "get_last_error")  # noqa: B009
        self._calls: dict[str, Any] = {}
        for library, signatures in _LIBRARIES:
            loaded = load(library, use_last_error=True)
            for name, (result, arguments) in signatures.items():
                call = getattr(loaded, name)
                call.restype, call.argtypes = result, arguments
                self._calls[name] = call

    def last_error(self) -> int:
        return int(self._last_error())

    def ask(self, call: str, *arguments: Any, path: str = "") -> Any:
        """The call's result. Raises WindowsFailure where it is 0, or no handle."""
        result = self._calls[call](*arguments)
        if not result or (call == "CreateFileW" and result == _INVALID):
            raise WindowsFailure(self.last_error(), call, path)
        return result

    def plain(self, call: str, *arguments: Any) -> Any:
        """The call's result, whatever it is."""
        return self._calls[call](*arguments)
