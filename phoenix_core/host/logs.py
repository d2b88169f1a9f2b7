"""Logs: one JSON object a line, UTC, in DATA/logs/<role>.log, rotated; structlog and the libraries' loggers alike.

Nothing secret gets in: values under telling names, activation tokens and signed tokens are blotted out, bytes are
shown by their length only.
"""

import logging
import os
import re
from collections.abc import Mapping, MutableMapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.types import Processor

from phoenix_core.host.atomicfile import make_folders
from phoenix_core.host.openfiles import CLOSED_AT_EXEC

MAX_BYTES = 10 << 20
KEPT_FILES = 5
BLOT = "[secret]"
_SECRET_NAMES = re.compile(r"(?i)(^|_)(key|secret|token|passphrase|password|passwd|authorization|cookie)s?($|_)")
_HARMLESS = re.compile(r"(?i)(^|_)(key_?(id|holder|epoch|bytes|file)|token_?(role|id)|public_key)($|_)")
_SECRET_VALUES = re.compile(
    r"phx\d+\.[A-Za-z0-9_-]{16,}=*"  # activation tokens
    r"|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"  # signed tokens (JWT)
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----",
    re.DOTALL,
)


def configure_logs(folder: Path, role: str, level: str = "info", *, also_to: TextIO | None = None) -> Path:
    """Send this process's logs to `<folder>/<role>.log` (mode 0600); gives its path. `also_to` gets readable lines too.

    One process per role writes there. Calling it again replaces what was set up before."""
    make_folders(folder)
    path = folder / f"{role}.log"
    file = _PrivateRotatingFile(path, maxBytes=MAX_BYTES, backupCount=KEPT_FILES, encoding="utf-8", delay=True)
    file.setFormatter(_formatter(structlog.processors.JSONRenderer()))
    handlers: list[logging.Handler] = [file]
    if also_to is not None:
        stream = logging.StreamHandler(also_to)
        stream.setFormatter(_formatter(structlog.dev.ConsoleRenderer(colors=also_to.isatty())))
        handlers.append(stream)
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old, RotatingFileHandler | logging.StreamHandler):
            root.removeHandler(old)
            old.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level.upper())
    for noisy in ("aiosqlite", "alembic", "asyncio", "sqlalchemy.engine", "botocore"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    return path


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]


def _formatter(renderer: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_shared()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            blot_secrets,
            renderer,
        ],
    )


def blot_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: takes out of an event what must not be written down."""
    return {name: _blotted(name, value) for name, value in event.items()}


def _blotted(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if _SECRET_NAMES.search(name) and not _HARMLESS.search(name):
        return BLOT
    match value:
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case Mapping():
            return {str(key): _blotted(str(key), each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_blotted(name, each) for each in value]
    return _SECRET_VALUES.sub(BLOT, str(value))


class _PrivateRotatingFile(RotatingFileHandler):
    """Readable by its owner only, from the first moment."""

    def _open(self) -> Any:
        os.close(os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND | CLOSED_AT_EXEC, 0o600))
        return super()._open()
