"""The agent's socket for restores that somebody on its own host starts (WF2), `restores.sock` in its folder, open to
the agent's own user alone: the agent asks the core for the restore, and tells the command how its job ends.
"""

import asyncio
from pathlib import Path
from typing import Any, Protocol, overload

import msgspec
import structlog

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
    line_of,
    read_wish,
)
from phoenix_core.agentlink import features
from phoenix_core.agentlink.errors import LinkClosed
from phoenix_core.agentlink.messages import OwnRestoreAnswer, OwnRestoreRequest, Welcome
from phoenix_core.agentlink.ownrestore import OwnJobAnswer, OwnJobRequest, OwnSnapshotsAnswer, OwnSnapshotsRequest
from phoenix_core.domain.errors import PhoenixError, UsageError
from phoenix_core.host.unixsocket import listen_unix

WISH_S = 30.0
ASK_S = 60.0
LOOK_S = 1.0

log = structlog.get_logger(__name__)


class AgentWithoutCore(AgentError):
    code = "agent_without_core"
    template = "This server's agent has no connection to its core: {detail}."
    hint = "The agent goes on trying. See that the core runs and can be reached from here; the agent's log says more."
    retryable = True


class CoreTakesNoRestores(AgentError):
    code = "core_takes_no_restores"
    template = "The core is too old to be asked for restores from the server itself."
    hint = "Upgrade the core; until then start the restore there: `phoenix restore`."


class OwnRestoreLink(Protocol):
    """What of the link it uses."""

    @property
    def connected(self) -> bool: ...
    @property
    def down_for(self) -> str: ...
    @overload
    async def request(self, request: OwnRestoreRequest, timeout_s: float) -> OwnRestoreAnswer: ...
    @overload
    async def request(self, request: OwnSnapshotsRequest, timeout_s: float) -> OwnSnapshotsAnswer: ...
    @overload
    async def request(self, request: OwnJobRequest, timeout_s: float) -> OwnJobAnswer: ...


class RestoreDoor:
    """Used from the link's event loop only."""

    def __init__(self, link: OwnRestoreLink, folder: Path, *, look_s: float = LOOK_S) -> None:
        """`look_s`: between two questions how a job goes."""
        self._link = link
        self._path = folder / SOCKET
        self._look_s = look_s
        self._core_can = False
        self._server: asyncio.Server | None = None
        self._callers: set[asyncio.Task[Any]] = set()

    def welcomed(self, welcome: Welcome) -> None:
        self._core_can = features.OWN_RESTORES in welcome.can

    async def open(self) -> None:
        """Where it can't be opened, the agent does without."""
        try:
            listener = await asyncio.to_thread(listen_unix, self._path)
        except OSError as error:
            log.error("nobody here can ask this agent for a restore", path=str(self._path), error=str(error))  # noqa: TRY400
            return
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=LINE_MAX)

    async def close(self) -> None:
        """Nobody comes in any more. Who is in sees that the agent went; the jobs themselves are the core's."""
        if self._server is None:
            return
        self._server.close()
        await asyncio.to_thread(self._path.unlink, missing_ok=True)
        callers = list(self._callers)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._callers.add(task)
        try:
            await self._talk(reader, writer)
        except (OSError, TimeoutError) as error:
            log.info("somebody who asked this agent for a restore went away", detail=str(error))
        except asyncio.CancelledError:  # `close`: nobody else has this task
            log.debug("the agent stops before a restore that it was asked for is over")
        finally:
            self._callers.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(WISH_S):
                line = await reader.readline()
            await self._serve_wish(line, reader, writer)
        except (ValueError, msgspec.MsgspecError) as error:  # readline's own for a line that is too long
            await _say(writer, Refused(UsageError(detail=f"The agent can't read what it is asked: {error}.").view()))
        except PhoenixError as error:
            await _say(writer, Refused(error.view()))

    async def _serve_wish(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wish = read_wish(line)
        if not self._link.connected:
            raise AgentWithoutCore(detail=self._link.down_for)
        if not self._core_can:
            raise CoreTakesNoRestores()
        if isinstance(wish, ListSnapshots):
            found = await self._link.request(OwnSnapshotsRequest(0, wish.limit), ASK_S)
            await _say(writer, Listed(found.snapshots))
            return
        job = await self._begun(wish)
        await _say(writer, Begun(job))
        over = await self._over(job, reader) if wish.wait else None
        if over is not None:
            await _say(writer, Ended(over))

    async def _begun(self, wish: StartRestore) -> str:
        asked = OwnRestoreRequest(0, wish.snapshot, wish.paths, wish.destination, wish.conflict)
        answer = await self._link.request(asked, ASK_S)
        log.info("somebody here began a restore", snapshot=wish.snapshot, job=answer.job)
        return answer.job

    async def _over(self, job: str, reader: asyncio.StreamReader) -> OwnJobAnswer | None:
        """How the job ended; a core that doesn't say is asked again. None: nobody waits for it any more."""
        while not reader.at_eof():
            try:
                answer = await self._link.request(OwnJobRequest(0, job), ASK_S)
            except LinkClosed:
                raise
            except PhoenixError as error:
                log.warning("the core doesn't say how a restore goes", job=job, error=error.message)
            else:
                if answer.is_over:
                    return answer
            await asyncio.sleep(self._look_s)
        return None


async def _say(writer: asyncio.StreamWriter, answer: Answer) -> None:
    """Raises OSError."""
    writer.write(line_of(answer))
    await writer.drain()
