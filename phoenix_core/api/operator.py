"""Who asks: the account at the other end of the Unix socket, as the kernel names it (SO_PEERCRED)."""

import asyncio
import pwd
import socket
import struct
from functools import lru_cache

from aiohttp import web

_CREDENTIALS = struct.Struct("3i")
"""pid, uid, gid."""


async def operator_of(request: web.Request) -> str:
    """The operator's account name, or `uid N` where it has none."""
    connection = request.get_extra_info("socket")
    if connection is None or connection.family != socket.AF_UNIX:
        return "unknown"
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(credentials)
    # A directory service may answer, and slowly.
    return await asyncio.to_thread(_account, uid)


@lru_cache(maxsize=256)
def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
