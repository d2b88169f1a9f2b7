"""What the workflows that an agent works on have in common: its order, its outcome, the files that it reports."""

from collections.abc import Awaitable, Callable, Iterable

import msgspec

from phoenix_core.agentlink.reports import JobFailed, MissingFile, ReportBody
from phoenix_core.domain.errors import RemoteError
from phoenix_core.engine.agent_jobs import AgentJobs
from phoenix_core.engine.agent_work import Order
from phoenix_core.engine.workflow import JobRun

_outcomes = msgspec.msgpack.Decoder(ReportBody)
_encoder = msgspec.msgpack.Encoder()


def encode_outcome(body: ReportBody) -> bytes:
    return _encoder.encode(body)


def stored_outcome(run: JobRun) -> ReportBody | None:
    """The agent's last report, where it came before the core was started again."""
    return None if run.job.outcome is None else _outcomes.decode(run.job.outcome)


async def agents_outcome(run: JobRun, agents: AgentJobs, make_order: Callable[[], Awaitable[Order]]) -> ReportBody:
    """Have the agent do its part. Raises Cancelled, JobAborted."""
    with agents.working(run, make_order) as work:
        await run.reload()
        early = stored_outcome(run)
        if early is not None:
            work.reported(early)
        return await work.outcome(order=not (run.resumed and run.job.lease))


def raise_failure(outcome: ReportBody) -> ReportBody:
    """The outcome, unless it is a failure: that is raised."""
    if isinstance(outcome, JobFailed):
        raise RemoteError(outcome.error)
    return outcome


def numbers(result: msgspec.Struct, *, without: Iterable[str]) -> dict[str, int | float | str | bool]:
    """The fields of a result that are plain values, for the job's view."""
    left_out = set(without)
    return {name: getattr(result, name) for name in result.__struct_fields__ if name not in left_out}


def file_pairs(files: Iterable[MissingFile]) -> list[tuple[str, str]]:
    return [(each.path, each.reason) for each in files]
