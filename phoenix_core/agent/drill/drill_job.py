"""One drill from order to findings: restore to a scratch place on the real path, check it, remove it."""

import os
import time
from collections.abc import Mapping

import msgspec

from phoenix_core.agent.backup.patientnode import PatientNode, connect_patiently
from phoenix_core.agent.backup.tokens import TokenKeeper
from phoenix_core.agent.backup.watch import Watch
from phoenix_core.agent.domainaccess import domain_keys
from phoenix_core.agent.drill.check import Check
from phoenix_core.agent.drill.errors import NoSpaceForDrill
from phoenix_core.agent.drill.scratch import free_for_drills, scratch_place
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.restore.destination import Destination, FreeSpace
from phoenix_core.agent.restore.errors import NotEnoughInodes, NotEnoughSpace
from phoenix_core.agent.restore.restore_job import RestoreJob
from phoenix_core.agent.restore.snapshottrees import SnapshotTrees
from phoenix_core.agent.steps import Steps
from phoenix_core.agentlink.drillmessages import DrillFindings
from phoenix_core.agentlink.messages import RestoreOrder
from phoenix_core.agentlink.reports import RestoreResult
from phoenix_core.domain.amounts import amount, size
from phoenix_core.domain.names import shown


class DrillJob:
    """`run` it once, in a thread of its own."""

    def __init__(self, order: RestoreOrder, ports: JobPorts, *, free: FreeSpace = free_for_drills) -> None:
        """`free` tells what of an open folder's file system a drill may take."""
        self._order = order
        self._ports = ports
        self._free = free
        self._steps = Steps(ports)
        self._began = time.monotonic()

    def after(self) -> None:
        """Nothing."""

    def run(self) -> RestoreResult:
        """Raises `ScratchUnusable`, `NoSpaceForDrill`, and as `RestoreJob.run`."""
        with scratch_place(self._ports.state_dir, self._order.job) as place:
            restored = self._restore(place)
            with self._steps.step("check") as step:
                findings = self._check(place, {each.path: each.reason for each in restored.missing})
                step.detail = _text(findings)
        return msgspec.structs.replace(restored, drill=findings)

    def _restore(self, place: Destination) -> RestoreResult:
        try:
            return RestoreJob(self._order, self._ports, free=self._free, place=place).run()
        except NotEnoughSpace as error:
            needed, free = error.fields["needed"], error.fields["free"]
            raise NoSpaceForDrill(place=_folder(place), needed=needed, free=free) from error
        except NotEnoughInodes as error:
            needed, free = (f"{error.fields[name]} files and folders" for name in ("needed", "free"))
            raise NoSpaceForDrill(place=_folder(place), needed=needed, free=free) from error

    def _check(self, place: Destination, missing: Mapping[str, str]) -> DrillFindings:
        """With a connection, a token and trees of its own: the restore's are gone."""
        order, ports = self._order, self._ports
        began = time.monotonic()
        node: PatientNode | None = None
        storage = msgspec.structs.replace(order.storage, token=ports.fresh_token())
        keeper = TokenKeeper(storage.token, ports.fresh_token, lambda: node.renew_lease() if node else None)

        def use_fresh_token() -> None:
            token = keeper.take()
            if token and node is not None:
                node.use_token(token)

        watch = Watch(order.job, ports, use_fresh_token, began=self._began)

        def tick(path: bytes, read_bytes: int) -> None:
            watch.files_done += not read_bytes
            watch.bytes_done += read_bytes
            watch.current = path
            watch.tick()

        watch.enter("check")
        with keeper:
            node = connect_patiently(storage, ports.tls, tick=watch.tick)
            try:
                trees = SnapshotTrees(node, ports, order.domain, watch.tick, grant_grows=False)
                check = Check(trees.source, domain_keys(order.domain).data_id_key, place.path, missing, tick)
                findings = check.run(order.root, order.paths)
            finally:
                node.close()
        return msgspec.structs.replace(findings, seconds=time.monotonic() - began)


def _folder(place: Destination) -> str:
    """The folder of all scratch places."""
    return shown(os.path.dirname(place.path))


def _text(findings: DrillFindings) -> str:
    read = f"{amount(findings.files, 'file')}, {size(findings.bytes)} read back and compared"
    others = amount(findings.others, "other entry", "other entries")
    verdict = "all as in the snapshot" if not findings.failure_count else f"{findings.failure_count} not as they were"
    return f"{read}, {others}: {verdict}"
