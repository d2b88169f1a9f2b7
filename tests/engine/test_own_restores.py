"""Restores that somebody on a server has its agent do (WF2), through a real agent and a whole core: of that server's
own snapshots, and of no others."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from phoenix_core.agent.restorelines import SOCKET
from phoenix_core.agent.run import run_agent
from phoenix_core.agentlink import features
from phoenix_core.agentlink.messages import OwnRestoreRequest
from phoenix_core.agentlink.ownrestore import OwnJobRequest, OwnSnapshot, OwnSnapshotsRequest
from phoenix_core.cli.errors import AgentAbsent
from phoenix_core.cli.ownrestorework import OwnRestore, RestoreUnconfirmed, list_here, restore_here
from phoenix_core.domain.errors import EXIT_DONE, RemoteError
from phoenix_core.domain.requests import ActivationTokenRequest, BackupRequest
from phoenix_core.domain.states import ConflictRule, JobState
from phoenix_core.host.process import HostFacts
from tests.cli.commands import PHOENIX
from tests.engine.fake_agent import FakeAgent, until_cancelled
from tests.engine.rig import Rig

OTHER = HostFacts("web2", "Linux x86_64", "1" * 32)


class Server:
    """Has a real agent, enrolled and connected, and files of its own in `files`."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.data = rig.root / "server"
        self.files = rig.root / "srv"
        self.stop = asyncio.Event()

    async def start(self) -> "asyncio.Task[None]":
        token = await self.rig.client.activation_token(ActivationTokenRequest(name="web1"))
        await FakeAgent(self.data / "agent").enrol(token.token)
        task = asyncio.create_task(run_agent(self.data / "agent", stop=self.stop), name="agent")
        await self.rig.until(lambda: self.rig.is_connected("web1"))
        return task

    async def back_up(self, **contents: str) -> str:
        """The snapshot of these files."""
        await asyncio.to_thread(write, self.files, contents)
        job = await self.rig.client.backup(BackupRequest(server="web1", paths=(str(self.files),)))
        done = await self.rig.ended(job.id)
        assert done.state is JobState.SUCCESSFUL, done.error
        return done.snapshot_id

    def restored(self, into: Path) -> dict[str, str]:
        """What stands below a folder that was restored into."""
        return {path.name: path.read_text() for path in into.rglob("*") if path.is_file()}


def write(folder: Path, contents: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(content)


@pytest.fixture
async def server(rig: Rig) -> AsyncIterator[Server]:
    made = Server(rig)
    task = await made.start()
    yield made
    made.stop.set()
    async with asyncio.timeout(20):
        await task


async def refusal(server: Server, wanted: OwnRestore) -> str:
    with pytest.raises(RemoteError) as error:
        await restore_here(server.data, wanted)
    return error.value.view().code


async def test_its_snapshots_are_listed_and_one_is_restored_by_its_id(
    rig: Rig, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = await server.back_up(hosts="old", other="same")
    second = await server.back_up(hosts="new")
    assert await list_here(server.data, 100, as_json=True) == EXIT_DONE
    listed = msgspec.json.decode(capsys.readouterr().out, type=list[OwnSnapshot])
    assert [(each.snapshot_id, each.files, each.paths) for each in listed] == [
        (second, 2, (str(server.files),)),
        (first, 2, (str(server.files),)),
    ]
    into = tmp_path / "into"
    wanted = OwnRestore(first[:12], (str(server.files / "hosts"),), str(into))
    assert await restore_here(server.data, wanted) == EXIT_DONE
    assert await asyncio.to_thread(server.restored, into) == {"hosts": "old"}
    assert "1 file" in capsys.readouterr().out
    (job,) = await rig.client.jobs(kind="file_restore")
    assert (job.requested_by, job.state) == ("agent of web1", JobState.SUCCESSFUL)


@pytest.mark.parametrize(
    ("rule", "setting", "left"),
    [(ConflictRule.SKIP, "overwrite", "mine"), (None, "skip", "mine"), (None, "overwrite", "old")],
)
async def test_what_stands_in_the_original_place_is_treated_as_the_rule_says_else_the_cores_setting(
    rig: Rig, server: Server, rule: ConflictRule | None, setting: str, left: str
) -> None:
    await rig.client.set_setting("restore.conflict", setting)
    await server.back_up(hosts="old")
    await asyncio.to_thread(write, server.files, {"hosts": "mine"})
    assert await restore_here(server.data, OwnRestore("latest", conflict=rule)) == EXIT_DONE
    assert await asyncio.to_thread(server.restored, server.files) == {"hosts": left}


async def test_the_command_itself_takes_paths_from_where_it_is_called(server: Server, tmp_path: Path) -> None:
    await server.back_up(hosts="here", other="there")
    command = [*PHOENIX, "agent", "restore", "latest", "hosts", "--to", "../into", "--data", str(server.data)]
    done = await asyncio.to_thread(subprocess.run, command, cwd=server.files, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "of this server, taken" in done.stdout
    assert await asyncio.to_thread(server.restored, server.files.parent / "into") == {"hosts": "here"}


async def test_another_servers_snapshot_is_as_if_it_were_not_there(rig: Rig, server: Server) -> None:
    await server.back_up(hosts="mine")
    await rig.agent("web2", OTHER)
    job = await rig.ended((await rig.client.backup(BackupRequest(server="web2", paths=("/srv",)))).id)
    assert await refusal(server, OwnRestore(job.snapshot_id, destination="/tmp/loot")) == "not_found"
    assert await rig.client.jobs(kind="file_restore") == []


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (OwnRestore("latest"), "no_snapshot"),
        (OwnRestore("abc"), "snapshot_id_short"),
        (OwnRestore("nothing"), "not_found"),
    ],
)
async def test_the_cores_refusal_comes_out_as_it_is(server: Server, wanted: OwnRestore, code: str) -> None:
    assert await refusal(server, wanted) == code


async def test_without_a_connection_to_the_core_it_says_so_at_once(rig: Rig, server: Server) -> None:
    await rig.stop()
    async with asyncio.timeout(90):  # what is asked at the moment when the connection goes is waited for
        while (code := await refusal(server, OwnRestore("latest"))) in {"core_away", "answer_lost"}:
            continue
    assert code == "agent_without_core"


async def test_of_a_core_that_is_too_old_nothing_is_asked(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "CORE", (features.OWN_STREAMS,))
    server = Server(rig)
    task = await server.start()
    assert await refusal(server, OwnRestore("latest")) == "core_takes_no_restores"
    server.stop.set()
    await task


async def test_a_command_whose_agent_ends_is_told_that_the_end_is_not_known(rig: Rig, server: Server) -> None:
    await server.back_up(hosts="old")
    await rig.client.set_setting("jobs.at_once", "1")
    other = await rig.agent("web2", OTHER)
    other.on_backup = until_cancelled
    busy = await rig.client.backup(BackupRequest(server="web2", paths=("/srv",)))
    await rig.in_state(busy.id, JobState.RUNNING)
    restoring = asyncio.create_task(restore_here(server.data, OwnRestore("latest")))

    async def begun() -> bool:
        return bool(await rig.client.jobs(kind="file_restore"))

    await rig.until(begun)
    server.stop.set()
    async with asyncio.timeout(20):
        with pytest.raises(RestoreUnconfirmed, match="job j"):
            await restoring


async def test_without_an_agent_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(AgentAbsent):
        await list_here(tmp_path, 1)


async def test_only_the_agents_own_user_may_ask_it(server: Server) -> None:
    assert os.stat(server.data / "agent" / SOCKET).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b'{"type": "StartRestore"}\n', b"\xff" * 100 + b"\n"])
async def test_what_makes_no_sense_is_answered_with_an_error(server: Server, line: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(server.data / "agent" / SOCKET)
    writer.write(line)
    answer = msgspec.json.decode(await reader.readline())
    writer.close()
    assert (answer["type"], answer["error"]["code"]) == ("Refused", "usage")


# --- what the core answers -------------------------------------------------------------------------------------------


async def test_an_agent_is_told_of_its_own_snapshots_and_jobs_only(rig: Rig) -> None:
    mine, other = await rig.agent("web1"), await rig.agent("web2", OTHER)
    for name in ("web1", "web2"):
        await rig.ended((await rig.client.backup(BackupRequest(server=name, paths=("/srv",)))).id)
    (snapshot,) = await rig.client.snapshots(server="web1")
    found = await mine.link.request(OwnSnapshotsRequest(0), 10)
    assert [each.snapshot_id for each in found.snapshots] == [snapshot.id]
    job = (await mine.link.request(OwnRestoreRequest(0, snapshot.id, (), b"/tmp/own", None), 10)).job
    await rig.ended(job)
    told = await mine.link.request(OwnJobRequest(0, job), 10)
    assert (told.state, told.is_over, told.result["files"]) == ("successful", True, 2)
    with pytest.raises(RemoteError) as error:
        await other.link.request(OwnJobRequest(0, job), 10)
    assert error.value.view().code == "not_of_this_job"


@pytest.mark.parametrize(("limit", "count"), [(1, 1), (0, 1), (-5, 1), (10**9, 2)])
async def test_the_newest_are_told_up_to_the_limit(rig: Rig, limit: int, count: int) -> None:
    agent = await rig.agent()
    for _ in range(2):
        await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
    newest = await rig.client.snapshots()
    found = await agent.link.request(OwnSnapshotsRequest(0, limit), 10)
    assert [each.snapshot_id for each in found.snapshots] == [each.id for each in newest[:count]]
