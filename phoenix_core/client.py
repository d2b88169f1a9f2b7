"""The operators' API as typed Python: what the command line and the console talk to a core with."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from phoenix_core.alertcalls import AlertCalls
from phoenix_core.domain.errors import EXIT_FAILED, ErrorView, PhoenixError, RemoteError
from phoenix_core.domain.requests import (
    ActivationTokenRequest,
    BackupRequest,
    PruneRequest,
    RepairRequest,
    RestoreRequest,
    VerifyRequest,
)
from phoenix_core.domain.ruletest import RuleTestLine, RuleTestRequest
from phoenix_core.domain.views import (
    ActivationTokenView,
    ChangePage,
    DamageView,
    EntryPage,
    EntryView,
    Event,
    FindingView,
    JobView,
    LogLineView,
    MissingView,
    ServerView,
    SettingView,
    SnapshotView,
    StatusView,
    StorageNodeView,
    VaultView,
)
from phoenix_core.host.unixsocket import socket_address
from phoenix_core.policycalls import PolicyCalls
from phoenix_core.readcalls import ReadCalls
from phoenix_core.snapshotcalls import SnapshotCalls, snapshot_path

REQUEST_TIMEOUT_S = 120.0
EVENT_SILENCE_S = 30.0
"""The core sends at least a comment line each 10 seconds."""

T = TypeVar("T")


class CoreUnreachable(PhoenixError):
    code = "core_not_answering"
    template = "No core answers at {socket}: {detail}."
    hint = "Start one with `phoenix core run`, or name its data directory with --data."
    retryable = True
    exit_code = EXIT_FAILED
    http_status = 503


class CoreClient(PolicyCalls, ReadCalls, SnapshotCalls, AlertCalls):
    """One connection pool to one core. Methods raise `RemoteError` (what the core reported) or `CoreUnreachable`."""

    def __init__(self, socket_path: Path) -> None:
        self._socket_path = socket_path
        self._session: aiohttp.ClientSession | None = None
        self._held = ExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        self._held.close()

    # --- the core ----------------------------------------------------------------------------------------------------

    async def status(self) -> StatusView:
        return await self._call("GET", "/v1/status", StatusView)

    async def doctor(self, *, lone: bool = False) -> list[FindingView]:
        """`lone`: the core was started for this question alone, so no agent is expected to be connected."""
        return await self._call("GET", "/v1/doctor", list[FindingView], query={"lone": "true"} if lone else None)

    async def settings(self) -> list[SettingView]:
        return await self._call("GET", "/v1/settings", list[SettingView])

    async def set_setting(self, key: str, value: str) -> SettingView:
        return await self._call("PUT", f"/v1/settings/{quote(key, safe='')}", SettingView, body={"value": value})

    async def stop(self) -> None:
        """Ask the core to stop; it answers before it does."""
        await self._call("POST", "/v1/core/stop", dict[str, str])

    # --- servers and storage nodes -----------------------------------------------------------------------------------

    async def servers(self) -> list[ServerView]:
        return await self._call("GET", "/v1/servers", list[ServerView])

    async def server(self, name: str) -> ServerView:
        return await self._call("GET", f"/v1/servers/{quote(name, safe='')}", ServerView)

    async def remove_server(self, name: str, *, typed: str) -> ServerView:
        """Revoke the server's certificate. Its snapshots stay. `typed`: its name, also where `name` is its id."""
        path = f"/v1/servers/{quote(name, safe='')}"
        return await self._call("DELETE", path, ServerView, query={"typed": typed})

    async def undelete_server(self, name: str) -> ServerView:
        """Take its removal back."""
        return await self._call("POST", f"/v1/servers/{quote(name, safe='')}/undelete", ServerView)

    async def upgrade_server(self, name: str) -> ServerView:
        """Order its agent to take the core's version; it restarts with it between two jobs."""
        return await self._call("POST", f"/v1/servers/{quote(name, safe='')}/upgrade", ServerView)

    async def activation_token(self, request: ActivationTokenRequest | None = None) -> ActivationTokenView:
        return await self._call(
            "POST", "/v1/activation-tokens", ActivationTokenView, body=request or ActivationTokenRequest()
        )

    async def storage_nodes(self) -> list[StorageNodeView]:
        return await self._call("GET", "/v1/storage-nodes", list[StorageNodeView])

    # --- jobs --------------------------------------------------------------------------------------------------------

    async def backup(self, request: BackupRequest) -> JobView:
        return await self._call("POST", "/v1/backups", JobView, body=request)

    async def restore(self, request: RestoreRequest) -> JobView:
        return await self._call("POST", "/v1/restores", JobView, body=request)

    async def jobs(
        self, *, state: str = "", server: str = "", kind: str = "", limit: int = 50, before: str = ""
    ) -> list[JobView]:
        """Newest first, without steps. `state`: a state, `active` or `finished`. `before`: a job id, to page on."""
        return await self._call(
            "GET",
            "/v1/jobs",
            list[JobView],
            query={"state": state, "server": server, "kind": kind, "limit": limit, "before": before},
        )

    async def job(self, job_id: str) -> JobView:
        return await self._call("GET", f"/v1/jobs/{quote(job_id, safe='')}", JobView)

    async def job_log(self, job_id: str, after: int = 0) -> list[LogLineView]:
        return await self._call(
            "GET", f"/v1/jobs/{quote(job_id, safe='')}/log", list[LogLineView], query={"after": after}
        )

    async def missing(self, job_id: str) -> list[MissingView]:
        return await self._call("GET", f"/v1/jobs/{quote(job_id, safe='')}/missing", list[MissingView])

    async def damage(self, job_id: str) -> list[DamageView]:
        """What a verify job found."""
        return await self._call("GET", f"/v1/jobs/{quote(job_id, safe='')}/damage", list[DamageView])

    async def cancel(self, job_id: str) -> JobView:
        return await self._call("POST", f"/v1/jobs/{quote(job_id, safe='')}/cancel", JobView)

    async def retry(self, job_id: str) -> JobView:
        """A new job that does what this finished one was to do."""
        return await self._call("POST", f"/v1/jobs/{quote(job_id, safe='')}/retry", JobView)

    # --- snapshots ---------------------------------------------------------------------------------------------------

    async def snapshots(
        self,
        *,
        server: str = "",
        limit: int = 0,
        tags: Sequence[str] = (),
        held: bool = False,
        removed: bool = False,
    ) -> list[SnapshotView]:
        """Newest first; `limit` 0: all. `tags`: those that have all of them. `removed`: those whose removal can still
        be undone, and no others."""
        query = {"server": server, "limit": limit or "", "tag": list(tags), "held": held, "removed": removed}
        return await self._call("GET", "/v1/snapshots", list[SnapshotView], query=query)

    async def snapshot(self, snapshot: str, *, server: str = "", removed: bool = False) -> SnapshotView:
        """By id, unique prefix of six digits or more, or `latest` (of `server`). `removed`: also one whose removal can
        still be undone."""
        query = {"server": server, "removed": removed}
        return await self._call("GET", snapshot_path(snapshot), SnapshotView, query=query)

    async def entries(self, snapshot: str, path: str = "/", *, after: str = "", limit: int = 500) -> EntryPage:
        """One page of a folder's entries, sorted by name bytes. Paths are in shown form."""
        return await self._call(
            "GET",
            snapshot_path(snapshot, "/entries"),
            EntryPage,
            query={"path": path, "after": after, "limit": limit},
        )

    async def entry(self, snapshot: str, path: str) -> EntryView:
        return await self._call("GET", snapshot_path(snapshot, "/entry"), EntryView, query={"path": path})

    async def find(
        self, snapshot: str, pattern: str, *, path: str = "/", after: str = "", limit: int = 500
    ) -> EntryPage:
        """Entries below `path` whose name (or, where the pattern holds a `/`, whose path) matches the pattern."""
        return await self._call(
            "GET",
            snapshot_path(snapshot, "/find"),
            EntryPage,
            query={"pattern": pattern, "path": path, "after": after, "limit": limit},
        )

    async def diff(self, snapshot: str, other: str, *, after: str = "", limit: int = 500) -> ChangePage:
        """What changed from `snapshot` to `other`."""
        return await self._call(
            "GET",
            snapshot_path(snapshot, f"/diff/{quote(other, safe='')}"),
            ChangePage,
            query={"after": after, "limit": limit},
        )

    async def remove_snapshot(self, snapshot: str, *, typed: str, at_once: bool = False) -> JobView:
        """`typed`: the first twelve digits of its id, whatever `snapshot` is. `at_once`: so that nothing undoes it."""
        query = {"at_once": at_once, "typed": typed}
        return await self._call("DELETE", snapshot_path(snapshot), JobView, query=query)

    # --- vault -------------------------------------------------------------------------------------------------------

    async def vault(self) -> VaultView:
        return await self._call("GET", "/v1/vault", VaultView)

    async def verify(self, request: VerifyRequest | None = None) -> JobView:
        return await self._call("POST", "/v1/vault/verify", JobView, body=request or VerifyRequest())

    async def repair(self, request: RepairRequest | None = None) -> JobView:
        """The finished job's `result` holds the numbers of `RepairView`."""
        return await self._call("POST", "/v1/vault/repair", JobView, body=request or RepairRequest())

    async def prune(self, request: PruneRequest | None = None) -> JobView:
        """The finished job's `result` holds the numbers of `PrunePlanView`."""
        return await self._call("POST", "/v1/vault/prune", JobView, body=request or PruneRequest())

    async def rebuild_index(self) -> JobView:
        return await self._call("POST", "/v1/vault/rebuild-index", JobView)

    # --- events ------------------------------------------------------------------------------------------------------

    async def events(self, after: int | None = None) -> AsyncGenerator[Event, None]:
        """Events as they happen; with `after` from that number on. Ends only by `CoreUnreachable`.

        Where the events after that number are no longer held (too old, or the core restarted), the first event is of
        kind `reset`: what the caller knows is stale, it reads anew what it shows. The first event of a subscription
        without `after` is `reset` too, so that a caller who reads state upon it misses nothing."""
        query: dict[str, str] = {} if after is None else {"after": str(after)}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=EVENT_SILENCE_S)
        try:
            async with self._opened().get("http://core/v1/events", params=query, timeout=timeout) as response:
                if response.status != 200:
                    raise _failure(await response.read(), response.status)
                data: list[bytes] = []
                async for line in response.content:
                    text = line.rstrip(b"\r\n")
                    if text.startswith(b"data:"):
                        data.append(text[5:].strip())
                    elif not text and data:
                        yield msgspec.json.decode(b"\n".join(data), type=Event)
                        data.clear()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, msgspec.MsgspecError) as error:
            raise self._unreachable(error) from error
        raise CoreUnreachable(socket=self._socket_path, detail="the core closed the connection")

    async def rule_test(self, request: RuleTestRequest) -> AsyncGenerator[RuleTestLine, None]:
        """What these rules would take of a server: lines with verdicts as the agent finds them, the last one with the
        summary."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        body = msgspec.json.encode(request)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._opened().post(
                _url("/v1/rule-tests"), data=body, headers=headers, timeout=timeout
            ) as response:
                if response.status != 200:
                    raise _failure(await response.read(), response.status)
                held = b""
                async for piece in response.content.iter_any():
                    *lines, held = (held + piece).split(b"\n")
                    for text in lines:
                        line = msgspec.json.decode(text, type=RuleTestLine)
                        if line.error is not None:
                            raise RemoteError(line.error)
                        yield line
                        if line.summary is not None:
                            return
        except (aiohttp.ClientError, OSError, TimeoutError, msgspec.MsgspecError) as error:
            raise self._unreachable(error) from error
        raise CoreUnreachable(socket=self._socket_path, detail="the core closed the connection")

    # --- transport ---------------------------------------------------------------------------------------------------

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            address = self._held.enter_context(socket_address(self._socket_path))
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(path=address),
                timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S, sock_connect=10),
                read_bufsize=1 << 20,
            )
        return self._session

    def _unreachable(self, error: BaseException) -> CoreUnreachable:
        cause = error.__cause__ or error
        if isinstance(cause, FileNotFoundError):
            detail = "no core runs there"
        elif isinstance(cause, ConnectionRefusedError):
            detail = "the core that ran there has ended"
        elif isinstance(cause, asyncio.TimeoutError):
            detail = "it took too long to answer"
        else:
            detail = str(cause) or type(cause).__name__
        return CoreUnreachable(socket=self._socket_path, detail=detail)

    async def _call(
        self, method: str, path: str, answer: type[T], *, query: dict[str, Any] | None = None, body: object = None
    ) -> T:
        params = _params(query or {})
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"} if data is not None else {}
        try:
            async with self._opened().request(
                method, _url(path), params=params, data=data, headers=headers
            ) as response:
                content = await response.read()
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error
        if status >= 400:
            raise _failure(content, status)
        try:
            return msgspec.json.decode(content, type=answer)
        except msgspec.MsgspecError as error:
            detail = f"its answer is not understood ({error}); it may be of another version"
            raise CoreUnreachable(socket=self._socket_path, detail=detail) from error

    @asynccontextmanager
    async def _streamed(
        self, path: str, query: dict[str, Any], headers: dict[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        params = _params(query)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=REQUEST_TIMEOUT_S)
        opening = self._opened().get(_url(path), params=params, headers=headers, timeout=timeout)
        try:
            response = await opening
            content = await response.read() if response.status >= 400 else b""
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error
        try:
            if response.status >= 400:
                raise _failure(content, response.status)
            yield response
        finally:
            response.release()


def _params(query: dict[str, Any]) -> list[tuple[str, str]]:
    """Of a list each member by itself; what is empty or false is left out."""
    return [
        (name, "true" if each is True else str(each))
        for name, value in query.items()
        for each in (value if isinstance(value, list) else [value])
        if each != "" and each is not False
    ]


def _url(path: str) -> URL:
    return URL(f"http://core{path}", encoded=True)


def _failure(content: bytes, status: int) -> RemoteError:
    try:
        return RemoteError(msgspec.json.decode(content, type=ErrorView))
    except msgspec.MsgspecError:
        text = content.decode("utf-8", "replace").strip()[:200]
        return RemoteError(
            ErrorView(
                code="internal",
                message=f"The core answered with status {status}: {text}",
                hint="Run `phoenix doctor`; the log named there has the details.",
            )
        )
