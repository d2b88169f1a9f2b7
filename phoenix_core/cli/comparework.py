"""What `snapshot compare` does: has the server's agent compare, waits, and prints what differs."""

from collections.abc import AsyncIterator

import msgspec

from phoenix_core.cli.attach import attached
from phoenix_core.cli.instead import naming
from phoenix_core.cli.jobresult import compared, print_result
from phoenix_core.cli.output import print_json, say, warn
from phoenix_core.cli.progress import job_display
from phoenix_core.cli.waiting import exit_code, wait_for_job
from phoenix_core.client import CoreClient
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.changes import Change, mark_of
from phoenix_core.domain.comparing import CompareRequest, DifferenceView
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import JobView
from phoenix_core.host.datadir import DataDirectory

_DONE = {JobState.SUCCESSFUL, JobState.SUCCESSFUL_WITH_ERRORS}
COUNTS = ("same", *map(str, Change), "not_compared")


async def compare(
    data: DataDirectory, snapshot: str, request: CompareRequest, *, wait_agent_s: float | None, as_json: bool
) -> int:
    def same_of(other: str) -> list[str]:
        words = ["snapshot", "compare", other]
        for path in request.paths:
            words += ["--path", path]
        words += ["--with", request.folder] if request.folder else []
        words += ["--content"] if request.content else []
        words += ["--wait-agent", f"{wait_agent_s:g}"] if wait_agent_s is not None else []
        return words + (["--json"] if as_json else [])

    async with attached(data, agent=True) as client:
        with naming(same_of):
            request = await _of_server(client, snapshot, request)
            job = await client.compare(request)
        job = await wait_for_job(client, job, job_display(as_json=as_json), wait_agent_s=wait_agent_s)
        if job.state not in _DONE:
            print_result(job, as_json=as_json)
            return exit_code(job)
        if as_json:
            found = [each async for each in _differences(client, job)]
            counts = {name: job.result.get(name, 0) for name in COUNTS}
            print_json({"job": job.id, "snapshot": job.snapshot_id, **counts, "differences": found})
        else:
            await _show(client, job)
    return exit_code(job)


async def _of_server(client: CoreClient, snapshot: str, request: CompareRequest) -> CompareRequest:
    """The request, of the server whose snapshot it is, where none was named."""
    found = await client.snapshot(snapshot, server=request.server)
    return msgspec.structs.replace(request, server=request.server or found.server_id, snapshot=found.id)


async def _differences(client: CoreClient, job: JobView) -> AsyncIterator[DifferenceView]:
    after = 0
    while True:
        page = await client.differences(job.id, after=after)
        for each in page.differences:
            yield each
        after = page.next_after
        if not after:
            return


async def _show(client: CoreClient, job: JobView) -> None:
    count = 0
    async for each in _differences(client, job):
        count += 1
        say(_line(each))
    result = job.result
    say(compared(result))
    if sum(int(result.get(name, 0)) for name in Change) > count:
        warn(f"Only the first {count} differences are listed.")
    if result.get("not_compared"):
        what = amount(int(result["not_compared"]), "entry", "entries")
        warn(f"{what} could not be compared; `phoenix job show {job.id}` names those that could not be read.")


def _line(each: DifferenceView) -> str:
    return f"{mark_of(each.change)} {each.path}{f'  ({each.what})' if each.what else ''}"
