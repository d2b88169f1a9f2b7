"""One restore to a Windows server from order to result (WF6), with the steps and reports that it has on Linux."""

import time

import msgspec

from phoenix_core.agent.backup.patientnode import PATIENCE_S, PatientNode, connect_patiently
from phoenix_core.agent.backup.spool import Spool
from phoenix_core.agent.backup.tokens import TokenKeeper
from phoenix_core.agent.backup.watch import Watch
from phoenix_core.agent.domainaccess import domain_keys
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.restore.blockplan import BlockPlan
from phoenix_core.agent.restore.blocksource import BlockSource
from phoenix_core.agent.restore.conflict import stamp_of
from phoenix_core.agent.restore.packshelf import PackShelf
from phoenix_core.agent.restore.planned import PlanCounts
from phoenix_core.agent.restore.selection import tops
from phoenix_core.agent.restore.snapshottrees import SnapshotTrees
from phoenix_core.agent.restore.tally import Tally
from phoenix_core.agent.steps import Steps
from phoenix_core.agent.windows.errors import ALREADY_EXISTS
from phoenix_core.agent.windows.paths import below, live_root, told
from phoenix_core.agent.windows.restore.destination import Destination, SpaceNeeds, check_family, validate
from phoenix_core.agent.windows.restore.fill import WindowsFiller
from phoenix_core.agent.windows.restore.heldfolders import HeldFolders
from phoenix_core.agent.windows.restore.plan import PlanRecords, WindowsPlanner
from phoenix_core.agent.windows.restore.records import FileRecord, FolderRecord, Late
from phoenix_core.agent.windows.restore.writer import WindowsWriter
from phoenix_core.agent.windows.seam import Windows, WindowsFailure
from phoenix_core.agentlink.messages import RestoreOrder
from phoenix_core.agentlink.reports import RestoreResult
from phoenix_core.domain.amounts import amount, size
from phoenix_core.domain.displaced import renamed_text
from phoenix_core.domain.names import shown
from phoenix_core.vault.tree import read_tree


class WindowsRestoreJob:
    """`run` it once, in a thread of its own."""

    def __init__(
        self, order: RestoreOrder, ports: JobPorts, windows: Windows, *, patience_s: float = PATIENCE_S
    ) -> None:
        """`patience_s`: how long storage that is away is waited for."""
        self._order = order
        self._ports = ports
        self._windows = windows
        self._steps = Steps(ports)
        self._began = time.monotonic()
        self._patience_s = patience_s
        self._node: PatientNode | None = None
        self._keeper = TokenKeeper(order.storage.token, ports.fresh_token, self._renew_lease)
        self._watch = Watch(order.job, ports, self._use_fresh_token, began=self._began)
        self._records = PlanRecords(
            Spool[FileRecord](ports.state_dir, FileRecord),
            Spool[FolderRecord](ports.state_dir, FolderRecord),
            Spool[Late](ports.state_dir, Late),
        )
        self._needs = SpaceNeeds(windows)
        self._tally = Tally()
        self._stamp = stamp_of(time.time_ns())

    def run(self) -> RestoreResult:
        """Raises `Cancelled`, `RestoreError`, `AgentError`, `StorageError`, `VaultError`, WindowsFailure; `RemoteError`
        with what the core answered."""
        tls = self._ports.tls
        try:
            with self._keeper:
                self._node = connect_patiently(
                    self._order.storage, tls, patience_s=self._patience_s, tick=self._watch.tick
                )
                return self._run(self._node)
        finally:
            for spool in (self._records.files, self._records.folders, self._records.late):
                spool.close()
            if self._node is not None:
                self._node.close()

    def after(self) -> None:
        """Nothing."""

    def _run(self, node: PatientNode) -> RestoreResult:
        order = self._order
        lacking = self._windows.take_rights()
        self._watch.enter("plan")
        trees = SnapshotTrees(node, self._ports, order.domain, self._watch.tick, grant_grows=order.grant_grows)
        with self._steps.step("WF6.3") as step:
            check_family(read_tree(trees.source, order.root))
            targets = tops(trees.source, order.root, order.paths) if not order.destination else []
            destination = validate(self._windows, order.destination, targets, self._ports.state_dir)
            step.detail = "the original place" if destination.is_original else told(destination.path)
        if lacking:
            text = f"The agent lacks {' and '.join(lacking)}; owners and permissions may not be restored."
            self._steps.log("warning", text)
        with self._steps.step("WF6.4") as step:
            counts = self._plan(trees, destination)
            self._needs.check()
            step.detail = f"{size(self._needs.needed_bytes)} needed, {size(self._needs.free_bytes)} free"
        found = f"{amount(counts.files, 'file')}, {amount(counts.folders, 'folder')}, {size(counts.bytes)}"
        found += f", {amount(counts.others, 'other entry', 'other entries')}" if counts.others else ""
        self._steps.done("WF6.5", found)
        if order.check_only:
            return self._checked(destination, counts)
        with self._steps.step("WF6.6") as step:
            result = self._result(destination, self._fill(node, trees, destination, counts))
            step.detail = (
                f"{amount(result.files, 'file')}, {amount(result.directories, 'folder')}, {size(result.bytes)} restored"
            )
            if result.missing_count:
                step.detail += f", {result.missing_count} missing"
        renamed = renamed_text(result.renamed, [(each.path, each.reason) for each in result.displaced])
        if renamed:
            self._steps.log("info", renamed)
        return result

    def _plan(self, trees: SnapshotTrees, destination: Destination) -> PlanCounts:
        planner = WindowsPlanner(
            self._windows,
            trees.source,
            trees.hint,
            self._records,
            self._needs,
            self._order.conflict,
            self._stamp,
            root=destination.root,
            exists=destination.exists,
            lose=self._tally.lose,
            tick=lambda path: self._planned(planner.counts, path),
        )
        planner.run(self._order.root, self._order.paths)
        trees.grant.await_whole()  # without it content would pass for missing
        self._tally.skipped += planner.counts.skipped
        return planner.counts

    def _planned(self, counts: PlanCounts, path: bytes) -> None:
        watch = self._watch
        watch.files_done, watch.bytes_done, watch.current = counts.files, counts.bytes, path
        watch.tick()

    def _fill(self, node: PatientNode, trees: SnapshotTrees, destination: Destination, counts: PlanCounts) -> int:
        """Returns how many folders were restored."""
        watch, order = self._watch, self._order
        watch.files_total, watch.bytes_total = counts.files + counts.others, counts.data_bytes
        watch.files_done = watch.bytes_done = 0
        watch.enter("download")
        self._tally.displaced.root = destination.path
        self._make_root(destination)
        packs = PackShelf(node.open_pack)
        id_key = domain_keys(order.domain).data_id_key
        held = HeldFolders(self._windows, destination.root)

        def wrote(count: int) -> None:
            watch.bytes_done = min(watch.bytes_done + count, watch.bytes_total)
            watch.sent_bytes = packs.fetched_bytes
            watch.tick()

        def at(path: bytes) -> None:
            watch.files_done, watch.current = self._tally.done, path
            watch.tick()

        writer = WindowsWriter(self._windows, order.conflict, self._stamp, order.job, id_key, wrote)
        source = BlockSource(packs, id_key)
        plan = BlockPlan(node.locate, self._ports.block_keys)
        filler = WindowsFiller(self._windows, trees.source, plan, source, writer, held, self._tally, at)
        try:
            filler.files(self._records.files)
            filler.late(self._records.late)
            watch.enter("finish")
            filler.folders(self._records.folders)
        finally:
            watch.sent_bytes = packs.fetched_bytes
            held.close()
            packs.close()
        return filler.restored_folders

    def _make_root(self, destination: Destination) -> None:
        """The destination's folder, and those above it that aren't there; they inherit their rights."""
        if destination.is_original or destination.exists:
            return
        at = live_root(destination.root[4:5]) + "\\"
        for name in destination.root[len(at) :].split("\\"):
            at = below(at, name)
            try:
                self._windows.make_folder(at, b"")
            except WindowsFailure as failure:
                if failure.code != ALREADY_EXISTS:
                    raise

    def _checked(self, destination: Destination, counts: PlanCounts) -> RestoreResult:
        return msgspec.structs.replace(
            self._result(destination, counts.folders),
            files=counts.files,
            other_entries=counts.others,
            bytes=counts.bytes,
            check_only=True,
        )

    def _result(self, destination: Destination, folders: int) -> RestoreResult:
        tally = self._tally
        return RestoreResult(
            files=tally.files,
            directories=folders,
            other_entries=tally.others,
            bytes=tally.file_bytes,
            fetched_bytes=self._watch.sent_bytes,
            skipped=tally.skipped,
            seconds=time.monotonic() - self._began,
            needed_bytes=self._needs.needed_bytes,
            free_bytes=self._needs.free_bytes,
            destination=shown(destination.path),
            missing=tuple(tally.missing.kept),
            missing_count=tally.missing.count,
            not_applied=tuple(tally.not_applied.kept),
            not_applied_count=tally.not_applied.count,
            displaced=tally.displaced.listed,
            renamed=tally.displaced.renamed.count,
        )

    def _use_fresh_token(self) -> None:
        token = self._keeper.take()
        if token and self._node is not None:
            self._node.use_token(token)

    def _renew_lease(self) -> None:
        if self._node is not None:
            self._node.renew_lease()
