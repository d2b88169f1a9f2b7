r"""File names are bytes; this is how they are shown and read back without loss.

Valid UTF-8 stays as it is. Each byte that isn't, each control character and the backslash itself are written
`\xNN` (backslash: `\\`). `parse_shown` is the inverse. JSON, the command line and the console carry this form.
"""

import re
import unicodedata

_PLAIN = re.compile(rb"[ -\[\]-~]*")
"""Printable ASCII without the backslash."""
_DRIVE = re.compile(r"[A-Za-z]:(?=[\\/]|$)")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|\\)")


def shown(name: bytes) -> str:
    """A name or path as text: one line, printable, reversible by `parse_shown`."""
    if _PLAIN.fullmatch(name):
        return name.decode("ascii")
    out: list[str] = []
    for char in name.decode("utf-8", "surrogateescape"):
        code = ord(char)
        if char == "\\":
            out.append("\\\\")
        elif 0xDC80 <= code <= 0xDCFF:
            out.append(f"\\x{code - 0xDC00:02x}")
        elif unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"}:
            out.extend(f"\\x{byte:02x}" for byte in char.encode())
        else:
            out.append(char)
    return "".join(out)


def parse_shown(text: str) -> bytes:
    """The bytes of a name that `shown` wrote. A backslash that starts no escape stands for itself."""
    out = bytearray()
    at = 0
    for match in _ESCAPE.finditer(text):
        out += text[at : match.start()].encode("utf-8", "surrogateescape")
        body = match.group(1)
        out += b"\\" if body == "\\" else bytes([int(body[1:], 16)])
        at = match.end()
    out += text[at:].encode("utf-8", "surrogateescape")
    return bytes(out)


def portable(name: bytes) -> str:
    """A single name that every system takes as it stands: what isn't UTF-8, control characters, and `\\`, `:` and `%`
    are written `%NN`, byte by byte. Different names stay different."""
    out: list[str] = []
    for char in name.decode("utf-8", "surrogateescape"):
        if char in "\\:%" or unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            out.extend(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
        else:
            out.append(char)
    return "".join(out)


def _of_windows(path: str) -> bytes:
    names = path[2:].replace("\\", "/")
    return f"/{path[0].upper()}/{names}".encode("utf-8", "surrogatepass")


def absolute(path: str) -> str:
    """A path of a request, in shown form, without needless slashes. One that begins with a drive letter, as paths of
    Windows do, is taken literally: `C:\\Data` is `/C/Data`. Raises ValueError for what is no absolute path."""
    raw = _of_windows(path) if _DRIVE.match(path) else parse_shown(path)
    names = [name for name in raw.split(b"/") if name]
    if not raw.startswith(b"/") or b"\0" in raw or b"." in names or b".." in names:
        raise ValueError(f"{path or 'The empty path'} is no absolute path without . and .. in it")
    return shown(b"/" + b"/".join(names))
