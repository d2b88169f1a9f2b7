"""Streams that somebody on a server hands to its agent, through a real agent and a whole core: what counts is recorded,
and printed again."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from phoenix_core.agent.run import run_agent
from phoenix_core.agent.streamframes import SOCKET, StreamHello, StreamResult
from phoenix_core.agent.versionwatch import VersionWatch
from phoenix_core.agentlink.ownstream import OwnStreamAnswer, OwnStreamRequest
from phoenix_core.cli.errors import AgentAbsent
from phoenix_core.cli.stdoutwork import Printed, print_file
from phoenix_core.cli.streamwork import Sender
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.requests import ActivationTokenRequest, BackupRequest
from phoenix_core.domain.states import JobState
from phoenix_core.rollout.onserver.versions import Versions
from phoenix_core.rollout.program import Program
from tests.agent.test_version_watch import wait_for
from tests.cli.commands import HEEDING_SIGNALS, PHOENIX
from tests.engine.fake_agent import FakeAgent, until_cancelled
from tests.engine.rig import Rig
from tests.rollout.placed import placed

NEWEST = Printed(server="web1", snapshot="latest", paths=(), stream="orders", stdout=True, others=False, as_json=False)


@dataclass
class Server:
    """Has a real agent, enrolled and connected."""

    data: Path
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def socket(self) -> Path:
        return self.data / "agent" / SOCKET


class LookedAt(Program):
    """Counts how often the agent looked whether another version is in use."""

    looks = 0

    @property
    def switched(self) -> bool:
        self.looks += 1
        return super().switched


async def started(rig: Rig, versions: VersionWatch | None = None) -> tuple[Server, "asyncio.Task[None]"]:
    made = Server(rig.root / "server")
    token = await rig.client.activation_token(ActivationTokenRequest(name="web1"))
    await FakeAgent(made.data / "agent").enrol(token.token)
    task = asyncio.create_task(run_agent(made.data / "agent", stop=made.stop, versions=versions), name="agent")
    await rig.until(lambda: rig.is_connected("web1"))
    return made, task


@pytest.fixture
async def server(rig: Rig) -> AsyncIterator[Server]:
    made, task = await started(rig)
    yield made
    made.stop.set()
    async with asyncio.timeout(20):
        await task


async def send(
    server: Server, *command: str, name: str = "orders", tags: tuple[str, ...] = (), timeout_s: int = 600
) -> StreamResult:
    sender = Sender(server.socket, StreamHello(name, tags, timeout_s), quiet=True)
    return await asyncio.to_thread(sender.run, command)


def piped(server: Server, *more: str) -> "subprocess.Popen[bytes]":
    """The command itself, with a pipe for its standard input."""
    command = [*HEEDING_SIGNALS, *PHOENIX, "agent", "stream", "orders", "--data", str(server.data), "--json", *more]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


async def runs(rig: Rig) -> None:
    """The job of the stream."""
    await some_job_is(rig, JobState.RUNNING)


async def some_job_is(rig: Rig, state: JobState) -> None:
    async def so_it_is() -> bool:
        return any(job.state is state for job in await rig.client.jobs())

    await rig.until(so_it_is)


async def test_what_a_command_prints_is_backed_up_and_printed_again(
    rig: Rig, server: Server, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    result = await send(server, "sh", "-c", "head -c 3000000 /dev/zero; echo rows", tags=("nightly",))
    assert (result.state, result.error) == ("successful", None)
    snapshot = await rig.client.snapshot(result.snapshot_id)
    assert (snapshot.stream, snapshot.tags, snapshot.bytes) == ("orders", ("nightly",), 3_000_005)
    job = await rig.client.job(result.job)
    assert job.title == "Backup of web1: stream orders, from standard input at the server"
    assert await print_file(rig.data, NEWEST) == 0
    assert bytes(1000) + b"rows\n" in capfdbinary.readouterr().out


async def test_standard_input_is_backed_up_where_it_ends(rig: Rig, server: Server) -> None:
    process = await asyncio.to_thread(piped, server)
    out, err = await asyncio.to_thread(process.communicate, b"rows\n" * 100_000)
    assert process.returncode == 0, err
    (snapshot,) = await rig.client.snapshots()
    assert snapshot.id.encode() in out
    assert (snapshot.stream, snapshot.bytes) == ("orders", 500_000)


async def test_standard_input_without_a_byte_is_no_restore_point(rig: Rig, server: Server) -> None:
    process = await asyncio.to_thread(piped, server)
    out, err = await asyncio.to_thread(process.communicate, b"")
    assert process.returncode == 1
    assert b"standard_input_empty" in out + err
    assert await rig.client.snapshots() == []
    (job,) = await rig.client.jobs()
    assert job.error is not None
    assert (job.state, job.error.code) == (JobState.FAILED, "stream_cut")
    assert "standard input was empty" in job.error.message


async def test_one_that_says_nothing_until_its_time_out_was_not_empty(rig: Rig, server: Server) -> None:
    process = await asyncio.to_thread(piped, server, "--timeout", "1")
    assert process.stdin is not None
    with process:  # its standard input stays open
        out, err = await asyncio.to_thread(lambda: (process.stdout.read(), process.stderr.read()))  # type: ignore[union-attr]
        assert await asyncio.to_thread(process.wait) == 1
    assert b"time-out of 1 second" in out + err
    assert b"standard_input_empty" not in out + err


async def test_unless_its_sender_says_that_nothing_counts_too(rig: Rig, server: Server) -> None:
    process = await asyncio.to_thread(piped, server, "--allow-empty")
    _, err = await asyncio.to_thread(process.communicate, b"")
    assert process.returncode == 0, err
    (snapshot,) = await rig.client.snapshots()
    assert (snapshot.stream, snapshot.bytes) == ("orders", 0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
async def test_a_sender_that_is_ended_leaves_no_snapshot(rig: Rig, server: Server, number: signal.Signals) -> None:
    process = await asyncio.to_thread(piped, server)
    assert process.stdin is not None
    process.stdin.write(b"half a dump")
    process.stdin.flush()

    await runs(rig)
    process.send_signal(number)
    with suppress(BrokenPipeError):
        process.stdin.close()  # as where a signal ends all of a pipeline
    await asyncio.to_thread(process.wait)
    (job,) = await rig.client.jobs()
    ended = await rig.ended(job.id)
    assert ended.error is not None
    assert (ended.state, ended.error.code) == (JobState.FAILED, "stream_cut")
    assert await rig.client.snapshots() == []
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


async def test_nor_does_a_command_that_takes_ctrl_c_for_a_good_end(rig: Rig, server: Server, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    script = f"trap 'exit 0' INT; echo half; touch {begun}; while :; do sleep 0.1; done"
    command = [*HEEDING_SIGNALS, *PHOENIX, "agent", "stream", "orders", "--data", str(server.data)]
    process = await asyncio.to_thread(
        subprocess.Popen, [*command, "--", "sh", "-c", script], start_new_session=True, stderr=subprocess.PIPE
    )
    await asyncio.to_thread(wait_for, begun.exists)
    await runs(rig)
    os.killpg(process.pid, signal.SIGINT)
    await asyncio.to_thread(process.communicate)
    assert process.returncode != 0
    (job,) = await rig.client.jobs()
    assert (await rig.ended(job.id)).state is JobState.FAILED
    assert await rig.client.snapshots() == []


@pytest.mark.parametrize(
    ("ending", "says"), [("exit 3", "ended with exit code 3"), ("kill -9 $$", "was ended by signal 9")]
)
async def test_a_command_that_does_not_end_well_makes_no_snapshot(
    rig: Rig, server: Server, ending: str, says: str
) -> None:
    result = await send(server, "sh", "-c", f"echo rows; {ending}")
    assert result.error is not None
    assert (result.error.code, result.snapshot_id) == ("stream_cut", "")
    assert says in result.error.message
    assert await rig.client.snapshots() == []


@pytest.mark.parametrize("command", ["echo rows; exec sleep 600", "echo rows; exec >&-; exec sleep 600"])
async def test_a_command_that_hangs_is_stopped_at_the_time_out_and_makes_no_snapshot(
    rig: Rig, server: Server, command: str
) -> None:
    async with asyncio.timeout(20):
        result = await send(server, "sh", "-c", command, timeout_s=1)
    assert result.error is not None
    assert (result.state, result.error.code, result.snapshot_id) == ("failed", "stream_cut", "")
    assert "time-out of 1 second" in result.error.message
    assert await rig.client.snapshots() == []
    assert (await send(server, "echo", "rows")).state == "successful"


async def test_an_operator_may_cancel_it_and_the_sender_is_told(rig: Rig, server: Server) -> None:
    sending = asyncio.create_task(send(server, "sleep", "600"))

    await runs(rig)
    (job,) = await rig.client.jobs()
    second = await send(server, "echo", "rows")
    assert second.error is not None
    assert second.error.code == "stream_under_way"
    await rig.client.cancel(job.id)
    async with asyncio.timeout(20):
        result = await sending
    assert (result.state, result.snapshot_id) == ("cancelled", "")


@pytest.mark.parametrize("waiting", [False, True], ids=["running", "waiting"])
async def test_a_sender_that_is_held_up_in_the_middle_is_told_too(rig: Rig, server: Server, waiting: bool) -> None:
    before = asyncio.create_task(send(server, "sleep", "600", name="users")) if waiting else None
    if before is not None:
        await runs(rig)
    known = {job.id for job in await rig.client.jobs()}
    sending = asyncio.create_task(send(server, "cat", "/dev/zero"))

    async def taken() -> bool:
        wanted = JobState.QUEUED if waiting else JobState.RUNNING
        return any(job.state is wanted for job in await rig.client.jobs() if job.id not in known)

    await rig.until(taken)
    (job,) = (each for each in await rig.client.jobs() if each.id not in known)
    await rig.client.cancel(job.id)
    async with asyncio.timeout(20):
        result = await sending
    assert (result.job, result.state, result.snapshot_id) == (job.id, "cancelled", "")
    if before is not None:
        await rig.client.cancel(next(iter(known)))
        await before


async def test_so_is_one_whose_stream_is_refused(rig: Rig, server: Server) -> None:
    sending = asyncio.create_task(send(server, "sleep", "600"))
    await runs(rig)
    second = await send(server, "cat", "/dev/zero")
    assert second.error is not None
    assert second.error.code == "stream_under_way"
    (job,) = await rig.client.jobs()
    await rig.client.cancel(job.id)
    await sending


@pytest.mark.parametrize("name", ["", "a/b", "x" * 101])
async def test_a_name_that_is_none_is_refused(rig: Rig, server: Server, name: str) -> None:
    result = await send(server, "echo", "rows", name=name)
    assert result.error is not None
    assert "is no name of a stream" in result.error.message
    assert await rig.client.jobs() == []


async def test_without_an_agent_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(AgentAbsent):
        await send(Server(tmp_path), "echo", "rows")


async def test_only_the_agents_own_user_may_hand_it_streams(server: Server) -> None:
    assert os.stat(server.socket).st_mode & 0o777 == 0o600


async def test_an_agent_that_ends_leaves_no_sender_waiting(rig: Rig, server: Server, tmp_path: Path) -> None:
    half = tmp_path / "half"  # more than the pipe and the socket hold, so that the job is reading
    command = f"head -c 5000000 /dev/zero; touch {half}; exec sleep 600"
    sending = asyncio.create_task(send(server, "sh", "-c", command))
    await asyncio.to_thread(wait_for, half.exists)
    server.stop.set()
    async with asyncio.timeout(30):
        result = await sending
    assert result.error is not None
    assert result.error.code == "agent_stopping"
    assert await rig.client.snapshots() == []


async def test_nor_one_whose_job_has_not_begun_which_is_told_that_its_end_is_not_known(
    rig: Rig, server: Server
) -> None:
    await rig.client.set_setting("jobs.at_once", "1")
    other = await rig.agent("web2")
    other.on_backup = until_cancelled
    await rig.client.backup(BackupRequest(server="web2", paths=("/srv",)))
    await runs(rig)
    sending = asyncio.create_task(send(server, "cat", "/dev/zero"))
    await some_job_is(rig, JobState.QUEUED)
    server.stop.set()
    async with asyncio.timeout(30):
        result = await sending
    assert result.error is not None
    assert result.error.code == "stream_left"
    assert "orders" in result.error.message


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    made = Versions(str(tmp_path / "opt"))
    placed(made, "0.1.0-a", "0.2.0-b")
    made.switch("0.1.0-a")
    return made


async def test_an_agent_makes_way_for_another_version_only_once_its_senders_are_told(
    rig: Rig, versions: Versions
) -> None:
    program = LookedAt(Path(versions.prefix, "current", "bin", "phoenix"), versions, "0.1.0-a")
    server, agent = await started(rig, VersionWatch(program, look_s=0.02))
    await rig.client.set_setting("jobs.at_once", "1")
    other = await rig.agent("web2")
    other.on_backup = until_cancelled
    first = await rig.client.backup(BackupRequest(server="web2", paths=("/srv",)))
    await runs(rig)
    sending = asyncio.create_task(send(server, "echo", "rows"))
    await some_job_is(rig, JobState.QUEUED)

    await asyncio.to_thread(versions.switch, "0.2.0-b")
    seen = program.looks
    await asyncio.to_thread(wait_for, lambda: agent.done() or program.looks > seen + 3)
    await rig.client.cancel(first.id)
    async with asyncio.timeout(30):
        result = await sending
        await agent
    assert (result.state, result.error) == ("successful", None)
    assert [snapshot.id for snapshot in await rig.client.snapshots()] == [result.snapshot_id]


async def test_it_waits_for_none_that_went_away(rig: Rig, versions: Versions) -> None:
    program = LookedAt(Path(versions.prefix, "current", "bin", "phoenix"), versions, "0.1.0-a")
    server, agent = await started(rig, VersionWatch(program, look_s=0.02))
    await rig.client.set_setting("jobs.at_once", "1")
    other = await rig.agent("web2")
    other.on_backup = until_cancelled
    await rig.client.backup(BackupRequest(server="web2", paths=("/srv",)))
    await runs(rig)
    process = await asyncio.to_thread(piped, server)
    await some_job_is(rig, JobState.QUEUED)
    with process:
        process.kill()
        await asyncio.to_thread(versions.switch, "0.2.0-b")
        async with asyncio.timeout(30):
            await agent


# --- what the core answers -------------------------------------------------------------------------------------------


async def ask(agent: FakeAgent, **fields: object) -> OwnStreamAnswer:
    request = OwnStreamRequest(number=0, **fields)  # type: ignore[arg-type]
    return await asyncio.to_thread(agent.link.request_blocking, request)


async def test_asked_again_after_a_lost_connection_it_makes_no_second_job(rig: Rig) -> None:
    agent = await rig.agent()
    first = await ask(agent, token="t1", name="orders")
    assert (await ask(agent, token="t1", name="orders")).job == first.job
    assert len(await rig.client.jobs()) == 1


async def test_an_agent_is_told_of_its_own_jobs_only(rig: Rig) -> None:
    mine, other = await rig.agent("web1"), await rig.agent("web2")
    job = (await ask(mine, token="t1", name="orders")).job
    assert (await ask(mine, job=job)).job == job
    for agent, name in ((other, job), (mine, "jnothing")):
        with pytest.raises(RemoteError) as error:
            await ask(agent, job=name)
        assert error.value.view().code == "not_of_this_job"
