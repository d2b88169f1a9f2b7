"""Snapshots over WebDAV: by its rules, and with a client that people use."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree as ET

import aiohttp
import pytest

from phoenix_core.mount.errors import PortUnusable
from phoenix_core.mount.snapshotfolder import SnapshotFolder
from phoenix_core.mount.webdav import USER, serving
from tests.api.test_downloads import damage_the_largest_pack
from tests.engine.rig import Rig
from tests.mount.conftest import LARGE

PASSWORD = "a-password-of-this-test"
DAV = "{DAV:}"


def login(user: str, password: str) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(user, password)}


@pytest.fixture
async def url(folder: SnapshotFolder) -> AsyncIterator[str]:
    async with serving(folder, 0, PASSWORD) as address:
        yield address


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=login(USER, PASSWORD)) as opened:
        yield opened


async def test_nothing_is_told_without_the_password(url: str) -> None:
    assert url.startswith("http://127.0.0.1:")
    for headers in ({}, login(USER, "guessed"), login("root", PASSWORD), {"Authorization": "Bearer \xe9"}):
        async with aiohttp.ClientSession(headers=headers) as session:
            for method in ("GET", "PROPFIND", "OPTIONS", "PUT"):
                async with session.request(method, url + "web1/") as got:
                    assert (got.status, await got.read()) == (401, b"")


async def test_folders_are_listed(url: str, session: aiohttp.ClientSession) -> None:
    async def listed(path: str, depth: str = "1") -> dict[str, ET.Element]:
        async with session.request("PROPFIND", url + path, headers={"Depth": depth}) as got:
            assert got.status == 207
            root = ET.fromstring(await got.read())
        return {each.findtext(f"{DAV}href", ""): each for each in root.findall(f"{DAV}response")}

    assert list(await listed("")) == ["/", "/web1/"]
    found = await listed("web1/latest/srv")
    assert list(found) == [
        "/web1/latest/srv/",
        "/web1/latest/srv/%3Cb%3E%26.html",
        "/web1/latest/srv/deep/",
        "/web1/latest/srv/large",
        "/web1/latest/srv/odd%0Aname%20%E2%98%83",
    ]
    large = found["/web1/latest/srv/large"]
    assert large.findtext(f".//{DAV}getcontentlength") == str(len(LARGE))
    assert large.find(f".//{DAV}collection") is None
    assert found["/web1/latest/srv/deep/"].find(f".//{DAV}collection") is not None
    assert list(await listed("web1/latest/srv", "0")) == ["/web1/latest/srv/"]
    async with session.request("PROPFIND", url, headers={"Depth": "infinity"}) as got:
        assert (got.status, "propfind-finite-depth" in await got.text()) == (403, True)


async def test_files_come_whole_and_in_ranges(url: str, session: aiohttp.ClientSession) -> None:
    where = url + "web1/latest/srv/large"
    async with session.get(where) as got:
        assert (got.status, await got.read()) == (200, LARGE)
        tag = got.headers["ETag"]
    async with session.get(where, headers={"Range": "bytes=1000-1999"}) as got:
        assert (got.status, await got.read()) == (206, LARGE[1000:2000])
        assert got.headers["Content-Range"] == f"bytes 1000-1999/{len(LARGE)}"
    async with session.get(where, headers={"Range": "bytes=-5", "If-Range": tag}) as got:
        assert (got.status, await got.read()) == (206, LARGE[-5:])
    async with session.get(where, headers={"Range": f"bytes={len(LARGE)}-"}) as got:
        assert got.status == 416
    async with session.head(where) as got:
        assert (got.status, got.headers["Content-Length"]) == (200, str(len(LARGE)))


async def test_it_is_read_only_and_says_so(url: str, session: aiohttp.ClientSession) -> None:
    async with session.options(url) as got:
        assert (got.headers["DAV"], got.headers["Allow"]) == ("1", "OPTIONS, GET, HEAD, PROPFIND")
    for method in ("PUT", "DELETE", "MKCOL", "MOVE", "COPY", "LOCK", "PROPPATCH", "POST"):
        async with session.request(method, url + "web1/latest/srv/large") as got:
            assert got.status == 405, method
    for path in ("web1/latest/srv/none", "web2", "web1/%2e%2e/%2e%2e/etc/passwd"):
        async with session.get(url + path) as got:
            assert got.status == 404, path


async def test_a_page_out_of_a_backup_does_not_run_in_a_browser(url: str, session: aiohttp.ClientSession) -> None:
    async with session.get(url + "web1/latest/srv") as got:
        page = await got.text()
        assert "<b>&." not in page
        assert "&lt;b&gt;&amp;.html" in page
    async with session.get(url + "web1/latest/srv/%3Cb%3E%26.html") as got:
        assert (got.headers["Content-Disposition"], got.headers["X-Content-Type-Options"]) == ("attachment", "nosniff")


async def test_damage_cuts_the_answer(rig: Rig, url: str, session: aiohttp.ClientSession) -> None:
    damage_the_largest_pack(rig.data.vault)
    async with session.get(url + "web1/latest/srv/large") as got:
        with pytest.raises(aiohttp.ClientPayloadError):
            await got.read()


async def test_a_port_in_use_is_told(folder: SnapshotFolder, url: str) -> None:
    port = int(url.rstrip("/").rpartition(":")[2])
    with pytest.raises(PortUnusable, match=f"port {port}"):
        async with serving(folder, port, PASSWORD):
            pass


async def test_a_real_client_lists_and_fetches(url: str, tmp_path: Path) -> None:
    if shutil.which("cadaver") is None:
        pytest.skip("cadaver isn't installed: apt install cadaver")
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    (tmp_path / ".netrc").chmod(0o600)
    client = await asyncio.create_subprocess_exec(
        "cadaver",
        url,
        env={**os.environ, "HOME": str(tmp_path)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    commands = f"cd web1/latest/srv\nls\nget large {tmp_path}/large\nput {tmp_path}/.netrc x\nquit\n"
    said, _ = await client.communicate(commands.encode())
    assert (tmp_path / "large").read_bytes() == LARGE
    assert b"405 Method Not Allowed" in said
    assert b"deep" in said
