"""The commands that find, download, compare and mount, on a core with two snapshots of one server."""

import asyncio
import errno
import io
import json
import logging
import os
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from phoenix_core.agentlink.comparemessages import CompareFindings, Difference
from phoenix_core.agentlink.messages import RestoreOrder
from phoenix_core.agentlink.reports import RestoreResult
from phoenix_core.cli import comparework, downloadwork, findwork, mountwork
from phoenix_core.cli.errors import FileExists, FileUnwritable
from phoenix_core.domain.comparing import CompareRequest
from phoenix_core.domain.errors import RemoteError, UsageError
from tests.api.conftest import FIRST, SECOND
from tests.api.test_downloads import damage_the_largest_pack
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig, running_rig
from tests.engine.test_restore import backed_up

Said = pytest.CaptureFixture[str]
LARGE = os.urandom(700_000)


@pytest.fixture(autouse=True)
def _only_what_commands_print() -> Iterator[None]:
    """The core is in this process, and would log to the same output."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path) as running:
        agent = await running.agent("web1")
        for files in (FIRST, SECOND | {"/srv/large": LARGE}):
            agent.files = files
            await backed_up(running, "web1")
        yield running


def wanted(pattern: str, **more: Any) -> findwork.Wanted:
    fields: dict[str, Any] = {"server": "", "path": "/", "since": "", "until": "", "limit": 1000} | more
    return findwork.Wanted(pattern, **fields)


async def newest(rig: Rig) -> str:
    return (await rig.client.snapshot("latest")).id


async def download(rig: Rig, path: str, **more: Any) -> None:
    options = {"to": None, "kind": "", "server": "", "overwrite": False, "as_json": False} | more
    await downloadwork.download(rig.data, await newest(rig), path, **options)


# --- find ------------------------------------------------------------------------------------------------------------


async def test_versions_are_printed_with_how_to_restore_one(rig: Rig, capsys: Said) -> None:
    assert await findwork.find(rig.data, wanted("hosts"), as_json=False) == 0
    said = capsys.readouterr().out
    new, old = [line for line in said.splitlines() if line.startswith("   ")]
    assert "web1:/srv/etc/hosts\n" in said
    assert "27 Bytes" in new
    assert "in 1 snapshot" in new
    assert old.endswith("not in the newest")
    assert f"phoenix restore web1 --snapshot {(await newest(rig))[:12]} --path /srv/etc/hosts" in said


async def test_versions_are_json_for_programs(rig: Rig, capsys: Said) -> None:
    assert await findwork.find(rig.data, wanted("*.txt", path="/srv/docs", limit=2), as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["path"], each["snapshots"]) for each in found["versions"]] == [
        ("/srv/docs/a.txt", 2),
        ("/srv/docs/new.txt", 1),
    ]
    assert (found["truncated"], found["unreadable"], found["lost"]) == (True, 0, 0)


async def test_nothing_found_is_said(rig: Rig, capsys: Said) -> None:
    assert await findwork.find(rig.data, wanted("no-such-name"), as_json=False) == 0
    assert capsys.readouterr().out == "Nothing fits.\n"
    assert await findwork.find(rig.data, wanted("hosts", until="2001-01-01"), as_json=False) == 0
    assert capsys.readouterr().out == "Nothing fits.\n"
    assert await findwork.find(rig.data, wanted("hosts", since="1h"), as_json=False) == 0
    assert "hosts" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["yesterday", "7", "2026-13-01", "99999999d"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"--since {text} is no time"):
        findwork.moment(text, "--since")


# --- download --------------------------------------------------------------------------------------------------------


async def test_a_file_gets_its_name_once_it_is_whole(rig: Rig, tmp_path: Path, capsys: Said) -> None:
    await download(rig, "/srv/large", to=tmp_path, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"file": str(tmp_path / "large"), "bytes": len(LARGE)}
    assert (tmp_path / "large").read_bytes() == LARGE
    with pytest.raises(FileExists, match="stays as it is"):
        await download(rig, "/srv/docs/a.txt", to=tmp_path / "large")
    assert (tmp_path / "large").read_bytes() == LARGE
    await download(rig, "/srv/docs/a.txt", to=tmp_path / "large", overwrite=True)
    assert (tmp_path / "large").read_bytes() == b"a" * 100


async def test_a_folder_comes_as_tar_without_being_asked(rig: Rig, tmp_path: Path) -> None:
    await download(rig, "/srv/docs", to=tmp_path)
    with tarfile.open(tmp_path / "docs.tar") as archive:
        assert "docs/deep/b.txt" in archive.getnames()
    await download(rig, "/", to=tmp_path / "all.zip", kind="zip")
    assert (tmp_path / "all.zip").read_bytes()[:2] == b"PK"


async def test_a_download_that_fails_leaves_nothing(rig: Rig, tmp_path: Path) -> None:
    damage_the_largest_pack(rig.data.vault)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(RemoteError) as error:
        await download(rig, "/srv/large", to=target)
    assert error.value.view().code == "file_unreadable"
    assert list(target.iterdir()) == []
    with pytest.raises(FileUnwritable, match="No such file"):
        await download(rig, "/srv/docs/a.txt", to=tmp_path / "no" / "folder")


def files_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir() if each.is_file()]


async def test_long_names_are_no_hindrance(rig: Rig, tmp_path: Path) -> None:
    """Neither one that is as long as any, nor one that becomes longer as it is made safe for every system."""
    long, odd = "ä" * 127, ":" * 255
    (agent,) = rig.agents
    agent.files = {f"/srv/{long}": b"long", f"/srv/{odd}": b"odd"}
    await backed_up(rig, "web1")
    await download(rig, f"/srv/{long}", to=tmp_path)
    assert (tmp_path / long).read_bytes() == b"long"
    await download(rig, f"/srv/{long}", to=tmp_path, kind="tar")
    await download(rig, f"/srv/{odd}", to=tmp_path)
    assert sorted(len(each.encode()) for each in files_in(tmp_path)) == [254, 254, 255]
    with pytest.raises(FileUnwritable, match="too long"):
        await download(rig, f"/srv/{long}", to=tmp_path / ("x" * 256))


async def test_a_file_that_came_meanwhile_is_not_replaced(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor where the file system has no hard links."""
    target = tmp_path / "large"
    sync = downloadwork._sync

    def somebody_else_writes(fd: int) -> None:
        sync(fd)
        target.write_bytes(b"somebody else's")

    def no_links(self: Path, other: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(downloadwork, "_sync", somebody_else_writes)
    for links in (True, False):
        if not links:
            monkeypatch.setattr(Path, "hardlink_to", no_links)
        target.unlink(missing_ok=True)
        with pytest.raises(FileExists):
            await download(rig, "/srv/large", to=target)
        assert target.read_bytes() == b"somebody else's"
    monkeypatch.setattr(downloadwork, "_sync", sync)
    target.unlink()
    await download(rig, "/srv/large", to=target)
    assert target.read_bytes() == LARGE
    assert files_in(tmp_path) == ["large"]


async def test_standard_output_is_the_file(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr("sys.stdout", out)
    await download(rig, "/srv/large", to=Path("-"))
    written = out.buffer
    assert isinstance(written, io.BytesIO)
    assert written.getvalue() == LARGE
    with pytest.raises(UsageError, match="leave --json out"):
        await download(rig, "/srv/large", to=Path("-"), as_json=True)
    with pytest.raises(UsageError, match="rar is no format"):
        await download(rig, "/srv/large", kind="rar")


# --- compare ---------------------------------------------------------------------------------------------------------


async def test_a_comparison_prints_a_line_for_each_difference(rig: Rig, capsys: Said) -> None:
    async def compare(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, RestoreOrder)
        differences = (Difference("/srv/a", "content", 1, 2), Difference("/srv/b", "metadata", 3, 3, "mode"))
        found = CompareFindings(same=7, content=1, metadata=1, not_compared=1, differences=differences)
        await agent.report(order.job, RestoreResult(compare=found))

    rig.agents[0].on_restore = compare
    code = await comparework.compare(rig.data, "latest", CompareRequest(server=""), wait_agent_s=None, as_json=False)
    said = capsys.readouterr()
    assert code == 0
    assert said.out.splitlines() == ["M /srv/a", "m /srv/b  (mode)", "1 content, 1 metadata; 7 the same."]
    assert "1 entry could not be compared" in said.err
    await comparework.compare(rig.data, "latest", CompareRequest(server="web1"), wait_agent_s=None, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["same"], [each["path"] for each in found["differences"]]) == (7, ["/srv/a", "/srv/b"])


# --- mount -----------------------------------------------------------------------------------------------------------


async def test_webdav_is_served_until_it_is_interrupted(rig: Rig, capsys: Said) -> None:
    serving = asyncio.create_task(mountwork.mount(rig.data, None, webdav=True, port=0, as_json=True))
    said = ""
    async with asyncio.timeout(20):
        while not said:
            await rig.client.status()
            said = capsys.readouterr().out
    told = json.loads(said)
    login = {"Authorization": aiohttp.encode_basic_auth(told["user"], told["password"])}
    async with (
        aiohttp.ClientSession(headers=login) as session,
        session.get(f"{told['url']}web1/latest/srv/large") as got,
    ):
        assert await got.read() == LARGE
    assert [mount.place for mount in await rig.client.mounts()] == ["WebDAV"]
    serving.cancel()
    await serving
    assert await rig.client.mounts() == []


async def test_a_mount_needs_one_place(rig: Rig, tmp_path: Path) -> None:
    for folder, webdav, port in ((None, False, 0), (tmp_path, True, 0), (tmp_path, False, 8444)):
        with pytest.raises(UsageError):
            await mountwork.mount(rig.data, folder, webdav=webdav, port=port, as_json=False)
