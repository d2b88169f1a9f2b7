"""A backup between an administrator's scripts."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from phoenix_core.agent.errors import AgentError
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.scripts import Scripts
from phoenix_core.agent.steps import Steps
from phoenix_core.agentlink.messages import BackupOrder, BackupResult
from phoenix_core.domain.errors import Cancelled, PhoenixError


class PreScriptFailed(AgentError):
    """The policy wants no backup without its pre-script; the core tells such a job as skipped."""

    code = "pre_script_failed"
    template = "The backup was left out, since its pre-script did not succeed: {reason}"
    hint = "{advice}"


class Backup(Protocol):
    def run(self) -> BackupResult: ...


class ScriptedBackup:
    def __init__(self, order: BackupOrder, ports: JobPorts, scripts: Scripts, backup: Callable[[], Backup]) -> None:
        """`backup` makes the job in the middle."""
        self._order = order
        self._ports = ports
        self._scripts = scripts
        self._backup = backup
        self._steps = Steps(ports)
        self._problems: list[str] = []

    def run(self) -> BackupResult:
        """Raises PreScriptFailed, and what the backup raises."""
        if self._order.dry_run:
            return self._backup().run()
        self._before()
        try:
            result = self._backup().run()
        except BaseException as error:
            self._after("cancelled" if isinstance(error, Cancelled) else "failed")
            raise
        self._after("successful")
        return msgspec.structs.replace(result, problems=tuple(self._problems))

    def _before(self) -> None:
        if not self._order.pre_script:
            return
        try:
            self._run("pre", self._order.pre_script, {}, self._check)
        except Cancelled:
            raise
        except PhoenixError as error:
            if self._order.pre_script_needed:
                raise PreScriptFailed(reason=error.message, advice=error.what_to_do) from error
            self._told(error)

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
        self._problems.append(error.message)
        self._steps.log("warning", f"{error.message} {error.what_to_do}")

    def _check(self) -> None:
        if self._ports.cancelled.is_set():
            raise Cancelled(who=self._ports.cancelled_by)
