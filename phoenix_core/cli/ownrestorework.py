"""What `agent restore` and `agent snapshots` do: have this host's agent ask its core, and tell what comes of it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from phoenix_core.agent.errors import AgentError
from phoenix_core.agent.restorelines import (
    LINE_MAX,
    SOCKET,
    Answer,
    Begun,
    Ended,
    Listed,
    ListSnapshots,
    Refused,
    StartRestore,
    Wish,
    line_of,
    read_answer,
)
from phoenix_core.agentlink.ownrestore import OwnJobAnswer
from phoenix_core.cli.errors import AgentAbsent
from phoenix_core.cli.jobresult import print_result
from phoenix_core.cli.output import print_json, print_table, say, size, warn, when
from phoenix_core.cli.waiting import exit_code
from phoenix_core.domain.errors import EXIT_DONE, RemoteError
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.states import ConflictRule, JobKind, JobState
from phoenix_core.domain.views import JobView, MissingView
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.unixsocket import socket_address
from phoenix_core.rollout.services import AGENT_DATA


class RestoreUnconfirmed(AgentError):
    code = "restore_unconfirmed"
    template = "The agent went away before it was known how {what} ends."
    hint = "See at the core what became of it: `phoenix job list`. A restore that failed can be started again."


class OwnRestore(msgspec.Struct, frozen=True):
    """What is to be restored on this host."""

    snapshot: str
    paths: tuple[str, ...] = ()
    """As they were typed; none: everything."""
    destination: str = ""
    conflict: ConflictRule | None = None


async def restore_here(data: Path | None, wanted: OwnRestore, *, detach: bool = False, as_json: bool = False) -> int:
    """Raises AgentAbsent, RestoreUnconfirmed; RemoteError with why the agent or the core refuses."""
    wish = await asyncio.to_thread(_wish, wanted, wait=not detach)
    job = ""
    async for answer in _answers(data, wish):
        if isinstance(answer, Refused) and job:
            raise RestoreUnconfirmed(what=f"job {job}")
        if isinstance(answer, Refused):
            raise RemoteError(answer.error)
        if isinstance(answer, Begun):
            job = answer.job
            if detach:
                return _begun(job, as_json=as_json)
            if not as_json:
                warn(f"Job {job} restores here. Ctrl-C leaves it to go on.")
        elif isinstance(answer, Ended):
            view = _view(answer.job, "" if as_json else "this server")
            print_result(view, as_json=as_json)
            return exit_code(view)
    raise RestoreUnconfirmed(what=f"job {job}" if job else "the restore")


async def list_here(data: Path | None, limit: int, *, as_json: bool = False) -> int:
    """This server's restore points, newest first. Raises as `restore_here`."""
    async for answer in _answers(data, ListSnapshots(limit)):
        if isinstance(answer, Refused):
            raise RemoteError(answer.error)
        if isinstance(answer, Listed):
            if as_json:
                print_json(answer.snapshots)
            else:
                _print(answer)
            return EXIT_DONE
    raise RestoreUnconfirmed(what="the listing")


async def _answers(data: Path | None, wish: Wish) -> AsyncIterator[Answer]:
    """What the agent answers until it says no more."""
    async with _agent(DataDirectory(data or AGENT_DATA).agent / SOCKET) as (reader, writer):
        try:
            writer.write(line_of(wish))
            await writer.drain()
            while line := await reader.readline():
                yield read_answer(line)
        except (OSError, msgspec.MsgspecError):
            return


@asynccontextmanager
async def _agent(path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        with socket_address(path) as address:
            reader, writer = await asyncio.open_unix_connection(address, limit=LINE_MAX)
    except OSError as error:
        raise AgentAbsent(path=path, detail=(error.strerror or str(error)).lower()) from error
    try:
        yield reader, writer
    finally:
        writer.close()


def _wish(wanted: OwnRestore, *, wait: bool) -> StartRestore:
    paths = tuple(map(_absolute, wanted.paths))
    return StartRestore(wanted.snapshot, paths, _absolute(wanted.destination), wanted.conflict, wait)


def _absolute(path: str) -> bytes:
    """A path of this host, as it stands where the command was typed; an empty one stays."""
    return os.fsencode(os.path.abspath(path)) if path else b""


def _begun(job: str, *, as_json: bool) -> int:
    if as_json:
        print_json({"job": job})
    else:
        say(f"Job {job} restores here.")
    return EXIT_DONE


def _view(job: OwnJobAnswer, server: str) -> JobView:
    return JobView(
        id=job.job,
        kind=JobKind.FILE_RESTORE,
        state=JobState(job.state),
        title="Restore of this server's own data",
        server_name=server,
        snapshot_id=job.snapshot_id,
        error=job.failure,
        missing=tuple(MissingView(path, reason) for path, reason in job.missing),
        missing_count=job.missing_count,
        result=job.result,
    )


def _print(listed: Listed) -> None:
    print_table(
        ("SNAPSHOT", "TIME", "FILES", "SIZE", "MISSING", "TAGS", "PATHS"),
        [
            (
                each.snapshot_id[:SHORT_ID_DIGITS],
                when(datetime.fromtimestamp(each.taken_ns / 1e9, UTC)),
                "lost" if each.lost else str(each.files),
                size(each.bytes),
                str(each.missing_count),
                ", ".join(each.tags),
                ", ".join(each.paths),
            )
            for each in listed.snapshots
        ],
        "The core has no snapshot of this server.",
    )
