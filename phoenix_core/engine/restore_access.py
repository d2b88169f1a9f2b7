"""What an agent needs of the core to restore: a lease, the packs and keys of what was selected, an order."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from phoenix_core.agentlink.messages import DomainAccess, RestoreOrder
from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.errors import Cancelled, PhoenixError
from phoenix_core.domain.ids import PackId, SnapshotId
from phoenix_core.domain.reasons import reason_text
from phoenix_core.engine.assignment import CORE, RESTORE, StorageAssigner
from phoenix_core.engine.key_desk import KeyDesk
from phoenix_core.engine.requests import AGENT_ASKS
from phoenix_core.engine.restore_grant import Grant, plan_grant
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.vault import OpenVault, VaultSeat
from phoenix_core.engine.workflow import JobRun
from phoenix_core.storage.node_api import JobNode
from phoenix_core.vault.maintenance_node import PackTarget
from phoenix_core.vault.malloc import trim_memory

GRANT_BATCH = 10_000
NOTED = 100


class RestoreAccess:
    def __init__(
        self,
        seat: VaultSeat,
        settings: Settings,
        assigner: StorageAssigner,
        keys: KeyDesk,
        open_job_node: Callable[[str], JobNode],
    ) -> None:
        self._seat = seat
        self._settings = settings
        self._assigner = assigner
        self._keys = keys
        self._open_job_node = open_job_node

    @asynccontextmanager
    async def held(self, run: JobRun) -> AsyncIterator[None]:
        """Around the whole job: at its end the agent may read no more. Where the core stops, the lease stays for when
        the job is picked up again."""
        self._keys.expect(run.job.id)
        try:
            yield
        except asyncio.CancelledError:
            raise
        except BaseException:
            await self._release(run)
            raise
        finally:
            self._keys.drop(run.job.id)
        await self._release(run)

    async def open(self, run: JobRun, vault: OpenVault, snapshot: SnapshotRow, to_server: str) -> None:
        """The lease, for an agent of that server; it keeps the snapshot's packs."""
        lease = self._assigner.new_lease()
        await self._assigner.open(vault, lease, run.job.id, to_server, SnapshotId(snapshot.id))
        await run.update(lease=lease)

    async def grant(
        self,
        run: JobRun,
        vault: OpenVault,
        snapshot: SnapshotRow,
        paths: Sequence[bytes],
        to_server: str,
        *,
        trees_only: bool = False,
        begun: Callable[[], None] | None = None,
    ) -> Grant:
        """Let the agent read what these paths need (none: all); with `trees_only` no content. Raises
        PathNotInSnapshot.

        With `begun` trees may be read before all is known: it is called when the agent may begin."""
        loop = asyncio.get_running_loop()

        def tell(grant: Grant) -> None:
            self._keys.grew(run.job.id, grant)
            if begun is not None:
                begun()

        def grown(grant: Grant, packs: list[PackId]) -> None:
            if packs:
                vault.node.grant(run.job.id, packs)
            loop.call_soon_threadsafe(tell, grant)

        def plan() -> Grant:
            copies = partial(self._copies, run, vault, snapshot.server_id)
            grant = plan_grant(
                vault,
                snapshot,
                paths,
                run.stop,
                copies,
                to_server,
                trusted=not run.job.requested_by.startswith(AGENT_ASKS),
                trees_only=trees_only,
                grown=None if begun is None else grown,
            )
            packs = grant.packs
            for start in range(0, len(packs), GRANT_BATCH):
                vault.node.grant(run.job.id, packs[start : start + GRANT_BATCH])
            trim_memory()
            return grant

        try:
            grant = await run.in_thread(plan)
        except Cancelled:
            raise  # the agent hears of that by itself
        except PhoenixError as error:
            self._keys.fail(run.job.id, error)
            raise
        self._keys.grant(run.job.id, grant)
        if grant.opened_blocks:
            await run.note(
                "The vault takes no copies, being full or read-only, so the agent can read "
                f"{amount(len(grant.opened_blocks), 'block')} that other servers' data shares.",
                "warning",
            )
        for path, reason in grant.unreadable[:NOTED]:
            await run.note(f"{path} can't be read from the vault ({reason_text(reason)}).", "warning")
        return grant

    def order(
        self,
        run: JobRun,
        vault: OpenVault,
        snapshot: SnapshotRow,
        paths: Sequence[bytes],
        destination: bytes,
        to_server: str,
        *,
        grows: bool = False,
        gives_way: bool = False,
    ) -> RestoreOrder:
        """`grows`: the agent may be told before the grant is whole. `gives_way`: to the server's own work, as a backup
        does."""
        keys = vault.key.domain_keys(snapshot.domain, snapshot.epoch)
        return RestoreOrder(
            job=run.job.id,
            server_id=snapshot.server_id,
            domain=DomainAccess(
                domain=keys.domain,
                epoch=keys.epoch,
                data_id_key=keys.data_id_key,
                meta_id_key=keys.meta_id_key,
                index_key=b"",
                chunker_seed=0,
            ),
            storage=self._assigner.access(vault, run.job.id, to_server, run.job.agent_id, run.job.lease, RESTORE),
            snapshot_id=snapshot.id,
            root=snapshot.root,
            paths=tuple(paths),
            destination=destination,
            workers=self._settings.whole("restore.workers"),
            grant_grows=grows,
            nice=self._settings.whole("backup.nice") if gives_way else 0,
        )

    @contextmanager
    def _copies(self, run: JobRun, vault: OpenVault, server_id: str) -> Iterator[PackTarget]:
        """Takes packs in the name of the snapshot's server, under the restore's own lease."""

        def token() -> str:
            return self._assigner.token(vault, run.job.id, server_id, run.job.lease, CORE)

        node = self._open_job_node(token())
        try:
            yield _FreshTarget(node, token)
        finally:
            node.close()

    async def _release(self, run: JobRun) -> None:
        vault = self._seat.opened
        if vault is not None:
            await self._assigner.close(vault, run.job.lease)


class _FreshTarget:
    """Stores each pack with a token of its own, since copying may outlast one."""

    def __init__(self, node: JobNode, token: Callable[[], str]) -> None:
        self._node = node
        self._token = token

    def put_pack(self, pack_id: PackId, fd: int, length: int) -> None:
        self._node.use_token(self._token())
        self._node.put_pack(pack_id, fd, length)
