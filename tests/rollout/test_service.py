"""What a core serves to servers that don't run Phoenix yet, over its real port: three things, and nothing else."""

import asyncio
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from phoenix_core import __version__
from phoenix_core.rollout.bundle import Bundle, BundleShelf
from phoenix_core.rollout.script import ServedScript, script
from phoenix_core.rollout.service import InstallService
from tests.engine.rig import Rig
from tests.rollout.standin import bundle_of, phoenix

LONG_BYTES = 24 << 20
"""More than what the kernel takes of a download that nobody reads."""


async def get(core: Rig, path: str) -> tuple[int, bytes]:
    """As a host without a certificate, whose client doesn't tidy paths up."""
    assert core.core is not None
    url = core.core.link_url
    context = ssl._create_unverified_context()
    reader, writer = await _dial(url, context)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: core\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


async def _dial(url: str, context: ssl.SSLContext):  # type: ignore[no-untyped-def]
    host, port = url.removeprefix("https://").split(":")
    return await asyncio.open_connection(host, int(port), ssl=context)


async def test_script_list_and_wheels_are_served_to_anybody(core: Rig, shelf: BundleShelf, tmp_path: Path) -> None:
    status, body = await get(core, "/install/v1/bundle")
    assert (status, msgspec.json.decode(body)["code"]) == (409, "bundle_missing")
    wheel = phoenix(tmp_path, __version__, ballast=700_000)
    shelf.put(bundle_of(__version__, [wheel]), [wheel])
    assert await get(core, "/install/v1/script") == (200, script())
    status, body = await get(core, "/install/v1/bundle")
    bundle = msgspec.json.decode(body, type=Bundle)
    assert (status, bundle.version) == (200, __version__)
    assert await get(core, f"/install/v1/wheels/{bundle.wheels[wheel.name].sha256}") == (200, wheel.read_bytes())


async def test_nothing_else_comes_out_by_that_way(core: Rig, shelf: BundleShelf, tmp_path: Path) -> None:
    wheel = phoenix(tmp_path, __version__)
    shelf.put(bundle_of(__version__, [wheel]), [wheel])
    other = hashlib.sha256(b"another").hexdigest()
    (shelf.folder / "wheels" / f"{other}.whl").write_bytes(b"not in the list")
    assert (await get(core, f"/install/v1/wheels/{other}"))[0] == 404
    for path in (
        "/install/v1/wheels/../bundle.json",
        "/install/v1/wheels/..%2f..%2fcatalog.sqlite",
        "/install/v1/wheels/%2e%2e/%2e%2e/pki/ca-key.pem",
        "/install/v1/wheels//etc/passwd",
        "/install/v1/wheels/",
        "/install/v1/",
        "/install/v1/script/../../../pki/ca-key.pem",
        "/install/v1/catalog.sqlite",
    ):
        status, body = await get(core, path)
        assert status in {400, 404}, path
        assert b"PRIVATE" not in body


@asynccontextmanager
async def served(service: InstallService) -> AsyncIterator[tuple[str, int]]:
    """By itself, on a port of its own."""
    app = web.Application()
    service.add_routes(app)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield str(host), int(port)
    finally:
        await runner.cleanup()


async def test_a_download_that_is_not_read_is_given_up(tmp_path: Path) -> None:
    shelf = BundleShelf(tmp_path / "bundle")
    wheel = phoenix(tmp_path, __version__, ballast=LONG_BYTES)
    shelf.put(bundle_of(__version__, [wheel]), [wheel])
    async with served(InstallService(shelf, ServedScript(), at_once=1, download_s=4.0)) as (host, port):
        path = f"http://{host}:{port}/install/v1/wheels/{shelf.current().wheels[wheel.name].sha256}"
        async with aiohttp.ClientSession(read_bufsize=1024) as session:
            slow = await session.get(path)
            async with session.get(path) as waiting:
                assert await waiting.read() == wheel.read_bytes()
            with pytest.raises(aiohttp.ClientError):
                await slow.read()


class WatchedShelf(BundleShelf):
    """Notes of each wheel that is opened whether a download had ended before."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.one_has_ended = False
        self.opened: list[bool] = []

    def open_wheel(self, sha256: str) -> tuple[int, int]:
        self.opened.append(self.one_has_ended)
        return super().open_wheel(sha256)


async def test_sixteen_downloads_go_on_at_a_time_and_the_next_one_waits_for_the_end_of_one(tmp_path: Path) -> None:
    shelf = WatchedShelf(tmp_path / "bundle")
    wheel = phoenix(tmp_path, __version__, ballast=LONG_BYTES)
    shelf.put(bundle_of(__version__, [wheel]), [wheel])
    path = f"/install/v1/wheels/{shelf.current().wheels[wheel.name].sha256}"
    async with served(InstallService(shelf, ServedScript())) as (host, port):
        begun = [await downloading(host, port, path) for _ in range(16)]
        next_one = asyncio.create_task(downloading(host, port, path), name="next download")
        (await downloading(host, port, "/install/v1/bundle")).close()  # meanwhile the next one has been heard
        shelf.one_has_ended = True
        begun.pop().close()
        begun.append(await next_one)
        for writer in begun:
            writer.close()
    assert shelf.opened == [False] * 16 + [True]


async def downloading(host: str, port: int, path: str) -> asyncio.StreamWriter:
    """A request whose answer has begun, and isn't read any further."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.setblocking(False)
    await asyncio.get_running_loop().sock_connect(line, (host, port))
    reader, writer = await asyncio.open_connection(sock=line, limit=4096)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: core\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 ")
    return writer
