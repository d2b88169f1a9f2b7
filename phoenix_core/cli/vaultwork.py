"""What the commands on the vault do through the core."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from phoenix_core.cli.attach import attached
from phoenix_core.cli.confirm import confirm
from phoenix_core.cli.jobresult import print_advice, print_damages, print_result
from phoenix_core.cli.jobwork import run_job
from phoenix_core.cli.output import print_facts, print_json, size, when
from phoenix_core.cli.program import as_typed
from phoenix_core.cli.progress import job_display
from phoenix_core.cli.waiting import exit_code, wait_for_job
from phoenix_core.client import CoreClient
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.errors import EXIT_DONE, EXIT_FAILED, UsageError
from phoenix_core.domain.requests import PruneRequest, RepairRequest, VerifyRequest
from phoenix_core.domain.states import JobKind, JobState, VerifyDepth
from phoenix_core.domain.views import JobView, StorageNodeView, VaultView
from phoenix_core.host.datadir import DataDirectory


async def status(data: DataDirectory, *, as_json: bool) -> int:
    """1 where the vault can't be used, or something in it is lost or damaged."""
    async with attached(data) as client:
        vault = await client.vault()
        nodes = await client.storage_nodes()
    if as_json:
        print_json(vault)
        return EXIT_DONE if vault.in_order else EXIT_FAILED
    known = [
        ("Vault", vault.vault_id),
        ("Place", vault.location),
        ("Storage node", ", ".join(_node(node) for node in nodes) or "-"),
        ("Made", when(vault.created_at)),
        ("Key", f"{vault.key_holder or 'nobody here'}, {'available' if vault.key_available else 'not available'}"),
    ]
    known += [("Problem", as_typed(problem)) for problem in _problems(vault)]
    if not vault.total_bytes:  # the storage node told nothing: say nothing in its stead
        print_facts(known)
        return EXIT_FAILED
    ratio = f"{vault.source_bytes / vault.stored_bytes:.1f} : 1" if vault.stored_bytes else "-"
    lost = f" ({vault.lost_snapshots} of them lost)" if vault.lost_snapshots else ""
    print_facts(
        [
            *known,
            ("Snapshots", f"{vault.snapshots}{lost}, {amount(vault.records, 'record')}"),
            ("Source data", size(vault.source_bytes)),
            ("Stored", f"{size(vault.stored_bytes)} in {amount(vault.packs, 'pack')}, {amount(vault.chunks, 'chunk')}"),
            ("Reduction", f"{ratio}, by deduplication and compression"),
            ("Not proved yet", amount(vault.unproved_packs, "pack")),
            ("Condemned", amount(vault.condemned_packs, "pack")),
            ("Damaged or lost", amount(vault.damaged_packs, "pack")),
            ("Last verify", _last_verify(vault)),
            ("Read and checked", vault.readings.text(datetime.now(UTC)) if vault.readings else "not known"),
            ("Index", "complete" if vault.index_complete else "can't be used"),
            ("Free", f"{size(vault.free_bytes)} of {size(vault.total_bytes)}"),
        ]
    )
    return EXIT_DONE if vault.in_order else EXIT_FAILED


def _problems(vault: VaultView) -> list[str]:
    problems = [vault.problem] if vault.problem else []
    if not vault.key_available:
        problems.append("With the recovery passphrase, `phoenix vault key move file --recover` takes the key from it.")
    if vault.index_problem is not None:
        problems.append(f"{vault.index_problem.message} {vault.index_problem.hint}")
    elif vault.key_available and not vault.index_complete and not vault.problem:
        problems.append("The index is missing: run `phoenix vault rebuild-index`.")
    if vault.lost_snapshots:
        lost = amount(vault.lost_snapshots, "snapshot")
        problems.append(f"{lost} can't be restored: gone or damaged. `phoenix doctor` names each, and what to do.")
    if vault.damaged_packs:
        problems.append(
            f"{amount(vault.damaged_packs, 'pack')} damaged or lost. `phoenix vault verify` names the files that need "
            "them, `phoenix vault repair` what can be saved and which servers to back up again. "
            "`phoenix vault prune --execute` deletes those that no snapshot needs."
        )
    return problems


def _last_verify(vault: VaultView) -> str:
    if vault.last_verify_at is None:
        return "never of all snapshots"
    found = "no damage"
    if vault.last_verify_state is not JobState.SUCCESSFUL:
        found = f"damage, named by `phoenix job show {vault.last_verify_job}`"
    return f"{when(vault.last_verify_at)}, depth {vault.last_verify_depth}: {found}"


def _node(node: StorageNodeView) -> str:
    if node.embedded:
        return "in the core"
    return f"{node.name} at {node.url}, {'connected' if node.connected else 'not in use'}"


async def verify(data: DataDirectory, depth: str, snapshots: list[str], *, detach: bool, as_json: bool) -> int:
    request = VerifyRequest(depth=_depth(depth), snapshots=tuple(snapshots))
    return await _look(data, lambda client: client.verify(request), detach=detach, as_json=as_json)


async def repair(data: DataDirectory, depth: str, *, carry_out: bool, detach: bool, as_json: bool) -> int:
    request = RepairRequest(depth=_depth(depth), execute=carry_out)
    return await _look(data, lambda client: client.repair(request), detach=detach, as_json=as_json)


def _depth(depth: str) -> VerifyDepth:
    try:
        return VerifyDepth(depth)
    except ValueError as error:
        raise UsageError(detail=f"{depth} is no depth; there are {', '.join(VerifyDepth)}.") from error


async def _look(
    data: DataDirectory, start: Callable[[CoreClient], Awaitable[JobView]], *, detach: bool, as_json: bool
) -> int:
    """Run a job that names damage, and print that."""
    if detach:
        return await run_job(data, start, detach=True, as_json=as_json)
    async with attached(data) as client:
        job = await wait_for_job(client, await start(client), job_display(as_json=as_json))
        damages = await client.damage(job.id)
        advice = [line for line in await client.job_log(job.id) if line.level == "warning"]
    print_result(job, as_json=as_json)
    if not as_json:
        print_damages(damages)
        if job.kind is JobKind.REPAIR:
            print_advice(advice)
    return exit_code(job)


async def prune(data: DataDirectory, *, carry_out: bool, yes: bool, detach: bool, as_json: bool) -> int:
    if carry_out:
        confirm("delete what no snapshot needs", yes=yes)
    request = PruneRequest(execute=carry_out)
    return await run_job(data, lambda client: client.prune(request), detach=detach, as_json=as_json)


async def rebuild_index(data: DataDirectory, *, detach: bool, as_json: bool) -> int:
    return await run_job(data, lambda client: client.rebuild_index(), detach=detach, as_json=as_json)
