"""The HTTP service never blocks the event loop, and storage never touches a key."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from blockbuster import blockbuster_ctx

from phoenix_core.domain.ids import ChunkId
from phoenix_core.storage import service, wire
from phoenix_core.storage.service import add_storage_routes
from tests.storage.rig import Rig, ids_of, some_chunks


async def test_the_loop_is_free_while_packs_go_in_and_out(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    token = rig.job().token
    (pack,) = rig.packs([os.urandom(1_000_000) for _ in range(4)])
    content = os.pread(pack.fd, pack.length, 0)
    pack.close()
    app = web.Application()
    add_storage_routes(app, rig.node)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/storage/v1"
    headers = {"Authorization": f"Bearer {token}"}
    with blockbuster_ctx():
        async with aiohttp.ClientSession(headers=headers) as client:
            async with client.put(f"{url}/packs/{pack.pack_id.hex()}", data=content) as answer:
                assert answer.status == 200, await answer.text()
            async with client.post(f"{url}/job", data=wire.encode(wire.Present(list(ids_of(pack))))) as answer:
                assert wire.encode([True] * 4) == await answer.read()
            async with client.get(f"{url}/packs/{pack.pack_id.hex()}") as answer:
                assert await answer.read() == content
                assert answer.content_type == "application/octet-stream"
            async with client.get(f"{url}/packs/{pack.pack_id.hex()}", headers={"Range": "bytes=5-9"}) as answer:
                assert (answer.status, await answer.read()) == (206, content[5:10])
                assert answer.headers["Content-Range"] == f"bytes 5-9/{len(content)}"
            bad = {"Range": f"bytes={len(content)}-"}
            async with client.get(f"{url}/packs/{pack.pack_id.hex()}", headers=bad) as answer:
                assert answer.status == 416
            async with client.put(f"{url}/packs/{'0' * 64}", data=content) as answer:
                assert answer.status == 422
                assert (await answer.json())["code"] == "pack_refused"
            core = rig.token(rights="core")
            async with client.post(
                f"{url}/core", data=wire.encode(wire.Status()), headers={"Authorization": f"Bearer {core}"}
            ) as answer:
                assert answer.status == 200
    await runner.cleanup()
    await asyncio.to_thread(rig.node.close)


async def test_calls_are_decoded_and_answers_encoded_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call may name a million chunks."""
    rig = Rig(tmp_path)
    working: list[str] = []

    def noting(work: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def noted(value: object) -> Any:
            working.append(threading.current_thread().name)
            return work(value)

        return noted

    for name in ("decode_job_call", "decode_core_call", "encode"):
        monkeypatch.setattr(service, name, noting(getattr(service, name)))
    app = web.Application()
    add_storage_routes(app, rig.node)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/storage/v1"
    unknown = [os.urandom(32) for _ in range(5000)]
    async with aiohttp.ClientSession() as client:
        for path, token, call, expected in (
            ("job", rig.job().token, wire.Present(unknown), [False] * 5000),
            ("core", rig.token(rights="core"), wire.LocateAll(unknown), [[]] * 5000),
        ):
            headers = {"Authorization": f"Bearer {token}"}
            async with client.post(f"{url}/{path}", data=wire.encode(call), headers=headers) as answer:
                assert wire.encode(expected) == await answer.read()
    assert len(working) == 4
    assert all(name.startswith("storage-http") for name in working)
    await runner.cleanup()
    await asyncio.to_thread(rig.node.close)


async def test_a_request_that_is_cancelled_finishes_its_write_first(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    token = rig.job().token
    app = web.Application()
    add_storage_routes(app, rig.node)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/storage/v1"
    started, unknown = asyncio.Event(), os.urandom(32)

    async def endless() -> object:
        yield b"x" * 3_000_000
        started.set()
        await asyncio.Event().wait()

    async with aiohttp.ClientSession() as client:
        headers = {"Authorization": f"Bearer {token}", "Content-Length": "9000000"}
        put = asyncio.create_task(
            client.put(f"{url}/packs/{unknown.hex()}", data=endless(), headers=headers), name="put that never ends"
        )
        await started.wait()
        await runner.cleanup()
        await asyncio.gather(put, return_exceptions=True)
    assert os.listdir(tmp_path / "vault" / ".incoming") == []
    assert rig.node.job_node(token).present([ChunkId(unknown)]) == [False]
    await asyncio.to_thread(rig.put, rig.node.job_node(token), some_chunks(1))
    await asyncio.to_thread(rig.node.close)


def test_no_key_code_is_loaded_with_storage() -> None:
    check = """
import sys, pkgutil, importlib
import phoenix_core.storage as storage
for found in pkgutil.iter_modules(storage.__path__):
    importlib.import_module(f"phoenix_core.storage.{found.name}")
bad = [name for name in sys.modules if name in {
    "phoenix_core.vault.vaultkey", "phoenix_core.vault.unseal", "phoenix_core.vault.wrap",
    "phoenix_core.host.keyholder", "keyring", "sqlalchemy", "argon2", "textual"}]
sys.exit(", ".join(bad) or None)
"""
    subprocess.run([sys.executable, "-c", check], check=True)
