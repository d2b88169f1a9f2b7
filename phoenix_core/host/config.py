"""What a core needs to start: `DATA/phoenix.toml`. All other settings are in the catalog.

[core]
listen = "0.0.0.0:8443"                    # agent link, storage and enrolment
urls = ["https://backup.example.com:8443"] # how agents reach it; default: this host's name
[storage]
path = "/srv/phoenix/vault"                # default: DATA/vault
[log]
level = "info"                             # debug, info, warning, error
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.errors import ConfigInvalid, ConfigUnreadable
from phoenix_core.host.process import hostname

DEFAULT_PORT = 8443
EVERYWHERE = "0.0.0.0"  # noqa: S104 - a core that serves other hosts listens on all addresses
LOOPBACK = "127.0.0.1"
LOG_LEVELS = ("debug", "info", "warning", "error")
_LISTEN = re.compile(r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<plain>[A-Za-z0-9.-]*))(?::(?P<port>\d{1,5}))?")
_AT_LINE = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)


class CoreConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How a core listens, and where the vault lies."""

    listen_host: str = LOOPBACK
    listen_port: int = 0
    """0: one that is free, the same as last time where that can be."""
    urls: tuple[str, ...] = ()
    """How agents reach the core; empty: by the address that it listens on."""
    vault_path: Path | None = None
    log_level: str = "info"
    embedded: bool = True
    """The core runs inside a command or the console, not as a service."""
    take_over: bool = False
    """Take the vault from a storage node that is known to be gone for good; of the command line, not of the file."""


def read_config(data: DataDirectory, *, embedded: bool) -> CoreConfig:
    """The configuration of the data directory; defaults where it has none. Blocks.

    A service listens on all addresses by default, an embedded core on loopback and a free port.
    Raises ConfigInvalid with the line, ConfigUnreadable."""
    try:
        text = data.config.read_text("utf-8")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        detail = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigUnreadable(path=data.config, detail=detail) from error
    return parse_config(text, data.config, embedded=embedded)


def parse_config(text: str, path: Path, *, embedded: bool) -> CoreConfig:
    """`path` is named in errors. Raises ConfigInvalid with the line."""
    values = _values(text, path)
    host, port = (LOOPBACK, 0) if embedded else (EVERYWHERE, DEFAULT_PORT)
    host, port = values.pop("listen", (host, port))
    if "urls" not in values and not embedded and host == EVERYWHERE:
        values["urls"] = (f"https://{hostname()}:{port}",)
    return CoreConfig(listen_host=host, listen_port=port, embedded=embedded, **values)


def _values(text: str, path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        detail, line = _where(str(error), text)
        raise ConfigInvalid(path=path, line=line, detail=detail) from error
    values: dict[str, Any] = {}
    for table, content in document.items():
        known = _TABLES.get(table)
        if known is None or not isinstance(content, Mapping):
            what = f"[{table}] is not known" if known is None else f"{table} must be a table"
            tables = ", ".join(f"[{name}]" for name in _TABLES)
            raise ConfigInvalid(path=path, line=_line_of(text, table), detail=f"{what}; there are {tables}")
        for key, value in content.items():
            line = _line_of(text, table, key)
            if key not in known:
                detail = f"[{table}] has no {key}; it has {', '.join(known)}"
                raise ConfigInvalid(path=path, line=line, detail=detail)
            field, check = known[key]
            try:
                values[field] = check(value)
            except ValueError as error:
                raise ConfigInvalid(path=path, line=line, detail=f"{key} {error}") from error
    return values


# --- what each key takes ---------------------------------------------------------------------------------------------


def _listen(value: object) -> tuple[str, int]:
    match = _LISTEN.fullmatch(value) if isinstance(value, str) and value else None
    port = int(match.group("port") or DEFAULT_PORT) if match else -1
    if match is None or not 0 <= port <= 65535:
        raise ValueError('must be "address:port", such as "0.0.0.0:8443" or "[::]:8443"')
    return match.group("bracketed") or match.group("plain") or EVERYWHERE, port


def _urls(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError('must be a list of texts, such as ["https://backup.example.com:8443"]')
    for url in value:
        if not _is_core_url(url):
            raise ValueError(f"holds {url!r}, which is not of the form https://host:port")
    return tuple(url.rstrip("/") for url in value)


def _is_core_url(url: str) -> bool:
    try:
        parts: SplitResult = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    bare = parts.path in {"", "/"} and not parts.query and not parts.fragment and "@" not in parts.netloc
    return parts.scheme == "https" and bool(parts.hostname) and port != 0 and bare


def _folder(value: object) -> Path:
    if not isinstance(value, str) or not Path(value).expanduser().is_absolute():
        raise ValueError("must be the absolute path of a folder")
    return Path(value).expanduser()


def _level(value: object) -> str:
    if not isinstance(value, str) or value.lower() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return value.lower()


_TABLES: dict[str, dict[str, tuple[str, Callable[[object], object]]]] = {
    "core": {"listen": ("listen", _listen), "urls": ("urls", _urls)},
    "storage": {"path": ("vault_path", _folder)},
    "log": {"level": ("log_level", _level)},
}


# --- where a mistake stands ------------------------------------------------------------------------------------------


def _where(message: str, text: str) -> tuple[str, int]:
    """What tomllib says, without the place, and the line."""
    found = _AT_LINE.fullmatch(message)
    if found is None:
        return message, 1
    return found.group(1), int(found.group(2) or text.count("\n") + 1)


def _line_of(text: str, table: str, key: str | None = None) -> int:
    """The line on which the table or its key stands, as near as a look without a parser can tell."""
    header = re.compile(rf"\s*\[\s*[\"']?{re.escape(table)}[\"']?\s*[\].]")
    inline = re.compile(rf"\s*[\"']?{re.escape(table)}[\"']?\s*[=.]")
    assignment = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]") if key is not None else None
    at, inside = 0, False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("["):
            inside = bool(header.match(line))
            at = number if inside and not at else at
        elif inside and assignment is not None and assignment.match(line):
            return number
        elif inline.match(line) and not at:
            at = number
    return at or 1
