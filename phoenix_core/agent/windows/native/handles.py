"""Open files and folders of Windows by their handles."""

import ctypes
import os
from typing import Any

from phoenix_core.agent.windows.attributes import REPARSE_POINT, SPARSE
from phoenix_core.agent.windows.native import layouts
from phoenix_core.agent.windows.native.api import HANDLE_EOF, MORE_DATA, NO_MORE_FILES, Api, IoStatus, Overlapped
from phoenix_core.agent.windows.seam import Details, FileFacts, StreamFacts, Use, WindowsFailure

BASIC_INFO, STANDARD_INFO, END_OF_FILE_INFO, STREAM_INFO, TAG_INFO, ID_INFO = 0, 1, 6, 7, 9, 18
BOTH_DIRECTORY, BOTH_DIRECTORY_RESTART, EXTENDED_DIRECTORY, EXTENDED_DIRECTORY_RESTART = 10, 11, 19, 20
"""FILE_INFO_BY_HANDLE_CLASS of minwinbase.h."""
PROCESSES_USING, TOO_SHORT = 47, 0xC0000004
"""FileProcessIdsUsingFileInformation of FILE_INFORMATION_CLASS (wdm.h); STATUS_INFO_LENGTH_MISMATCH."""
GET_REPARSE, SET_REPARSE, SET_SPARSE, SET_COMPRESSION = 0x900A8, 0x900A4, 0x900C4, 0x9C040
QUERY_RANGES = 0x940CF
OWNER, GROUP, DACL, SACL = 1, 2, 4, 8
_LISTING_BYTES = 2**16
_REPARSE_BYTES = 16384
_PROCESSES_BYTES = 1024
_RANGES_AT_ONCE = 4096
_NOT_KNOWN_HERE = frozenset({1, 50, 87, 124})
"""Errors of a file system that doesn't know a call: invalid function, not supported, invalid parameter or level."""


class Handle:
    """Closes with `close`; not thread-safe."""

    def __init__(self, api: Api, handle: Any, path: str) -> None:
        self._api = api
        self._handle = handle
        self.path = path

    def close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            self._api.plain("CloseHandle", handle)

    def __enter__(self) -> "Handle":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def ask(self, call: str, *arguments: Any) -> Any:
        return self._api.ask(call, self._handle, *arguments, path=self.path)

    def information(self, kind: int, length: int) -> bytes:
        buffer = ctypes.create_string_buffer(length)
        self.ask("GetFileInformationByHandleEx", kind, buffer, length)
        return buffer.raw

    def set_information(self, kind: int, data: bytes) -> None:
        self.ask("SetFileInformationByHandle", kind, data, len(data))

    def control(self, code: int, data: bytes = b"", answer_bytes: int = 0) -> bytes:
        """DeviceIoControl: what it answers. Raises WindowsFailure, also where the answer is longer."""
        buffer = ctypes.create_string_buffer(answer_bytes) if answer_bytes else None
        length = ctypes.c_uint32()
        self.ask("DeviceIoControl", code, data or None, len(data), buffer, answer_bytes, ctypes.byref(length), None)
        return buffer.raw[: length.value] if buffer is not None else b""

    def details(self) -> Details:
        basic = self.information(BASIC_INFO, layouts.BASIC.size)
        standard = self.information(STANDARD_INFO, layouts.STANDARD.size)
        tag = 0
        if layouts.BASIC.unpack(basic)[4] & REPARSE_POINT:
            tag = layouts.ATTRIBUTE_TAG.unpack(self.information(TAG_INFO, layouts.ATTRIBUTE_TAG.size))[1]
        try:
            serial, id128 = layouts.FILE_ID.unpack(self.information(ID_INFO, layouts.FILE_ID.size))
        except WindowsFailure as failure:
            if failure.code not in _NOT_KNOWN_HERE:
                raise
            serial, id128 = 0, bytes(16)
        facts = layouts.details_of(basic, standard, tag, id128)
        return Details(facts, layouts.STANDARD.unpack(standard)[2], serial)

    def use(self) -> Use:
        facts = self.details().facts
        return Use(facts.modified_ns, facts.changed_ns, bool(self._processes() - {os.getpid()}))

    def _processes(self) -> set[int]:
        """That have the file open; another one than this where there are too many to be listed."""
        buffer, status = ctypes.create_string_buffer(_PROCESSES_BYTES), IoStatus()
        answer = self._api.plain(
            "NtQueryInformationFile", self._handle, ctypes.byref(status), buffer, _PROCESSES_BYTES, PROCESSES_USING
        )
        if answer == TOO_SHORT:
            return {0}
        return set(layouts.process_ids(buffer.raw, ctypes.sizeof(ctypes.c_void_p))) if answer == 0 else set()

    def listing(self) -> list[FileFacts]:
        try:
            return self._listing(EXTENDED_DIRECTORY_RESTART, EXTENDED_DIRECTORY, extended=True)
        except WindowsFailure as failure:
            if failure.code not in _NOT_KNOWN_HERE:
                raise
        return self._listing(BOTH_DIRECTORY_RESTART, BOTH_DIRECTORY, extended=False)

    def _listing(self, first: int, further: int, *, extended: bool) -> list[FileFacts]:
        found: list[FileFacts] = []
        kind = first
        while True:
            try:
                buffer = self.information(kind, _LISTING_BYTES)
            except WindowsFailure as failure:
                if failure.code == NO_MORE_FILES or (failure.code == 2 and kind == first):
                    return found  # an empty root folder of FAT has no file at all
                raise
            found += layouts.directory_entries(buffer, extended=extended)
            kind = further

    def streams(self) -> list[StreamFacts]:
        length = 4096
        while True:
            try:
                return list(layouts.named_streams(self.information(STREAM_INFO, length)))
            except WindowsFailure as failure:
                if failure.code == HANDLE_EOF or failure.code in _NOT_KNOWN_HERE:
                    return []
                if failure.code != MORE_DATA:
                    raise
            length *= 4

    def security(self, parts: int) -> bytes:
        needed = ctypes.c_uint32()
        self._api.plain("GetKernelObjectSecurity", self._handle, parts, None, 0, ctypes.byref(needed))
        buffer = ctypes.create_string_buffer(max(needed.value, 1))
        self.ask("GetKernelObjectSecurity", parts, buffer, len(buffer), ctypes.byref(needed))
        return buffer.raw[: needed.value]

    def reparse_data(self) -> bytes:
        return self.control(GET_REPARSE, answer_bytes=_REPARSE_BYTES)

    def ranges(self, attributes: int, size: int) -> list[tuple[int, int]] | None:
        """None: all of it may hold data."""
        if not attributes & SPARSE:
            return None
        found: list[tuple[int, int]] = []
        at = 0
        while at < size:
            buffer = ctypes.create_string_buffer(_RANGES_AT_ONCE * layouts.RANGE.size)
            length = ctypes.c_uint32()
            done = self._api.plain(
                "DeviceIoControl",
                self._handle,
                QUERY_RANGES,
                layouts.RANGE.pack(at, size - at),
                layouts.RANGE.size,
                buffer,
                len(buffer),
                ctypes.byref(length),
                None,
            )
            if not done and self._api.last_error() != MORE_DATA:
                return None
            some = layouts.ranges(buffer.raw[: length.value])
            found += some
            if done or not some:
                return found
            at = some[-1][0] + some[-1][1]
        return found

    def read_at(self, into: memoryview, offset: int) -> int:
        buffer = (ctypes.c_char * len(into)).from_buffer(into)
        count = ctypes.c_uint32()
        try:
            self.ask("ReadFile", buffer, len(into), ctypes.byref(count), ctypes.byref(Overlapped.at(offset)))
        except WindowsFailure as failure:
            if failure.code != HANDLE_EOF:
                raise
            return 0
        return count.value

    def write_at(self, data: bytes | memoryview, offset: int) -> None:
        left = bytes(data)
        while left:
            count = ctypes.c_uint32()
            self.ask("WriteFile", left, len(left), ctypes.byref(count), ctypes.byref(Overlapped.at(offset)))
            left, offset = left[count.value :], offset + count.value

    def real_path(self) -> str:
        length = 32768
        buffer = ctypes.create_unicode_buffer(length)
        self.ask("GetFinalPathNameByHandleW", buffer, length, 0)
        return buffer.value
