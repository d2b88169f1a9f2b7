"""One restore from order to result (WF6): destination, free space, file set, content, metadata."""

import os
import time

import msgspec

from phoenix_core.agent.backup.estimate import Throughput
from phoenix_core.agent.backup.patientnode import PATIENCE_S, PatientNode, connect_patiently
from phoenix_core.agent.backup.spool import Spool
from phoenix_core.agent.backup.tokens import TokenKeeper
from phoenix_core.agent.backup.watch import Watch
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.restore.blockplan import BlockPlan
from phoenix_core.agent.restore.conflict import stamp_of
from phoenix_core.agent.restore.crew import Crew, Target
from phoenix_core.agent.restore.destination import (
    Destination,
    FreeSpace,
    SpaceNeeds,
    check_family,
    free_space,
    validate,
)
from phoenix_core.agent.restore.fill import Filler
from phoenix_core.agent.restore.foldermaker import FolderMaker, finish_folders
from phoenix_core.agent.restore.folders import FolderCache, identity_of, open_root
from phoenix_core.agent.restore.journal import Journal
from phoenix_core.agent.restore.leftovers import remove_half_done, remove_leftovers
from phoenix_core.agent.restore.plan import Planner
from phoenix_core.agent.restore.planned import PlanCounts, Records
from phoenix_core.agent.restore.records import FileRecord, FolderRecord, LatePut
from phoenix_core.agent.restore.selection import tops
from phoenix_core.agent.restore.snapshottrees import SnapshotTrees
from phoenix_core.agent.restore.tally import Displaced, Tally
from phoenix_core.agent.steps import Steps
from phoenix_core.agentlink.messages import RestoreOrder
from phoenix_core.agentlink.reports import RestoreResult
from phoenix_core.domain.amounts import amount, size
from phoenix_core.domain.displaced import removed_text, renamed_text, replaced_text
from phoenix_core.domain.names import shown
from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.malloc import trim_memory


class RestoreJob:
    """`run` it once, in a thread of its own."""

    def __init__(
        self,
        order: RestoreOrder,
        ports: JobPorts,
        *,
        free: FreeSpace = free_space,
        patience_s: float = PATIENCE_S,
        place: Destination | None = None,
    ) -> None:
        """`free` tells the free space of an open folder's file system. `patience_s`: how long storage that is away is
        waited for. `place`: where to restore to, whatever the order's destination; it is not validated any more."""
        self._order = order
        self._ports = ports
        self._steps = Steps(ports)
        self._began = time.monotonic()
        self._tls = ports.tls
        self._patience_s = patience_s
        self._place = place
        self._node: PatientNode | None = None
        self._keeper = TokenKeeper(order.storage.token, ports.fresh_token, self._renew_lease)
        self._watch = Watch(order.job, ports, self._use_fresh_token, began=self._began)
        self._crew = Crew(order, self._tls)
        self._records = Records(
            Spool[FileRecord](ports.state_dir, FileRecord),
            Spool[FolderRecord](ports.state_dir, FolderRecord),
            Spool[LatePut](ports.state_dir, LatePut),
        )
        self._needs = SpaceNeeds(free)
        self._tally = Tally()

    def run(self) -> RestoreResult:
        """Raises `Cancelled`, `RestoreError`, `AgentError`, `StorageError`, `VaultError`; `RemoteError` with what a
        worker or the core answered."""
        try:
            with self._keeper:
                self._node = connect_patiently(
                    self._order.storage, self._tls, patience_s=self._patience_s, tick=self._watch.tick
                )
                return self._run(self._node)
        finally:
            self._crew.stop()
            for spool in (self._records.files, self._records.folders, self._records.late):
                spool.close()
            if self._node is not None:
                self._node.close()

    def after(self) -> None:
        """Nothing."""

    def _run(self, node: PatientNode) -> RestoreResult:
        order = self._order
        self._watch.enter("plan")
        trees = SnapshotTrees(node, self._ports, order.domain, self._watch.tick, grant_grows=order.grant_grows)
        with self._steps.step("WF6.3") as step:
            check_family(trees.source, order.root)
            destination = self._place
            if destination is None:
                targets = tops(trees.source, order.root, order.paths) if not order.destination else []
                destination = validate(order.destination, targets, self._ports.state_dir)
            step.detail = "the original place" if destination.is_original else shown(destination.path)
        journal = Journal(
            self._ports.state_dir,
            self._journal_name(destination),
            order.job,
            time.time_ns(),
            needed=order.conflict is not ConflictRule.OVERWRITE,
            passing=self._place is not None,
        )
        try:
            result = self._restore(node, trees, destination, journal)
        except BaseException:
            journal.keep()
            raise
        finally:
            if journal.trouble:
                text = f"Started again, this restore would not know what it has completed: {journal.trouble}"
                self._steps.log("warning", text)
        journal.keep() if order.check_only else journal.drop()
        return result

    def _restore(
        self, node: PatientNode, trees: SnapshotTrees, destination: Destination, journal: Journal
    ) -> RestoreResult:
        with self._steps.step("WF6.4") as step:
            planner = self._plan(trees, destination, journal)
            counts = planner.counts
            self._needs.check()
            step.detail = f"{size(self._needs.needed_bytes)} needed, {size(self._needs.free_bytes)} free"
        found = f"{amount(counts.files, 'file')}, {amount(counts.folders, 'folder')}, {size(counts.bytes)}"
        found += f", {amount(counts.others, 'other entry', 'other entries')}" if counts.others else ""
        self._steps.done("WF6.5", found + (", going on with an interrupted restore" if journal.is_resumed else ""))
        if self._order.check_only:
            return self._checked(destination, planner)
        self._warn(planner.displaced)
        journal.begin()
        with self._steps.step("WF6.6") as step:
            root = destination.open()
            try:
                folders = self._fill(node, trees, destination, root, journal, counts)
            finally:
                os.close(root)
            result = self._result(destination, folders)
            step.detail = (
                f"{amount(result.files, 'file')}, {amount(result.directories, 'folder')}, {size(result.bytes)} restored"
            )
            if result.missing_count:
                step.detail += f", {result.missing_count} missing"
        renamed = renamed_text(result.renamed, [(each.path, each.reason) for each in result.displaced])
        if renamed:
            self._steps.log("info", renamed)
        return result

    def _plan(self, trees: SnapshotTrees, destination: Destination, journal: Journal) -> Planner:
        planner = Planner(
            trees.source,
            trees.hint,
            self._records,
            self._needs,
            self._order.conflict,
            stamp_of(journal.began_ns),
            destination.path,
            original=destination.is_original,
            will_make=journal.will_make,
            lose=self._tally.lose,
            tick=lambda path: self._planned(planner.counts, path),
        )
        folder = open_root(destination.existing)
        try:
            planner.run(self._order.root, self._order.paths, folder, exists=destination.exists)
        finally:
            os.close(folder)
        trees.grant.await_whole()  # without it content would pass for missing
        trim_memory()  # what the plan needed isn't held beside what workers need
        self._tally.skipped += planner.counts.skipped
        return planner

    def _warn(self, displaced: Displaced) -> None:
        """Before it happens: a restore that is cut short names it all the same."""
        listed = [(each.path, each.reason) for each in displaced.listed]
        for text in (
            removed_text(displaced.folders.count, displaced.entries, listed, done=False),
            replaced_text(displaced.links.count, listed, done=False),
        ):
            if text:
                self._steps.log("warning", text)

    def _planned(self, counts: PlanCounts, path: bytes) -> None:
        watch = self._watch
        watch.files_done, watch.bytes_done, watch.current = counts.files, counts.bytes, path
        watch.tick()
        self._crew.expect(counts)

    def _fill(
        self,
        node: PatientNode,
        trees: SnapshotTrees,
        destination: Destination,
        root: int,
        journal: Journal,
        counts: PlanCounts,
    ) -> int:
        """Returns how many folders were restored."""
        watch, order, crew = self._watch, self._order, self._crew
        watch.enter_moving("download", counts.files + counts.others, counts.data_bytes, Throughput())
        target = Target(destination.path, *identity_of(os.fstat(root)), stamp_of(journal.began_ns))
        crew.begin(counts, target, node, watch.tick)
        self._tally.displaced.root = destination.path
        folders = FolderMaker(
            root,
            order.conflict,
            journal,
            self._tally.displaced,
            original=destination.is_original,
            lose=self._tally.lose,
        )
        filler = Filler(
            trees.source,
            BlockPlan(node.locate, self._ports.block_keys),
            crew.pool,
            crew.size_for(counts),
            folders,
            journal,
            self._tally,
            lambda: self._filled(filler),
            is_far=node.is_far,
        )
        try:
            filler.files(self._records.files)
            filler.others(self._records.late)
            crew.stop()
            watch.enter("finish")
            finish_folders(
                root,
                self._records.folders,
                folders.fates,
                lose=self._tally.lose,
                not_applied=self._tally.leave_out,
                tick=lambda path: watch.tick(),
            )
        except BaseException:
            crew.stop()
            left = FolderCache(root)
            remove_half_done(left, filler.unfinished_files())
            remove_leftovers(left, order.job, filler.open_folders())
            raise
        finally:
            folders.close()
        return folders.restored

    def _filled(self, filler: Filler) -> None:
        watch, dispatcher = self._watch, filler.dispatcher
        watch.files_done, watch.current = self._tally.done, dispatcher.current
        watch.bytes_done = min(dispatcher.bytes_done, watch.bytes_total)
        watch.sent_bytes = dispatcher.fetched_bytes
        watch.tick()

    def _journal_name(self, destination: Destination) -> str:
        """The same restore is asked for again where all of this is equal."""
        wanted = sorted(shown(path) for path in self._order.paths)
        return " ".join((self._order.snapshot_id, shown(destination.path), *wanted))

    def _checked(self, destination: Destination, planner: Planner) -> RestoreResult:
        counts = planner.counts
        self._tally.displaced = planner.displaced
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
            removed_folders=tally.displaced.folders.count,
            removed_entries=tally.displaced.entries,
            replaced_links=tally.displaced.links.count,
            renamed=tally.displaced.renamed.count,
        )

    def _use_fresh_token(self) -> None:
        token = self._keeper.take()
        if token:
            if self._node is not None:
                self._node.use_token(token)
            self._crew.use_token(token)

    def _renew_lease(self) -> None:
        if self._node is not None:
            self._node.renew_lease()
