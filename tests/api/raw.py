"""The API without the typed client: for requests that it would never send."""

from typing import Any

import aiohttp
import msgspec

from phoenix_core.domain.errors import ErrorView
from tests.engine.rig import Rig


async def raw(rig: Rig, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
    """Status and decoded JSON of an answer."""
    connector = aiohttp.UnixConnector(path=str(rig.data.core_socket))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.request(method, f"http://core{path}", data=body) as response,
    ):
        return response.status, msgspec.json.decode(await response.read())


async def refused(rig: Rig, method: str, path: str, body: bytes | None = None) -> tuple[int, ErrorView]:
    status, answer = await raw(rig, method, path, body)
    assert status >= 400, answer
    return status, msgspec.convert(answer, ErrorView)
