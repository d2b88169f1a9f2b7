"""Unix sockets below folders whose paths are longer than the 107 bytes that a socket address holds."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ADDRESS_MAX_BYTES = 107


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """An address for `path` that fits, valid inside the block: the path itself, else one through an open folder."""
    if len(os.fsencode(path)) <= ADDRESS_MAX_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listen_unix(path: Path, mode: int = 0o600, backlog: int = 128) -> socket.socket:
    """A listening stream socket at `path`, of this mode from its first moment; a stale one left there is replaced."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        os.fchmod(server.fileno(), mode)
        with socket_address(path) as address:
            server.bind(address)
        path.chmod(mode)
        server.listen(backlog)
    except BaseException:
        server.close()
        raise
    return server
