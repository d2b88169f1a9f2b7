"""Downloads through the API: whole or cut, never something between, and each in the audit log."""

import asyncio
import io
import os
import tarfile
import zipfile
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.reading import ArchiveFormat, DownloadState
from phoenix_core.domain.requests import BackupRequest, PruneRequest
from phoenix_core.domain.states import JobState, StepState
from phoenix_core.readcalls import DownloadCut
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig, running_rig

LARGE = os.urandom(3_000_000)
FILES = {"/srv/large": LARGE, "/srv/deep/er/small": b"small", "/srv/deep/empty": b""}


@pytest.fixture
async def snapshot(rig: Rig, agent: FakeAgent) -> str:
    return await backed_up(rig, agent)


async def backed_up(rig: Rig, agent: FakeAgent) -> str:
    agent.files = FILES
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    return (await rig.ended(job.id)).snapshot_id


@asynccontextmanager
async def asked(rig: Rig, path: str, **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
    connector = aiohttp.UnixConnector(path=str(rig.data.core_socket))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(
            f"http://core{path}", headers={key.replace("_", "-"): value for key, value in headers.items()}
        ) as got,
    ):
        yield got


async def whole(rig: Rig, snapshot: str, path: str, **more: int) -> bytes:
    async with aclosing(rig.client.download_file(snapshot, path, **more)) as blocks:  # type: ignore[arg-type]
        return b"".join([block async for block in blocks])


async def archive(rig: Rig, snapshot: str, path: str, kind: ArchiveFormat) -> bytes:
    async with aclosing(rig.client.download_archive(snapshot, path, kind)) as blocks:
        return b"".join([block async for block in blocks])


async def test_a_file_comes_as_it_was(rig: Rig, snapshot: str) -> None:
    assert await whole(rig, snapshot, "/srv/large") == LARGE
    assert await whole(rig, "latest", "/srv/deep/empty") == b""
    assert await whole(rig, snapshot, "/srv/large", start=399_990, end=400_010) == LARGE[399_990:400_010]
    assert await whole(rig, snapshot, "/srv/large", start=2_999_999) == LARGE[-1:]


async def test_ranges_are_those_of_http(rig: Rig, snapshot: str) -> None:
    where = f"/v1/snapshots/{snapshot}/content?path=/srv/large"
    async with asked(rig, where, Range="bytes=-10") as got:
        assert (got.status, await got.read()) == (206, LARGE[-10:])
        assert got.headers["Content-Range"] == "bytes 2999990-2999999/3000000"
        tag = got.headers["ETag"]
    async with asked(rig, where, Range="bytes=0-0", If_Range='"other"') as got:
        assert (got.status, len(await got.read())) == (200, len(LARGE))
    async with asked(rig, where, Range="bytes=5-9", If_Range=tag) as got:
        assert (got.status, await got.read()) == (206, LARGE[5:10])
    async with asked(rig, where, Range="bytes=3000000-") as got:
        assert (got.status, (await got.json())["code"]) == (416, "range_not_there")
    async with asked(rig, where, If_None_Match=tag) as got:
        assert (got.status, await got.read()) == (304, b"")
    async with asked(rig, where, Range="bytes=0-1,5-6") as got:
        assert got.status == 200


async def test_a_folder_comes_as_tar_or_zip(rig: Rig, snapshot: str) -> None:
    with tarfile.open(fileobj=io.BytesIO(await archive(rig, snapshot, "/srv", ArchiveFormat.TAR))) as tar:
        large = tar.extractfile("srv/large")
        assert large is not None
        assert large.read() == LARGE
        assert tar.getnames() == ["srv", "srv/deep", "srv/deep/empty", "srv/deep/er", "srv/deep/er/small", "srv/large"]
    with zipfile.ZipFile(io.BytesIO(await archive(rig, snapshot, "/srv/deep", ArchiveFormat.ZIP))) as packed:
        assert packed.read("deep/er/small") == b"small"


async def test_what_can_not_be_downloaded_is_told_before_anything_comes(rig: Rig, snapshot: str) -> None:
    for path, code in (("/srv", "not_a_file"), ("/srv/none", "path_not_in_snapshot"), ("srv", "path_not_in_snapshot")):
        with pytest.raises(RemoteError) as error:
            await whole(rig, snapshot, path)
        assert error.value.view().code == code
    with pytest.raises(RemoteError, match="format=rar is none of tar, zip"):
        async with rig.client._streamed(f"/v1/snapshots/{snapshot}/archive", {"format": "rar"}):
            pass
    with pytest.raises(RemoteError) as error:
        await archive(rig, snapshot, "/srv/none", ArchiveFormat.ZIP)
    assert error.value.view().code == "path_not_in_snapshot"


async def test_every_download_is_in_the_audit_log(rig: Rig, snapshot: str) -> None:
    await whole(rig, snapshot, "/srv/deep/er/small")
    await archive(rig, snapshot, "/srv/deep", ArchiveFormat.ZIP)
    with pytest.raises(RemoteError):
        await whole(rig, snapshot, "/srv/none")
    entries = (await rig.client.audit())[:5]
    assert [(each.action, each.subject, each.outcome) for each in reversed(entries)] == [
        ("snapshot download", snapshot, "begun"),
        ("snapshot download", snapshot, "done"),
        ("snapshot archive", snapshot, "begun"),
        ("snapshot archive", snapshot, "done"),
        ("snapshot download", snapshot, "path_not_in_snapshot"),
    ]
    assert entries[1].detail == "path=/srv/deep&format=zip"


async def test_damage_cuts_the_answer_and_the_client_tells_why(rig: Rig, agent: FakeAgent) -> None:
    snapshot = await backed_up(rig, agent)
    damage_the_largest_pack(rig.data.vault)
    for kind in (None, ArchiveFormat.TAR, ArchiveFormat.ZIP):
        with pytest.raises(RemoteError) as error:
            await (archive(rig, snapshot, "/srv", kind) if kind else whole(rig, snapshot, "/srv/large"))
        assert error.value.view().code == "file_unreadable"
        assert error.value.view().fields["path"] in {"/srv/large", "/srv/deep/er/small"}
    async with asked(rig, f"/v1/snapshots/{snapshot}/archive?path=/srv") as got:
        with pytest.raises(aiohttp.ClientPayloadError):
            await got.read()
        cut = await rig.client.download(got.headers["Phoenix-Download"])
        assert cut.state is DownloadState.FAILED
    async with asked(rig, f"/v1/snapshots/{snapshot}/content?path=/srv/large") as got:
        assert got.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await got.read()
    await rig.client.status()  # the core is well
    told = {each.outcome for each in await rig.client.audit() if each.action.startswith("snapshot ")}
    assert told == {"begun", "file_unreadable"}


async def test_who_goes_in_the_middle_is_noted_and_leaves_no_hold(rig: Rig, agent: FakeAgent) -> None:
    agent.files = {"/srv/large": os.urandom(40_000_000)}
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    snapshot = (await rig.ended(job.id)).snapshot_id
    async with aclosing(rig.client.download_file(snapshot, "/srv/large")) as blocks:
        await anext(blocks)
        assert await outcomes(rig) == ["begun"]  # also where the core is killed now
        held = await asyncio.to_thread(rig.node().leases)
        assert [lease.parent for lease in held] == [snapshot]
    async with asyncio.timeout(20):
        while "interrupted" not in await outcomes(rig):  # the core notices at its next write
            pass
    assert await outcomes(rig) == ["interrupted", "begun"]
    assert not await asyncio.to_thread(rig.node().leases)


async def outcomes(rig: Rig) -> list[str]:
    """Of downloads, the newest first."""
    return [each.outcome for each in await rig.client.audit() if each.action == "snapshot download"]


async def test_a_snapshot_that_is_removed_while_it_is_downloaded_comes_whole(rig: Rig, agent: FakeAgent) -> None:
    content = os.urandom(40_000_000)
    agent.files = {"/srv/large": content}
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    snapshot = (await rig.ended(job.id)).snapshot_id
    received = bytearray()
    async with aclosing(rig.client.download_file(snapshot, "/srv/large")) as blocks:
        received += await anext(blocks)
        removal = await rig.client.remove_snapshot(snapshot, at_once=True, typed=snapshot[:12])
        removed = await rig.ended(removal.id)
        assert removed.state is JobState.SUCCESSFUL
        prune = await rig.client.prune(PruneRequest(execute=True))
        await rig.until(lambda: waits(rig, prune.id))
        async for block in blocks:
            received += block
    assert received == content
    assert (await rig.ended(prune.id)).state is JobState.SUCCESSFUL
    again = await rig.client.prune(PruneRequest(execute=True))
    assert (await rig.ended(again.id)).state is JobState.SUCCESSFUL
    assert (await rig.client.vault()).packs == 0


async def waits(rig: Rig, job_id: str) -> bool:
    """Whether a prune waits for those who read, or is over because it doesn't."""
    job = await rig.client.job(job_id)
    return job.state.is_final or any(step.id == "wait" and step.state is StepState.RUNNING for step in job.steps)


async def test_a_core_that_stops_cuts_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phoenix_core.api.server.SHUTDOWN_S", 0.1)
    async with running_rig(tmp_path) as rig:
        agent = await rig.agent("web1")
        agent.files = {"/srv/large": os.urandom(40_000_000)}
        job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
        snapshot = (await rig.ended(job.id)).snapshot_id
        async with aclosing(rig.client.download_file(snapshot, "/srv/large")) as blocks:
            await anext(blocks)
            await rig.stop()
            with pytest.raises(DownloadCut):
                [block async for block in blocks]


def damage_the_largest_pack(vault: Path) -> None:
    pack = max((each for each in (vault / "packs").rglob("*") if each.is_file()), key=lambda each: each.stat().st_size)
    with pack.open("r+b") as opened:
        for at in range(5000, pack.stat().st_size // 2, 50_000):
            opened.seek(at)
            opened.write(b"damaged!")
