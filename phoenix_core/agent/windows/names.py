"""Names of Windows: UTF-16 with anything in it, kept as bytes (WTF-8) in a vault, compared without regard to case.

WTF-8 (https://wtf-8.codeberg.page) is UTF-8 that also encodes lone surrogates, each in three bytes; a pair is always
one character of four. So every name has one form, and ordinary names are ordinary UTF-8.
"""

from functools import lru_cache

FORBIDDEN = frozenset('\\/:*?"<>|') | {chr(code) for code in range(32)}
NAME_UNITS_MAX = 255
"""UTF-16 units of a name on NTFS."""
STREAM_FORBIDDEN = frozenset("\\/:") | {"\0"}


def to_bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")


def to_text(name: bytes) -> str:
    """Raises ValueError for bytes that are no WTF-8, or are in another form than `to_bytes` gives."""
    text = name.decode("utf-8", "surrogatepass")
    if to_bytes(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")) != name:
        raise ValueError("a pair of surrogates is written as two")
    return text


def fault_of_name(name: str) -> str:
    """Why a file or folder can't have this name; empty: it can. What only some programs dislike is allowed."""
    if name in {"", ".", ".."}:
        return "it is no name"
    if any(char in FORBIDDEN for char in name):
        return "a character in it is not allowed on Windows"
    if len(name.encode("utf-16-le", "surrogatepass")) > 2 * NAME_UNITS_MAX:
        return "it is too long for Windows"
    return ""


def fault_of_stream(name: str) -> str:
    """The same for the name of a stream, without colons."""
    if not name or any(char in STREAM_FORBIDDEN for char in name):
        return "it is no name of a stream"
    if len(name.encode("utf-16-le", "surrogatepass")) > 2 * NAME_UNITS_MAX:
        return "it is too long for Windows"
    return ""


@lru_cache(4096)
def _upper(char: str) -> str:
    upper = char.upper()
    return upper if len(upper) == 1 and ord(upper) <= 0xFFFF else char


def folded(name: str) -> str:
    """Equal for names that differ in case only. NTFS compares by upper-case letters, unit by unit, by a table that each
    volume carries from when it was formatted; Unicode's own table is nearly that, and never says less of ASCII."""
    return name.upper() if name.isascii() else "".join(map(_upper, name))


def folded_bytes(path: bytes) -> bytes:
    """The same of a path in a vault; bytes that are no text stay."""
    return to_bytes(folded(path.decode("utf-8", "surrogatepass"))) if _is_text(path) else path


def _is_text(path: bytes) -> bool:
    try:
        path.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True
