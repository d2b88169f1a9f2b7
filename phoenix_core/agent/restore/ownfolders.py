"""Folders that Phoenix keeps its own data in, told by what is in them: nothing is restored into any of them.

A host may have several: the core's, its vaults, the data of further agents. Whose they are doesn't matter.
"""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from phoenix_core.agent.restore.folders import open_root
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.vault.descriptor import MAX_DESCRIPTOR_BYTES
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.layout import DESCRIPTOR, PACKS, RECORDS, SNAPSHOTS

VAULT = "a vault"
DATA = "a data directory of Phoenix"
_DESCRIPTOR = os.fsencode(DESCRIPTOR)
_VAULT_FOLDERS = tuple(os.fsencode(name.rstrip("/")) for name in (PACKS + PackKind.META.value, SNAPSHOTS, RECORDS))
_data = DataDirectory(Path("/"))
_DATA_MARKS = tuple(
    os.fsencode(path.name)
    for path in (_data.config, _data.catalog, _data.core_lock, _data.core_socket, _data.key_holder, _data.pki)
)
SCRATCH = os.fsencode(_data.spool.name)
_MARKS_NEEDED = 2
"""Of a data directory: any one of the names may stand elsewhere too."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class _Marks(msgspec.Struct):
    """What tells a vault's descriptor, of whatever version, from another file of its name."""

    vault_id: str
    format_version: int


def kind_of(folder: int) -> str:
    """What the open folder is to Phoenix: `VAULT`, `DATA`, or empty."""
    if _is_vault(folder):
        return VAULT
    found = 0
    for name in _DATA_MARKS:
        found += _mode(folder, name) != 0
        if found >= _MARKS_NEEDED:
            return DATA
    return ""


def kind_around(path: bytes) -> tuple[str, bytes]:
    """What a path, absolute and without links, lies in or is: the kind and its folder; empty where that is nothing of
    Phoenix's. The scratch space of a data directory holds nothing that must be kept: quickstart restores into it."""
    at, above = path, b""
    while True:
        with suppress(OSError):
            folder = open_root(at)
            try:
                kind = kind_of(folder)
            finally:
                os.close(folder)
            if kind and not (kind == DATA and above == SCRATCH):
                return kind, at
        if at == b"/":
            return "", b""
        at, above = os.path.split(at)


def _is_vault(folder: int) -> bool:
    if stat.S_ISREG(_mode(folder, _DESCRIPTOR)) and _is_descriptor(folder):
        return True
    return _are_folders(folder, _VAULT_FOLDERS)


def _is_descriptor(folder: int) -> bool:
    try:
        fd = os.open(_DESCRIPTOR, _READ, dir_fd=folder)
    except OSError:
        return False
    with open(fd, "rb") as file:
        try:
            msgspec.json.decode(file.read(MAX_DESCRIPTOR_BYTES + 1), type=_Marks)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return False
    return True


def _are_folders(folder: int, names: Iterable[bytes]) -> bool:
    """A vault that lost its descriptor, or whose descriptor is damaged, is a vault all the same."""
    return all(stat.S_ISDIR(_mode(folder, name)) for name in names)


def _mode(folder: int, name: bytes) -> int:
    """0 where nothing is there that can be looked at."""
    try:
        return os.lstat(name, dir_fd=folder).st_mode
    except OSError:
        return 0
