"""What the commands that start a job have in common."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
from pathlib import Path

import msgspec

from phoenix_core.cli.attach import attached
from phoenix_core.cli.instead import Command, naming, with_command
from phoenix_core.cli.jobresult import print_result
from phoenix_core.cli.progress import job_display
from phoenix_core.cli.waiting import exit_code, left_queue, wait_for_job
from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import EXIT_DONE, EXIT_QUEUED, UsageError
from phoenix_core.domain.states import ConflictRule, JobState
from phoenix_core.domain.views import JobView
from phoenix_core.host.datadir import DataDirectory

Start = Callable[[CoreClient], Awaitable[JobView]]


async def run_job(
    data: DataDirectory,
    start: Start,
    *,
    as_json: bool,
    detach: bool = False,
    wait_agent_s: float | None = None,
    agent: bool = False,
    instead: Command | None = None,
) -> int:
    """Start a job, wait unless detached, print its result; the exit code. A core embedded just for this can't go on
    after the command, so `detach` then needs a running one. `instead`: the command, of another snapshot."""
    async with attached(data, embed=not detach, agent=agent) as client:
        with naming(instead) if instead else nullcontext():
            job = await start(client)
        if detach:
            job = await left_queue(client, job)
            print_result(job, as_json=as_json)
            return EXIT_QUEUED if job.state is JobState.WAITING_FOR_AGENT else EXIT_DONE
        job = await wait_for_job(client, job, job_display(as_json=as_json), wait_agent_s=wait_agent_s)
        if instead is not None and job.error is not None:
            job = msgspec.structs.replace(job, error=with_command(job.error, instead))
        print_result(job, as_json=as_json)
        return exit_code(job)


def read_patterns(files: Iterable[Path]) -> list[str]:
    """The patterns of exclude files; empty lines and comments are left out. Raises UsageError."""
    patterns: list[str] = []
    for file in files:
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            detail = error.strerror if isinstance(error, OSError) else "it isn't UTF-8"
            raise UsageError(detail=f"The exclude file {file} can't be read: {detail}.") from error
        patterns += [line for line in lines if line.strip() and not line.startswith("#")]
    return patterns


def conflict_rule(text: str | None) -> ConflictRule | None:
    """Raises UsageError."""
    if text is None:
        return None
    try:
        return ConflictRule(text.replace("-", "_"))
    except ValueError as error:
        rules = ", ".join(ConflictRule)
        raise UsageError(detail=f"{text} is no conflict rule; there are {rules}.") from error
