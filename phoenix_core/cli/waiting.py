"""Waits for a job, shows it as it goes, cancels it on Ctrl-C, and gives the exit code of its end."""

import asyncio
from collections.abc import AsyncIterator

from phoenix_core.cli.errors import CoreLost
from phoenix_core.cli.output import warn
from phoenix_core.cli.progress import JobDisplay
from phoenix_core.client import CoreClient, CoreUnreachable
from phoenix_core.domain.errors import (
    EXIT_CANCELLED,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_MISSING_FILES,
    EXIT_QUEUED,
    RemoteError,
)
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import JobView

POLL_S = 2.0
"""The event stream tells at once; asking now and then covers events that were lost with a connection."""

QUEUE_S = 1.0
"""So long may the queue take to look at a new job."""

TAKEN_UP_AGAIN = frozenset({JobKind.FILE_BACKUP, JobKind.FILE_RESTORE, JobKind.FILE_COMPARE, JobKind.RESTORE_DRILL})
"""A core that is started goes on with such jobs; others that ran are aborted, and those that waited wait on."""

EXIT_OF_STATE = {
    JobState.SUCCESSFUL: EXIT_DONE,
    JobState.SUCCESSFUL_WITH_ERRORS: EXIT_MISSING_FILES,
    JobState.CANCELLED: EXIT_CANCELLED,
    JobState.SKIPPED: EXIT_FAILED,
    JobState.FAILED: EXIT_FAILED,
    JobState.ABORTED: EXIT_FAILED,
}


def exit_code(job: JobView) -> int:
    """Of a job's final state, or 4 for one that still waits or runs."""
    if job.state is JobState.FAILED and job.error is not None:
        return job.error.exit_code
    return EXIT_OF_STATE.get(job.state, EXIT_QUEUED)


async def wait_for_job(
    client: CoreClient,
    job: JobView,
    display: JobDisplay,
    *,
    wait_agent_s: float | None = None,
    cancel_on_interrupt: bool = True,
) -> JobView:
    """The job at its end; or as it is when its agent was waited for longer than `wait_agent_s`.

    Interrupted, it cancels the job at the core and waits for that, unless it only watches. Raises CoreLost."""
    try:
        return await _watch(client, job, display, wait_agent_s)
    except CoreUnreachable as error:
        raise CoreLost(job=job.id, detail=str(error.fields["detail"]), goes_on=job.kind in TAKEN_UP_AGAIN) from error
    except asyncio.CancelledError:
        if not cancel_on_interrupt:
            raise
        warn("Cancelling the job ...")
        return await asyncio.shield(_cancel(client, job))


async def left_queue(client: CoreClient, job: JobView) -> JobView:
    """The job once it is known whether it starts or waits for an agent; still queued if it stands behind others."""
    end = asyncio.get_running_loop().time() + QUEUE_S
    view = await client.job(job.id)
    while view.state is JobState.QUEUED and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.05)
        view = await client.job(job.id)
    return view


async def _cancel(client: CoreClient, job: JobView) -> JobView:
    try:
        view = await client.cancel(job.id)
    except RemoteError:  # it ended at this very moment
        view = await client.job(job.id)
        if not view.state.is_final:
            raise
    while not view.state.is_final:
        await asyncio.sleep(0.1)
        view = await client.job(job.id)
    return view


async def _watch(client: CoreClient, job: JobView, display: JobDisplay, wait_agent_s: float | None) -> JobView:
    loop = asyncio.get_running_loop()
    began = loop.time()
    told_away = False
    with display:
        async for view in _views(client, job, display):
            display.job(view)
            if view.state.is_final:
                return view
            if view.state is JobState.WAITING_FOR_AGENT:
                if not told_away and (wait_agent_s is None or wait_agent_s > 0):
                    warn(f"The agent of {view.server_name} is away; job {view.id} waits for it.")
                    told_away = True
                if wait_agent_s is not None and loop.time() - began >= wait_agent_s:
                    return view
    raise AssertionError("the views of a job end with its end")


async def _views(client: CoreClient, job: JobView, display: JobDisplay) -> AsyncIterator[JobView]:
    """The job whenever it changed, and every two seconds."""
    changed: asyncio.Queue[None] = asyncio.Queue(maxsize=1)

    async def listen() -> None:
        async for event in client.events():
            if event.job is None or event.job.id != job.id:
                continue
            if event.kind == "progress" and event.job.progress is not None:
                display.progress(event.job.progress)
            elif changed.empty():
                changed.put_nowait(None)

    listener = asyncio.create_task(listen(), name=f"events of job {job.id}")
    try:
        while True:
            yield await client.job(job.id)
            try:
                async with asyncio.timeout(POLL_S if not listener.done() else 0.3):
                    await changed.get()
            except TimeoutError:
                continue
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
