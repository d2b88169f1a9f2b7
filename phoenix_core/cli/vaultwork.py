"""What the commands on the vault do through the core."""

from phoenix_core.cli.attach import attached
from phoenix_core.cli.confirm import confirm
from phoenix_core.cli.jobresult import print_result
from phoenix_core.cli.jobwork import run_job
from phoenix_core.cli.output import print_facts, print_json, say, size, when
from phoenix_core.cli.progress import job_display
from phoenix_core.cli.waiting import exit_code, wait_for_job
from phoenix_core.domain.errors import EXIT_DONE, EXIT_FAILED, UsageError
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.domain.views import PruneRequest, StorageNodeView, VerifyRequest
from phoenix_core.host.datadir import DataDirectory


async def status(data: DataDirectory, *, as_json: bool) -> int:
    """1 where the vault can't be used."""
    async with attached(data) as client:
        vault = await client.vault()
        nodes = await client.storage_nodes()
    if as_json:
        print_json(vault)
        return EXIT_FAILED if vault.problem else EXIT_DONE
    known = [
        ("Vault", vault.vault_id),
        ("Place", vault.location),
        ("Storage node", ", ".join(_node(node) for node in nodes) or "-"),
        ("Made", when(vault.created_at)),
        ("Key", f"{vault.key_holder}, {'available' if vault.key_available else 'not available'}"),
    ]
    if vault.problem:
        known.append(("Problem", vault.problem))
    if not vault.total_bytes:  # the storage node told nothing: say nothing in its stead
        print_facts(known)
        return EXIT_FAILED
    ratio = f"{vault.source_bytes / vault.stored_bytes:.1f} : 1" if vault.stored_bytes else "-"
    print_facts(
        [
            *known,
            ("Snapshots", f"{vault.snapshots}, {vault.records} records"),
            ("Source data", size(vault.source_bytes)),
            ("Stored", f"{size(vault.stored_bytes)} in {vault.packs} packs, {vault.chunks} chunks ({ratio})"),
            ("Not proved yet", f"{vault.unproved_packs} packs"),
            ("Condemned", f"{vault.condemned_packs} packs"),
            ("Damaged", f"{vault.damaged_packs} packs"),
            ("Index", "complete" if vault.index_complete else "missing: run `phoenix vault rebuild-index`"),
            ("Free", f"{size(vault.free_bytes)} of {size(vault.total_bytes)}"),
        ]
    )
    return EXIT_FAILED if vault.problem else EXIT_DONE


def _node(node: StorageNodeView) -> str:
    if node.embedded:
        return "in the core"
    return f"{node.name} at {node.url}, {'connected' if node.connected else 'not in use'}"


async def verify(data: DataDirectory, depth: str, snapshots: list[str], *, detach: bool, as_json: bool) -> int:
    try:
        request = VerifyRequest(depth=VerifyDepth(depth), snapshots=tuple(snapshots))
    except ValueError as error:
        raise UsageError(detail=f"{depth} is no depth; there are {', '.join(VerifyDepth)}.") from error
    if detach:
        return await run_job(data, lambda client: client.verify(request), detach=True, as_json=as_json)
    async with attached(data) as client:
        job = await client.verify(request)
        job = await wait_for_job(client, job, job_display(as_json=as_json))
        damages = await client.damage(job.id)
    print_result(job, as_json=as_json)
    if not as_json:
        for damage in damages:
            say(f"{damage.what} Hits {damage.file_count} files in {len(damage.snapshots)} snapshots.")
            for file in damage.files:
                say(f"  {file}")
    return exit_code(job)


async def prune(data: DataDirectory, *, carry_out: bool, yes: bool, detach: bool, as_json: bool) -> int:
    if carry_out:
        confirm("delete what no snapshot needs", yes=yes)
    request = PruneRequest(execute=carry_out)
    return await run_job(data, lambda client: client.prune(request), detach=detach, as_json=as_json)


async def rebuild_index(data: DataDirectory, *, detach: bool, as_json: bool) -> int:
    return await run_job(data, lambda client: client.rebuild_index(), detach=detach, as_json=as_json)
