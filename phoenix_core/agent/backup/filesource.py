"""Where a backup's files come from: the live file system of a Linux server, or shadow copies of Windows volumes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from phoenix_core.agent.backup.content import Content
from phoenix_core.agent.backup.leftout import LeftOut
from phoenix_core.agent.backup.metawriter import MetaVault
from phoenix_core.agent.backup.parenttree import ParentTrees
from phoenix_core.agent.backup.records import ReadItem, Record
from phoenix_core.agent.backup.scanrules import ScanCounts
from phoenix_core.agent.backup.spool import Spool
from phoenix_core.agent.steps import Steps
from phoenix_core.agent.workerpool import Main
from phoenix_core.agentlink.ruleorder import RuleOrder


@dataclass(frozen=True)
class StepIds:
    """The ids of workflows.md for what every backup does."""

    request: str
    kind: str
    scan: str
    estimate: str
    settle: str
    """Empty: it is the scan's."""


class Scanner(Protocol):
    """A walk over the sources, to be run once."""

    @property
    def counts(self) -> ScanCounts:
        """They rise while it runs."""

    @property
    def left_out(self) -> LeftOut: ...

    @property
    def sources_found(self) -> int: ...

    def run(self) -> None: ...


@dataclass(frozen=True)
class ScanParts:
    """What a backup gives its scan."""

    content: Content
    meta: MetaVault
    parent: ParentTrees | None
    records: Spool[Record]
    reads: Spool[ReadItem]
    tick: Callable[[bytes], None]
    """To be called with the current path, once a folder and every some hundred entries."""
    workers_most: int


class FileSource(Protocol):
    """Of one job, in the order in which its calls come."""

    @property
    def steps(self) -> StepIds: ...

    @property
    def worker_main(self) -> Main:
        """The function of the processes that read files."""

    @property
    def ignores_case(self) -> bool:
        """Whether names that differ in case only are the same."""

    def prepared(self, rules: Sequence[RuleOrder]) -> tuple[RuleOrder, ...]:
        """The rules of the order as this host understands their paths. Raises an `AgentError`."""

    def canonical(self, path: bytes) -> bytes:
        """A path in its one form. Raises an `AgentError`."""

    def begin(self, paths: Sequence[bytes], steps: Steps, tick: Callable[[], None]) -> None:
        """What comes before the scan. Raises an `AgentError`, and what `tick` raises."""

    def scanner(self, parts: ScanParts, steps: Steps) -> Scanner: ...

    def scanned(self) -> None:
        """The scan is over, whatever came of it."""

    def settled(self) -> str:
        """The scan went well: what is to be said of where it read, if anything. Raises an `AgentError`."""

    @property
    def worker_part(self) -> bytes:
        """What workers must know beside what all do."""

    def before_commit(self) -> None:
        """All is read. Raises an `AgentError` if what was read is not to be trusted."""

    def end(self, steps: Steps) -> None:
        """Once, whatever came of the backup. Raises nothing."""

    @property
    def snapshots(self) -> tuple[str, ...]:
        """Of the source that were made, for the job's result."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What went wrong beside missing files, for the job's result."""
