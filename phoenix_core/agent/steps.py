"""Reports the workflow steps that an agent's job does, as they begin and end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from phoenix_core.agent.ports import JobPorts
from phoenix_core.agentlink.reports import LogReport, StepReport
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.states import StepState


class Step:
    """A running step; what is put into `detail` is shown beside it once it is done."""

    def __init__(self) -> None:
        self.detail = ""


class Steps:
    def __init__(self, ports: JobPorts) -> None:
        self._ports = ports

    @contextmanager
    def step(self, step_id: str, detail: str = "") -> Iterator[Step]:
        """Report the step as running, then as done, or as failed where the block raises."""
        running = Step()
        self._report(step_id, StepState.RUNNING, detail)
        try:
            yield running
        except PhoenixError as error:
            self._report(step_id, StepState.FAILED, error.message)
            raise
        except BaseException as error:
            self._report(step_id, StepState.FAILED, str(error) or type(error).__name__)
            raise
        self._report(step_id, StepState.DONE, running.detail or detail)

    def done(self, step_id: str, detail: str) -> None:
        """Report a step that takes no time."""
        self._report(step_id, StepState.DONE, detail)

    def skipped(self, step_id: str, detail: str) -> None:
        self._report(step_id, StepState.SKIPPED, detail)

    def log(self, level: str, text: str) -> None:
        """A line for the job's log; `level` is `info`, `warning` or `error`."""
        self._ports.report(LogReport(level=level, text=text, at_ns=time.time_ns()))

    def _report(self, step_id: str, state: StepState, detail: str) -> None:
        self._ports.report(StepReport(step=step_id, state=state, detail=detail, at_ns=time.time_ns()))
