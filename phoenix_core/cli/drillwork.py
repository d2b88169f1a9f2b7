"""What the commands on restore drills do."""

from phoenix_core.cli.attach import attached
from phoenix_core.cli.jobwork import run_job
from phoenix_core.cli.output import print_facts, print_json, print_table, say, size, when
from phoenix_core.cli.program import as_typed
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.drills import ALL, DrillOutcome, DrillRequest, DrillView, parse_sample
from phoenix_core.domain.errors import UsageError
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.reasons import reason_text
from phoenix_core.host.datadir import DataDirectory

OUTCOMES = {
    DrillOutcome.PROVED: "proved",
    DrillOutcome.FAILED: "FAILED",
    DrillOutcome.BROKEN_OFF: "broken off",
}


def bytes_of(option: str, text: str) -> int:
    """Of `1G`, `500M` or `0`. Raises UsageError."""
    if text.strip() == "0":
        return 0
    try:
        found = parse_sample(text).bytes
    except ValueError:
        found = 0
    if not found:
        raise UsageError(detail=f"{option} {text}: a size such as 500M or 1G is wanted, or 0 for no limit.")
    return found


async def run(
    data: DataDirectory,
    server: str,
    sample: str,
    max_bytes: str,
    snapshot: str,
    on: str,
    *,
    take_all: bool,
    wait_agent_s: float | None,
    detach: bool,
    as_json: bool,
) -> int:
    if take_all and sample:
        raise UsageError(detail="Either --sample or --all.")
    request = DrillRequest(
        server=server,
        snapshot=snapshot,
        sample=ALL if take_all else sample,
        max_bytes=bytes_of("--max-bytes", max_bytes) if max_bytes else -1,
        on=on,
    )
    return await run_job(
        data,
        lambda client: client.run_drill(request),
        as_json=as_json,
        detach=detach,
        wait_agent_s=wait_agent_s,
        agent=True,
    )


async def list_all(data: DataDirectory, server: str, limit: int, *, as_json: bool) -> None:
    async with attached(data) as client:
        drills = await client.drills(server, limit=limit)
    if as_json:
        print_json(drills)
        return
    print_table(
        ("ENDED", "SERVER", "RESULT", "FILES", "SIZE", "SNAPSHOT", "TAKEN", "DRILL"),
        [
            (
                when(drill.ended_at),
                drill.server_name,
                OUTCOMES[drill.outcome],
                str(drill.files),
                size(drill.bytes),
                drill.snapshot_id[:SHORT_ID_DIGITS],
                when(drill.snapshot_at),
                drill.id,
            )
            for drill in drills
        ],
        "No restore has been tried out yet. Try one: `phoenix drill run SERVER`.",
    )


async def show_one(data: DataDirectory, name: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        drill = await client.drill(name)
    if as_json:
        print_json(drill)
    else:
        _print(drill)


def _print(drill: DrillView) -> None:
    others = amount(drill.others, "other entry", "other entries")
    print_facts(
        [
            ("Drill", drill.id),
            ("Result", f"{OUTCOMES[drill.outcome]}{f': {drill.detail}' if drill.detail else ''}"),
            ("Ended", when(drill.ended_at)),
            ("Server", drill.server_name),
            ("Restored on", drill.agent_name),
            ("Snapshot", f"{drill.snapshot_id[:SHORT_ID_DIGITS]}, taken {when(drill.snapshot_at)}"),
            ("Sample", f"{drill.sample}, seed {drill.seed}"),
            ("Checked", f"{amount(drill.files, 'file')}, {size(drill.bytes)}, {others}"),
            ("Metadata not carried", amount(drill.not_carried_count, "entry", "entries")),
            ("Asked for by", drill.requested_by),
        ]
    )
    if drill.failure_count:
        say(f"{drill.failure_count} failed:")
        for each in drill.failures:
            say(f"  {each.path}: {reason_text(each.reason)}")
    if drill.failure_count > len(drill.failures):
        say(as_typed(f"  … the job names up to a thousand: `phoenix job show {drill.id}`"))
