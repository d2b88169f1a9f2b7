"""Paths in a vault and paths of Windows: `/C/Data/x` is `C:\\Data\\x`, on the volume itself or on its shadow copy."""

import re
from collections.abc import Mapping

from phoenix_core.agent.windows.errors import NoDriveInPath
from phoenix_core.agent.windows.names import to_bytes, to_text
from phoenix_core.domain.names import shown

EXTENDED = "\\\\?\\"
_DRIVE = re.compile(rb"[A-Za-z]")
_NATIVE = re.compile(r"(?:\\\\\?\\)?([A-Za-z]):(?:\\(.*))?", re.DOTALL)


def split(path: bytes) -> tuple[str, tuple[bytes, ...]]:
    """The drive letter, upper case, and the names below it. Raises `NoDriveInPath`; also for `/`, which is no drive."""
    names = [name for name in path.split(b"/") if name not in {b"", b"."}]
    if not path.startswith(b"/") or not names or not _DRIVE.fullmatch(names[0]) or b".." in names:
        raise NoDriveInPath(path=shown(path))
    return names[0].decode().upper(), tuple(names[1:])


def live_root(letter: str) -> str:
    """A volume's root without a backslash at the end."""
    return f"{EXTENDED}{letter}:"


def native(roots: Mapping[str, str], path: bytes) -> str:
    """The path in extended form; `roots` by drive letter. Raises `NoDriveInPath`, and ValueError for what is no
    name."""
    letter, names = split(path)
    root = roots.get(letter)
    if root is None:
        raise NoDriveInPath(path=shown(path))
    return root + "\\" + "\\".join(map(to_text, names))


def below(folder: str, name: str) -> str:
    return f"{folder}{name}" if folder.endswith("\\") else f"{folder}\\{name}"


def in_vault(path: str) -> bytes:
    """Of a live path in extended or ordinary form. Raises `NoDriveInPath`."""
    match = _NATIVE.fullmatch(path)
    if match is None:
        raise NoDriveInPath(path=shown(to_bytes(path)))
    names = [name for name in (match.group(2) or "").split("\\") if name]
    return b"/" + b"/".join([match.group(1).upper().encode(), *map(to_bytes, names)])


def told(path: bytes) -> str:
    """For people: `C:\\Data\\x`, in shown form but for its backslashes; what has no drive stays as it is."""
    try:
        letter, names = split(path)
    except NoDriveInPath:
        return shown(path)
    return f"{letter}:\\" + "\\".join(map(shown, names))
