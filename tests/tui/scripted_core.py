"""A core with fixed data behind the real operators' API: a real HTTP server on a Unix socket, whose events a test
sends."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from phoenix_core.domain.alerts import AcknowledgeRequest, AlertView
from phoenix_core.domain.comparing import CompareRequest
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.requests import BackupRequest, PruneRequest, RepairRequest, RestoreRequest, VerifyRequest
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import (
    ActivationTokenView,
    DamageView,
    Event,
    JobView,
    LogLineView,
    MissingView,
    ServerView,
    SettingView,
    StatusView,
    VaultView,
)
from phoenix_core.host.unixsocket import listen_unix
from phoenix_core.rollout.script import install_line
from tests.tui import sample
from tests.tui.sample_tree import SampleTree
from tests.tui.scripted_decisions import ScriptedDecisions
from tests.tui.scripted_notifications import ScriptedNotifications
from tests.tui.scripted_policies import ScriptedPolicies

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
NOT_FOUND = 404
INSTALL_LINE = install_line("phx1.c2FtcGxlLXRva2Vu" + "x" * 130, "https://backup.example.com:8443", b"a script")


class ScriptedCore(ScriptedDecisions, ScriptedPolicies):
    """`requests` holds what the console asked for, as (method, path, body). `refuse` makes a path
    answer an error."""

    def __init__(self, socket_path: Path) -> None:
        super().__init__()
        self.socket_path = socket_path
        self.status: StatusView = sample.STATUS
        self.vault: VaultView | None = sample.VAULT
        self.servers: dict[str, ServerView] = {server.id: server for server in sample.SERVERS}
        self.jobs: dict[str, JobView] = {job.id: job for job in sample.JOBS}
        self.logs: dict[str, tuple[LogLineView, ...]] = {sample.RUNNING.id: sample.LOG}
        self.missing: dict[str, tuple[MissingView, ...]] = {sample.WITH_ERRORS.id: sample.MISSING}
        self.damages: dict[str, tuple[DamageView, ...]] = {}
        self.settings: dict[str, SettingView] = {setting.key: setting for setting in sample.SETTINGS}
        self.alerts: dict[str, AlertView] = {}
        self.notifications = ScriptedNotifications()
        self.tree = SampleTree()
        self.requests: list[tuple[str, str, Any]] = []
        self.refuse: dict[str, ErrorView] = {}
        self.held = asyncio.Event()
        """Cleared, the core answers nothing but its status."""
        self.held.set()
        self.subscribers: list[asyncio.Queue[Event]] = []
        self.subscribed = asyncio.Condition()
        self.number = 1000
        self._next_job = 0
        self._runner: web.AppRunner | None = None

    # --- running -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        app = web.Application(middlewares=[self._watch])
        app.add_routes(self._routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.SockSite(self._runner, listen_unix(self.socket_path)).start()

    async def stop(self) -> None:
        if self._runner is not None:
            self.subscribers.clear()
            await self._runner.cleanup()
            self._runner = None
            self.socket_path.unlink(missing_ok=True)

    def send(self, kind: str, **parts: Any) -> None:
        """Tell all who follow."""
        self.number += 1
        event = Event(number=self.number, kind=kind, at=sample.NOW, **parts)
        for queue in self.subscribers:
            queue.put_nowait(event)

    def put_alert(self, alert: AlertView) -> None:
        """Change an alert, and say so."""
        self.alerts[alert.id] = alert
        self.send("alert", alert=alert)

    def put_job(self, job: JobView) -> None:
        """Change a job, and say so."""
        self.jobs[job.id] = job
        self.send("job", job_id=job.id, job=job)

    def asked(self, method: str, path: str) -> list[Any]:
        """The bodies of the requests of this kind."""
        return [body for verb, where, body in self.requests if (verb, where) == (method, path)]

    # --- answering ---------------------------------------------------------------------------------------------------

    @web.middleware
    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        content = await request.read()
        body = msgspec.json.decode(content) if content else dict(request.query)
        self.requests.append((request.method, request.path, body))
        if request.path not in {"/v1/status", "/v1/events"}:
            await self.held.wait()
        refusal = self.refuse.get(request.path)
        if refusal is not None:
            return _json(refusal, 409)
        try:
            return await handler(request)
        except KeyError as error:
            return _json(ErrorView(code="not_found", message=f"There is no {error}.", hint="List them."), NOT_FOUND)

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/status", self._get_status),
            web.get("/v1/alerts", self._get_alerts),
            web.post("/v1/alerts/{alert}/acknowledge", self._acknowledge),
            *self.notifications.routes(),
            *self.policy_routes(),
            web.get("/v1/vault", self._get_vault),
            web.get("/v1/servers", self._get_servers),
            web.delete("/v1/servers/{name}", self._remove_server),
            web.post("/v1/servers/{name}/undelete", self._undelete_server),
            web.post("/v1/servers/{name}/upgrade", self._upgrade_server),
            web.post("/v1/activation-tokens", self._token),
            web.get("/v1/jobs", self._get_jobs),
            web.get("/v1/jobs/{job}", self._get_job),
            web.get("/v1/jobs/{job}/log", self._get_log),
            web.get("/v1/jobs/{job}/missing", self._get_missing),
            web.get("/v1/jobs/{job}/damage", self._get_damage),
            web.post("/v1/jobs/{job}/cancel", self._cancel),
            web.post("/v1/jobs/{job}/retry", self._retry),
            web.post("/v1/backups", self._backup),
            web.post("/v1/restores", self._restore),
            web.post("/v1/compares", self._compare),
            web.get("/v1/jobs/{job}/differences", self._differences),
            web.post("/v1/vault/verify", self._verify),
            web.post("/v1/vault/repair", self._repair),
            web.post("/v1/vault/prune", self._prune),
            web.post("/v1/vault/rebuild-index", self._rebuild),
            web.get("/v1/find", self._find_versions),
            web.get("/v1/snapshots", self._get_snapshots),
            web.get("/v1/snapshots/{snapshot}", self._get_snapshot),
            web.delete("/v1/snapshots/{snapshot}", self._remove_snapshot),
            *self.decision_routes(),
            web.get("/v1/snapshots/{snapshot}/entries", self._entries),
            web.get("/v1/snapshots/{snapshot}/find", self._find),
            web.get("/v1/snapshots/{snapshot}/diff/{other}", self._diff),
            web.get("/v1/settings", self._get_settings),
            web.put("/v1/settings/{key}", self._put_setting),
            web.get("/v1/events", self._events),
        ]

    async def _events(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        queue: asyncio.Queue[Event] = asyncio.Queue()
        if "after" not in request.query:
            queue.put_nowait(Event(number=self.number, kind="reset", at=sample.NOW))
        self.subscribers.append(queue)
        async with self.subscribed:
            self.subscribed.notify_all()
        while True:
            event = await queue.get()
            frame = msgspec.json.encode(event)
            await answer.write(b"id: %d\nevent: x\ndata: %s\n\n" % (event.number, frame))

    async def _get_status(self, _request: web.Request) -> web.Response:
        return _json(self.status)

    async def _get_vault(self, _request: web.Request) -> web.Response:
        if self.vault is None:
            return _json(NO_VAULT, 409)
        return _json(self.vault)

    async def _get_servers(self, _request: web.Request) -> web.Response:
        return _json(list(self.servers.values()))

    async def _remove_server(self, request: web.Request) -> web.Response:
        server = self._server(request.match_info["name"])
        return self._put_server(msgspec.structs.replace(server, revoked=True, connected=False))

    async def _undelete_server(self, request: web.Request) -> web.Response:
        return self._put_server(msgspec.structs.replace(self._server(request.match_info["name"]), revoked=False))

    async def _upgrade_server(self, request: web.Request) -> web.Response:
        server = self._server(request.match_info["name"])
        return self._put_server(msgspec.structs.replace(server, upgrade="upgrade ordered 2026-11-23 20:02 UTC"))

    def _put_server(self, server: ServerView) -> web.Response:
        self.servers[server.id] = server
        self.send("server", server=server)
        return _json(server)

    async def _token(self, _request: web.Request) -> web.Response:
        return _json(ActivationTokenView("phx1.c2FtcGxlLXRva2Vu", sample.NOW + timedelta(hours=1), INSTALL_LINE))

    async def _get_jobs(self, request: web.Request) -> web.Response:
        jobs = sorted(self.jobs.values(), key=lambda job: (job.created_at or sample.NOW, job.id), reverse=True)
        if request.query.get("state") == "active":
            jobs = [job for job in jobs if not job.state.is_final]
        if "before" in request.query:
            jobs = jobs[[job.id for job in jobs].index(request.query["before"]) + 1 :]
        return _json([msgspec.structs.replace(job, steps=()) for job in jobs[: int(request.query.get("limit", 50))]])

    async def _get_job(self, request: web.Request) -> web.Response:
        job = self.jobs[request.match_info["job"]]
        return _json(msgspec.structs.replace(job, missing=self.missing.get(job.id, ())))

    async def _get_log(self, request: web.Request) -> web.Response:
        lines = self.logs.get(request.match_info["job"], ())
        return _json([line for line in lines if line.number > int(request.query.get("after", 0))])

    async def _get_missing(self, request: web.Request) -> web.Response:
        return _json(self.missing.get(request.match_info["job"], ()))

    async def _get_damage(self, request: web.Request) -> web.Response:
        return _json(self.damages.get(request.match_info["job"], ()))

    async def _cancel(self, request: web.Request) -> web.Response:
        job = self.jobs[request.match_info["job"]]
        self.put_job(msgspec.structs.replace(job, state=JobState.CANCELLED, finished_at=sample.NOW))
        return _json(self.jobs[job.id])

    async def _retry(self, request: web.Request) -> web.Response:
        old = self.jobs[request.match_info["job"]]
        return self.new_job(old.kind, old.title, old.server_id, retry_of=old.id, attempt=old.attempt + 1)

    async def _backup(self, request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read(), type=BackupRequest)
        server = self._server(body.server)
        return self.new_job(JobKind.FILE_BACKUP, f"Backup of {server.name}", server.id)

    async def _restore(self, request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read(), type=RestoreRequest)
        server = self._server(body.server)
        title = "Check of a restore" if body.check_only else "Restore"
        return self.new_job(JobKind.FILE_RESTORE, f"{title} of {server.name}", server.id)

    async def _compare(self, request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read(), type=CompareRequest)
        return self.new_job(JobKind.FILE_COMPARE, "Comparison", self._server(body.server).id)

    async def _differences(self, _request: web.Request) -> web.Response:
        return _json(self.tree.differences())

    async def _verify(self, request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read(), type=VerifyRequest)
        return self.new_job(JobKind.VERIFY, f"Verify of the vault: {body.depth}")

    async def _repair(self, request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read(), type=RepairRequest)
        return self.new_job(JobKind.REPAIR, "Repair of the vault" if body.execute else "Plan of a repair of the vault")

    async def _prune(self, request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read(), type=PruneRequest)
        return self.new_job(JobKind.PRUNE, "Prune of the vault" if body.execute else "Plan of a prune of the vault")

    async def _rebuild(self, _request: web.Request) -> web.Response:
        return self.new_job(JobKind.REBUILD_INDEX, "Rebuild of the index")

    async def _get_snapshots(self, request: web.Request) -> web.Response:
        server = request.query.get("server", "")
        listed = self.removed if request.query.get("removed") else self.snapshots
        return _json([each for each in listed if server in {"", each.server_id, each.server_name}])

    async def _get_snapshot(self, request: web.Request) -> web.Response:
        return _json(self.snapshot(request.match_info["snapshot"]))

    async def _remove_snapshot(self, request: web.Request) -> web.Response:
        gone = self.take_away(request.match_info["snapshot"])
        return self.new_job(JobKind.SNAPSHOT_REMOVE, f"Removal of snapshot {gone.id[:12]} of {gone.server_name}")

    async def _entries(self, request: web.Request) -> web.Response:
        query = request.query
        return _json(self.tree.page(query.get("path", "/"), query.get("after", ""), int(query.get("limit", "500"))))

    async def _find(self, request: web.Request) -> web.Response:
        return _json(self.tree.find(request.query["pattern"], request.query.get("path", "/")))

    async def _find_versions(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for line in self.tree.versions(request.query["pattern"], self.snapshots):
            await answer.write(msgspec.json.encode(line) + b"\n")
        return answer

    async def _diff(self, _request: web.Request) -> web.Response:
        return _json(self.tree.changes())

    async def _get_settings(self, _request: web.Request) -> web.Response:
        return _json(list(self.settings.values()))

    async def _put_setting(self, request: web.Request) -> web.Response:
        setting = self.settings[request.match_info["key"]]
        value = str(msgspec.json.decode(await request.read())["value"])
        self.settings[setting.key] = msgspec.structs.replace(setting, value=value)
        return _json(self.settings[setting.key])

    # --- inside ------------------------------------------------------------------------------------------------------

    def _server(self, name: str) -> ServerView:
        return (
            next((each for each in self.servers.values() if name in {each.id, each.name}), self.servers.get(name))
            or (self.servers[name])
        )

    # --- alerts ------------------------------------------------------------------------------------------------------

    async def _get_alerts(self, request: web.Request) -> web.Response:
        active = request.query.get("state", "active") == "active"
        return _json([alert for alert in self.alerts.values() if alert.is_active is active])

    async def _acknowledge(self, request: web.Request) -> web.Response:
        note = msgspec.json.decode(await request.read(), type=AcknowledgeRequest).note
        alert = self.alerts[request.match_info["alert"]]
        known = msgspec.structs.replace(alert, acknowledged_at=sample.NOW, acknowledged_by="mara", note=note)
        self.put_alert(known)
        return _json(known)

    def new_job(self, kind: JobKind, title: str, server_id: str = "", **values: Any) -> web.Response:
        self._next_job += 1
        job = JobView(
            id=f"j9new{self._next_job:06d}",
            kind=kind,
            state=JobState.QUEUED,
            title=title,
            server_id=server_id,
            server_name=self.servers[server_id].name if server_id else "",
            requested_by="mara",
            created_at=sample.NOW,
            **values,
        )
        self.put_job(job)
        return _json(job, 201)


NO_VAULT = ErrorView(
    code="no_vault",
    message="There is no vault in /var/lib/phoenix/vault yet.",
    hint="Make one with `phoenix vault init`.",
)


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
