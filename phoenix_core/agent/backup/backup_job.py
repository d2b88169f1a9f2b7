"""One backup from order to staged snapshot (WF4, WF5): scan, estimate, transfer, trees, signature."""

import time

import msgspec

from phoenix_core.agent.backup import estimate
from phoenix_core.agent.backup import workermessages as wire
from phoenix_core.agent.backup.content import Content, content_of, remarks, rules_of
from phoenix_core.agent.backup.diskimages import Images, images_of
from phoenix_core.agent.backup.filesource import FileSource, Scanner, ScanParts
from phoenix_core.agent.backup.metawriter import MetaVault
from phoenix_core.agent.backup.pace import Pace, bandwidth_of, open_pace
from phoenix_core.agent.backup.patientnode import PATIENCE_S, PatientNode, connect_patiently
from phoenix_core.agent.backup.pool import backup_pool
from phoenix_core.agent.backup.records import Lost, ReadItem, Record
from phoenix_core.agent.backup.saidofscan import nothing_there, said_of
from phoenix_core.agent.backup.scanrules import ScanCounts
from phoenix_core.agent.backup.snapshotbody import snapshot_body
from phoenix_core.agent.backup.spool import Spool
from phoenix_core.agent.backup.tokens import TokenKeeper
from phoenix_core.agent.backup.transfer import BATCH_BYTES, BATCH_FILES, Transfer
from phoenix_core.agent.backup.treebuild import TreeBuilder, TreeCounts
from phoenix_core.agent.backup.watch import Watch
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.steps import Steps
from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.agentlink.reports import BackupResult, EstimateReport, MissingFile
from phoenix_core.domain.amounts import amount, size
from phoenix_core.domain.names import shown
from phoenix_core.host.process import usable_processors
from phoenix_core.vault.filelists import MissingEntry, write_missing
from phoenix_core.vault.snapshot import seal_snapshot

REPORTED_MAX = 1000
WORKERS_MAX = 8
BATCHES_PER_WORKER = 4
"""Starting a worker costs about as much as it does with so few."""


class BackupJob:
    """`run` it once, in a thread of its own."""

    def __init__(
        self, order: BackupOrder, ports: JobPorts, files: FileSource, *, patience_s: float = PATIENCE_S
    ) -> None:
        """`patience_s`: how long storage that is away is waited for."""
        self._order = order
        self._files = files
        self._ports = ports
        self._steps = Steps(ports)
        self._began = time.monotonic()
        self._started_ns = time.time_ns()
        self._tls = ports.tls
        self._patience_s = patience_s
        self._node: PatientNode | None = None
        self._pace: Pace | None = None
        self._bandwidth = bandwidth_of(order, ports.state_dir)
        self._keeper = TokenKeeper(order.storage.token, ports.fresh_token, self._renew_lease)
        self._token = order.storage.token
        self._pool = backup_pool(files.worker_main, self._setup)
        self._transfer: Transfer | None = None
        self._records: Spool[Record] = Spool(ports.state_dir, Record)
        self._reads: Spool[ReadItem] = Spool(ports.state_dir, ReadItem)
        self._missing: Spool[MissingEntry] = Spool(ports.state_dir, MissingEntry)
        self._changed: list[str] = []
        self._images: tuple[Images, ...] = ()
        self._left_out = 0
        self._watch = Watch(order.job, ports, self._use_fresh_token, began=self._began)

    def run(self) -> BackupResult:
        """Raises `Cancelled`, `AgentError`, `StorageError`; `RemoteError` with what a worker or the core answered."""
        try:
            with self._keeper:
                self._pace = open_pace(self._bandwidth, anew=True)
                self._node = connect_patiently(
                    self._order.storage,
                    self._tls,
                    patience_s=self._patience_s,
                    tick=self._watch.tick,
                    pace=self._pace,
                )
                return self._run(self._node)
        finally:
            self._pool.stop()
            self._files.end(self._steps)
            for spool in (self._records, self._reads, self._missing):
                spool.close()
            if self._node is not None:
                self._node.close()
            if self._pace is not None:
                self._pace.close()

    def after(self) -> None:
        """Nothing."""

    def _run(self, node: PatientNode) -> BackupResult:
        order = self._order
        files, ids = self._files, self._files.steps
        with self._steps.step(ids.request) as step:
            rules = files.prepared(rules_of(order))
            content = content_of(rules, files.canonical, ignore_case=files.ignores_case)
            self._images = images_of(rules, files.canonical)
            paths = content.paths
            step.detail = ", ".join(map(shown, paths[:3])) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
        full = f"full {order.why_full}".rstrip()
        self._steps.done(ids.kind, f"incremental to {order.parent.snapshot_id[:12]}" if order.parent else full)
        self._watch.enter("scan")
        files.begin(paths, self._steps, self._watch.tick)
        meta = MetaVault(order, node, self._ports)
        with self._steps.step(ids.scan) as step:
            scan = self._scan(content, meta)
            said = files.settled()
            self._left_out = scan.left_out.counts.total()
            step.detail = f"{amount(scan.counts.files, 'file')}, {amount(scan.counts.folders, 'folder')}"
            step.detail += f"; {amount(self._left_out, 'entry', 'entries')} left out" if self._left_out else ""
            step.detail += f"; {said}" if said else ""
        scan_s = time.monotonic() - self._began
        throughput = estimate.load(self._ports.state_dir)
        with self._steps.step(ids.estimate) as step:
            expected_s = self._estimate(scan.counts, throughput)
            step.detail = f"about {expected_s:.0f} s for {size(scan.counts.changed_bytes)} to read"
        if ids.settle:
            self._steps.done(ids.settle, f"{amount(scan.counts.changed_files, 'new or changed file')}")
        if order.dry_run:
            self._collect_lost()
            return _dry_result(scan.counts, scan_s, self._first_missing(), self._left_out)
        return self._carry_over(node, paths, scan.counts, meta, scan_s, throughput)

    def _scan(self, content: Content, meta: MetaVault) -> Scanner:
        for text in remarks(content, self._order.core_time_ns):
            self._steps.log("warning", text)
        parent = meta.parent_trees(lambda text: self._steps.log("warning", text))
        parts = ScanParts(
            content,
            meta,
            parent,
            self._records,
            self._reads,
            lambda path: self._scanned(scan.counts, path),
            self._workers_most(),
        )
        scan = self._files.scanner(parts, self._steps)
        try:
            scan.run()
        finally:
            self._files.scanned()
        if not scan.sources_found:
            raise nothing_there(scan.left_out.source_problems)
        for level, text in said_of(scan.left_out, scan.counts, content.rules):
            self._steps.log(level, text)
        return scan

    def _scanned(self, counts: ScanCounts, path: bytes) -> None:
        watch = self._watch
        watch.files_done, watch.bytes_done, watch.current = counts.files, counts.bytes, path
        watch.tick()
        if not self._order.dry_run and counts.changed_files and len(self._pool) < self._workers_for(counts):
            self._pool.start_one()

    def _estimate(self, counts: ScanCounts, throughput: estimate.Throughput) -> float:
        expected_s = throughput.estimate_s(counts.changed_files, counts.changed_bytes)
        self._ports.report(
            EstimateReport(
                files=counts.files,
                directories=counts.folders,
                bytes=counts.bytes,
                changed_files=counts.changed_files,
                changed_bytes=counts.changed_bytes,
                seconds=expected_s,
                data_bytes=counts.data_bytes,
            )
        )
        return expected_s

    def _carry_over(
        self,
        node: PatientNode,
        paths: tuple[bytes, ...],
        counts: ScanCounts,
        meta: MetaVault,
        scan_s: float,
        throughput: estimate.Throughput,
    ) -> BackupResult:
        transfer_began = time.monotonic()
        watch = self._watch
        files, data = counts.changed_files, counts.changed_bytes
        watch.enter_moving("transfer", files, data, throughput, throughput.estimate_s(files, data))
        with self._steps.step("WF1.4") as step:
            transfer = Transfer(self._pool, iter(self._reads), self._workers_for(counts), self._transferred)
            self._transfer = transfer
            builder = TreeBuilder(
                meta.writer,
                transfer.next_result,
                transfer.read_now,
                missing=lambda path, reason: self._missing.append(MissingEntry(path, reason)),
                changed=self._was_changed,
            )
            root = builder.build(self._records, self._transferred)
            transfer.begin_flush()
            missing_list = write_missing(meta.writer, self._missing) if self._missing.count else b""
            meta.close()  # beside the workers' last packs
            transfer.finish_flush()
            transfer_s = time.monotonic() - transfer_began
            result = _result(builder.counts, transfer, meta, scan_s, transfer_s)
            step.detail = f"{size(result.stored_bytes)} stored in {amount(result.packs, 'pack')}"
            known_bytes = result.read_bytes - transfer.counts.new_raw_bytes
            if known_bytes > 0:
                step.detail += f"; {size(known_bytes)} of what was read needed no storing"
        self._learn(throughput, builder.counts, transfer_s)
        watch.enter("commit")
        commit_began = time.monotonic()
        signing_key = self._ports.signing_key
        packs = (*transfer.packs, *meta.packs)
        public_key = signing_key.public_key().public_bytes_raw()
        body = snapshot_body(
            self._order,
            paths,
            result,
            root,
            packs,
            public_key=public_key,
            started_ns=self._started_ns,
            missing_list=missing_list,
        )
        sealed = seal_snapshot(body, signing_key, self._order.vault_public_key)
        self._files.before_commit()
        watch.check()
        snapshot_id = node.stage_snapshot(sealed)
        return msgspec.structs.replace(
            result,
            snapshot_id=snapshot_id,
            commit_s=time.monotonic() - commit_began,
            missing=self._first_missing(),
            changed_while_read=tuple(self._changed),
            left_out=self._left_out,
            problems=self._files.problems,
            source_snapshots=self._files.snapshots,
        )

    def _transferred(self) -> None:
        watch = self._watch
        if self._transfer is not None:
            counts = self._transfer.counts
            watch.files_done, watch.current = counts.files_done, counts.current
            watch.bytes_done = min(counts.bytes_done, watch.bytes_total)
            watch.sent_bytes = counts.stored_bytes
        watch.tick()

    def _setup(self, number: int) -> wire.Setup:
        order, tls = self._order, self._tls
        return wire.Setup(
            number + 1,
            order.vault_id,
            order.server_id,
            order.vault_public_key,
            order.domain,
            msgspec.structs.replace(order.storage, token=self._token),
            wire.TlsPaths(str(tls.cert), str(tls.key), str(tls.ca)) if tls else None,
            order.compression_level,
            self._images,
            self._patience_s,
            order.nice,
            self._bandwidth,
            self._files.worker_part,
        )

    def _workers_for(self, counts: ScanCounts) -> int:
        """As many as the processors, but no more than there is work for."""
        batches = max(counts.changed_bytes // BATCH_BYTES, counts.changed_files // BATCH_FILES)
        wanted = 1 + batches // BATCHES_PER_WORKER
        return max(1, min(self._workers_most(), wanted))

    def _workers_most(self) -> int:
        return self._order.workers or min(max(usable_processors(), 2), WORKERS_MAX)

    def _use_fresh_token(self) -> None:
        token = self._keeper.take()
        if token:
            if self._node is not None:
                self._node.use_token(token)
            self._token = token
            self._pool.send_all(wire.encode(wire.Token(token)))

    def _renew_lease(self) -> None:
        if self._node is not None:
            self._node.renew_lease()

    def _collect_lost(self) -> None:
        for record in self._records:
            if isinstance(record, Lost):
                self._missing.append(MissingEntry(record.path, record.reason))

    def _was_changed(self, path: bytes) -> None:
        if len(self._changed) < REPORTED_MAX:
            self._changed.append(shown(path))

    def _first_missing(self) -> tuple[MissingFile, ...]:
        found: list[MissingFile] = []
        for missing in self._missing:
            if len(found) == REPORTED_MAX:
                break
            found.append(MissingFile(path=shown(missing.path), reason=missing.reason))
        return tuple(found)

    def _learn(self, throughput: estimate.Throughput, counts: TreeCounts, seconds: float) -> None:
        try:
            estimate.save(self._ports.state_dir, throughput.learned(counts.changed_files, counts.read_bytes, seconds))
        except OSError as error:
            self._steps.log("warning", f"The throughput could not be remembered: {error.strerror}")


def _dry_result(counts: ScanCounts, scan_s: float, missing: tuple[MissingFile, ...], left_out: int) -> BackupResult:
    return BackupResult(
        snapshot_id="",
        files=counts.files,
        directories=counts.folders,
        other_entries=counts.others,
        bytes=counts.bytes,
        changed_files=counts.changed_files,
        scan_s=scan_s,
        missing=missing,
        missing_count=counts.lost,
        dry_run=True,
        left_out=left_out,
    )


def _result(counts: TreeCounts, transfer: Transfer, meta: MetaVault, scan_s: float, transfer_s: float) -> BackupResult:
    sent, written = transfer.counts, meta.writer.stats
    return BackupResult(
        snapshot_id="",
        files=counts.files,
        directories=counts.folders,
        other_entries=counts.others,
        bytes=counts.bytes,
        changed_files=counts.changed_files,
        read_bytes=counts.read_bytes,
        new_chunks=sent.new_chunks + written.new_chunks,
        new_raw_bytes=sent.new_raw_bytes + written.new_raw_bytes,
        stored_bytes=sent.stored_bytes + written.stored_bytes,
        packs=len(transfer.packs) + len(meta.packs),
        scan_s=scan_s,
        transfer_s=transfer_s,
        missing_count=counts.missing,
    )
