"""Compares a snapshot with what is on this server now: only trees are read from the vault, and nothing is written."""

import time

import msgspec

from phoenix_core.agent.backup.content import content_of
from phoenix_core.agent.backup.mounts import Mounts
from phoenix_core.agent.backup.patientnode import PATIENCE_S, PatientNode, connect_patiently
from phoenix_core.agent.backup.tokens import TokenKeeper
from phoenix_core.agent.backup.watch import Watch
from phoenix_core.agent.comparefindings import SAME, Findings
from phoenix_core.agent.comparelive import LiveWalk
from phoenix_core.agent.comparesieve import CompareSieve, taken
from phoenix_core.agent.domainaccess import domain_keys
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.restore.snapshottrees import SnapshotTrees
from phoenix_core.agent.steps import Steps
from phoenix_core.agentlink.comparemessages import CompareTerms
from phoenix_core.agentlink.messages import RestoreOrder
from phoenix_core.agentlink.reports import RestoreResult
from phoenix_core.agentlink.ruleorder import RuleOrder
from phoenix_core.domain.amounts import amount
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.kinds import PackKind

STEP = "compare"


class CompareJob:
    """`run` it once, in a thread of its own."""

    def __init__(
        self, order: RestoreOrder, terms: CompareTerms, ports: JobPorts, *, patience_s: float = PATIENCE_S
    ) -> None:
        self._order = order
        self._terms = terms
        self._ports = ports
        self._steps = Steps(ports)
        self._began = time.monotonic()
        self._patience_s = patience_s
        self._node: PatientNode | None = None
        self._keeper = TokenKeeper(order.storage.token, ports.fresh_token, self._renew_lease)
        self._watch = Watch(order.job, ports, self._use_fresh_token, began=self._began)

    def after(self) -> None:
        """Nothing."""

    def run(self) -> RestoreResult:
        """Raises `Cancelled`, `PathNotInSnapshot`, `StorageError`, `RestoreError`, and what the core answered."""
        with self._keeper:
            self._node = connect_patiently(
                self._order.storage, self._ports.tls, patience_s=self._patience_s, tick=self._watch.tick
            )
            try:
                with self._steps.step(STEP) as step:
                    findings = self._compare(self._node)
                    step.detail = _told(findings)
            finally:
                self._node.close()
        result = findings.result()
        return msgspec.structs.replace(result, check_only=True, seconds=time.monotonic() - self._began)

    def _compare(self, node: PatientNode) -> Findings:
        self._watch.enter(STEP)
        order, terms = self._order, self._terms
        trees = SnapshotTrees(node, self._ports, order.domain, self._watch.tick, grant_grows=order.grant_grows)
        content = content_of(self._rules(trees.source), now_ns=terms.made_ns)
        walk = LiveWalk(
            trees.source,
            trees.hint,
            CompareSieve(content, Mounts.current(), terms.folder),
            self._looked_at,
            folder=terms.folder,
            id_key=domain_keys(order.domain).id_key(PackKind.DATA) if terms.content else b"",
        )
        walk.run(order.root, order.paths)
        trees.grant.await_whole()  # what fails the grant fails the comparison
        return walk.findings

    def _rules(self, source: ChunkSource) -> tuple[RuleOrder, ...]:
        """The backup's; of a core that sends none, what it says instead."""
        terms = self._terms
        if terms.rules:
            return terms.rules
        paths = taken(source, self._order.root) or (b"/",)
        return (RuleOrder(paths, excludes=terms.excludes, cross_mounts=terms.cross_mounts),)

    def _looked_at(self, path: bytes, entries: int, read_bytes: int) -> None:
        self._watch.files_done, self._watch.bytes_done, self._watch.current = entries, read_bytes, path
        self._watch.tick()

    def _use_fresh_token(self) -> None:
        if self._node is not None and (token := self._keeper.take()):
            self._node.use_token(token)

    def _renew_lease(self) -> None:
        if self._node is not None:
            self._node.renew_lease()


def _told(findings: Findings) -> str:
    counts = {name: count for name, count in findings.counts.items() if name != SAME and count}
    differ = ", ".join(f"{count} {name}" for name, count in counts.items()) or "no difference"
    same = amount(findings.counts[SAME], "entry", "entries")
    return f"{differ}; {same} the same" + (f", {findings.not_compared} not compared" if findings.not_compared else "")
