"""A backup between an administrator's scripts."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from phoenix_core.agent.backup.tokens import TokenKeeper
from phoenix_core.agent.errors import AgentError
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.scripts import Scripts, ScriptUnusable
from phoenix_core.agent.steps import Steps
from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.domain.errors import Cancelled, PhoenixError
from phoenix_core.storage.connect import connect_job_node


class PreScriptFailed(AgentError):
    """The policy wants no backup without its pre-script; the core tells such a job as skipped."""

    code = "pre_script_failed"
    template = "The backup was left out, since its pre-script did not succeed: {reason}"
    hint = "{advice}"


class Backup(Protocol):
    def run(self) -> BackupResult: ...


class ScriptedBackup:
    def __init__(
        self, order: BackupOrder, ports: JobPorts, scripts: Scripts, backup: Callable[[BackupOrder], Backup]
    ) -> None:
        """`backup` makes the job in the middle."""
        self._order = order
        self._ports = ports
        self._scripts = scripts
        self._backup = backup
        self._steps = Steps(ports)
        self._problems: list[str] = []
        self._begun = False
        """The pre-script was started, or there is none."""
        self._token = order.storage.token

    def run(self) -> BackupResult:
        """Raises PreScriptFailed, and what the backup raises. The post-script of one that ends well is `after`'s: what
        happens in it is no reason to lose the backup."""
        if self._order.dry_run:
            return self._backup(self._order).run()
        try:
            self._before()
            storage = msgspec.structs.replace(self._order.storage, token=self._token)
            result = self._backup(msgspec.structs.replace(self._order, storage=storage)).run()
        except BaseException as error:
            if self._begun:
                self._after("cancelled" if isinstance(error, Cancelled) else "failed")
            raise
        return msgspec.structs.replace(result, problems=(*self._problems, *result.problems))

    def after(self) -> None:
        """Once the result of a backup that ended well is reported."""
        if not self._order.dry_run:
            self._after("successful")

    def _before(self) -> None:
        if not self._order.pre_script:
            self._begun = True
            return
        try:
            self._run_pre()
        except Cancelled:
            raise
        except PhoenixError as error:
            if self._order.pre_script_needed:
                raise PreScriptFailed(reason=error.message, advice=error.what_to_do) from error
            self._problems.append(error.message)
            self._told(error)

    def _run_pre(self) -> None:
        """The lease is kept alive meanwhile: a dump of a database may take hours."""
        with TokenKeeper(self._token, self._ports.fresh_token, self._renew_lease) as keeper:

            def tick() -> None:
                self._begun = True
                self._token = keeper.take() or self._token
                if self._ports.cancelled.is_set():
                    raise Cancelled(who=self._ports.cancelled_by)

            try:
                self._run("pre", self._order.pre_script, {}, tick)
            except ScriptUnusable:
                raise
            except PhoenixError:
                self._begun = True
                raise
            self._begun = True
            self._token = keeper.take() or self._token

    def _renew_lease(self) -> None:
        """Whoever connects renews it."""
        tls = self._ports.tls
        access = msgspec.structs.replace(self._order.storage, token=self._token)
        connect_job_node(access, tls.client_context if tls else None).close()

    def _after(self, result: str) -> None:
        """Also of a cancelled job, whose cancel doesn't end this script."""
        if not self._order.post_script:
            return
        try:
            self._run("post", self._order.post_script, {"PHOENIX_RESULT": result}, lambda: None)
        except PhoenixError as error:
            self._told(error)

    def _run(self, phase: str, name: str, more: dict[str, str], tick: Callable[[], None]) -> None:
        environment = {"PHOENIX_PHASE": phase, "PHOENIX_JOB": self._order.job, **more}
        took_s = self._scripts.run(name, environment, self._order.script_timeout_s, tick)
        self._steps.log("info", f"The {phase}-backup script {name} ended well, after {took_s:.1f} s.")

    def _told(self, error: PhoenixError) -> None:
        self._steps.log("warning", f"{error.message} {error.what_to_do}")
