"""What the commands on jobs do."""

from phoenix_core.cli.attach import attached
from phoenix_core.cli.jobresult import print_damages, print_result
from phoenix_core.cli.output import duration, print_json, print_table, say, when
from phoenix_core.cli.progress import job_display
from phoenix_core.cli.waiting import exit_code, wait_for_job
from phoenix_core.domain.views import JobView
from phoenix_core.host.datadir import DataDirectory


async def list_all(data: DataDirectory, state: str, server: str, kind: str, limit: int, *, as_json: bool) -> None:
    async with attached(data) as client:
        jobs = await client.jobs(state=state, server=server, kind=kind, limit=limit)
    if as_json:
        print_json(jobs)
        return
    print_table(
        ("JOB", "STATE", "STARTED", "TOOK", "WHAT"),
        [
            (
                job.id,
                job.state.replace("_", " "),
                when(job.started_at),
                duration(job.started_at, job.finished_at),
                f"{job.title}. {job.held_up}" if job.held_up else job.title,
            )
            for job in jobs
        ],
        "There are no such jobs.",
    )


async def show_one(data: DataDirectory, name: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        job = await client.job(name)
        damages = await client.damage(job.id)
    if as_json:
        print_json(job)
        return
    say(job.title)
    print_table(
        ("STEP", "STATE", "TOOK", "WHAT", "DETAIL"),
        [
            (step.id, step.state, duration(step.started_at, step.finished_at), step.title, step.detail)
            for step in job.steps
        ],
        "No step yet.",
    )
    print_result(job, as_json=False)
    print_damages(damages)


async def print_log(data: DataDirectory, name: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        lines = await client.job_log(name)
    if as_json:
        print_json(lines)
        return
    for line in lines:
        say(f"{when(line.at)}  {line.level:<7}  {line.text}")


async def watch(data: DataDirectory, name: str, *, as_json: bool) -> int:
    async with attached(data, embed=False) as client:
        job = await client.job(name)
        if not job.state.is_final:
            job = await wait_for_job(client, job, job_display(as_json=as_json), cancel_on_interrupt=False)
        print_result(job, as_json=as_json)
    return exit_code(job)


async def cancel(data: DataDirectory, name: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        job: JobView = await client.cancel(name)
    print_result(job, as_json=as_json)
