"""How the agent runs its jobs, with jobs and a link made for the test."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from phoenix_core.agent.errors import VaultBehind
from phoenix_core.agent.jobs import AgentJobs, WorkOrder
from phoenix_core.agent.keycache import KeyCache
from phoenix_core.agent.linkports import LinkPorts
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.state import AgentState
from phoenix_core.agentlink.messages import (
    BackupOrder,
    DomainAccess,
    KeysAnswer,
    KeysRequest,
    RestoreOrder,
    StorageAccess,
    TokenAnswer,
    TokenRequest,
)
from phoenix_core.agentlink.reports import BackupResult, JobFailed, LogReport, Progress, ReportBody
from phoenix_core.domain.errors import Cancelled, ErrorView, RemoteError
from phoenix_core.host.courtesy import IO_LOWEST
from phoenix_core.vault.location import BlockRef


class LinkDouble:
    def __init__(self) -> None:
        self.reports: list[tuple[str, ReportBody]] = []
        self.last = threading.Semaphore(0)
        self.requests: list[KeysRequest | TokenRequest] = []
        self.refusals: list[str] = []
        """The codes that the first requests for keys are answered with."""

    def report(self, job: str, body: ReportBody) -> None:
        self.reports.append((job, body))
        if not isinstance(body, LogReport):
            self.last.release()

    def progress(self, progress: Progress) -> None:
        pass

    def request_blocking(self, request: Any) -> Any:
        self.requests.append(request)
        if isinstance(request, TokenRequest):
            return TokenAnswer(0, "token")
        if self.refusals:
            raise RemoteError(ErrorView(self.refusals.pop(0), "not now", ""))
        return KeysAnswer(0, tuple(block.pack_id for block in request.blocks))


class Work:
    """A job that runs until it is let go or cancelled."""

    begun = threading.Semaphore(0)

    def __init__(self, order: WorkOrder, ports: JobPorts) -> None:
        self.order = order
        self.ports = ports

    def run(self) -> BackupResult:
        Work.begun.release()
        if self.order.job == "breaks":
            raise ZeroDivisionError("a defect")
        if self.order.job == "asks":
            keys = self.ports.block_keys([BlockRef(number.to_bytes(32, "big"), 0) for number in range(5000)])
            assert keys[4999] == (4999).to_bytes(32, "big")
            assert self.ports.fresh_token() == "token"
            return BackupResult("asked")
        self.ports.cancelled.wait(30)
        raise Cancelled(who=self.ports.cancelled_by)

    def after(self) -> None:
        """Nothing."""


def order(job: str) -> RestoreOrder:
    domain = DomainAccess("default", 1, bytes(32), bytes(32), bytes(32), 1)
    return RestoreOrder(job, "s1", domain, StorageAccess("", ""), "", bytes(32))


@pytest.fixture
def link() -> LinkDouble:
    return LinkDouble()


@pytest.fixture
def jobs(link: LinkDouble, tmp_path: Path) -> Iterator[AgentJobs]:
    Work.begun = threading.Semaphore(0)
    cache = KeyCache(tmp_path)
    made = AgentJobs(link, tmp_path, cache, make=Work)
    yield made
    made.stop()
    cache.close()


def test_two_jobs_run_and_a_third_waits_its_turn(jobs: AgentJobs, link: LinkDouble) -> None:
    for job in ("one", "two"):
        jobs.start(order(job))
        assert Work.begun.acquire(timeout=10)
    jobs.start(order("three"))
    assert not Work.begun.acquire(timeout=0.3)
    assert jobs.running() == ["one", "two", "three"]
    jobs.cancel("one", "jane")
    assert Work.begun.acquire(timeout=10)
    assert any(job == "three" and isinstance(body, LogReport) for job, body in link.reports)


def test_a_waiting_job_can_be_cancelled(jobs: AgentJobs, link: LinkDouble) -> None:
    for job in ("one", "two", "three"):
        jobs.start(order(job))
    jobs.cancel("three", "jane")
    jobs.cancel("unknown", "jane")
    assert link.last.acquire(timeout=10)
    assert [job for job, body in link.reports if not isinstance(body, LogReport)] == ["three"]


def test_a_defect_in_a_job_is_reported_as_its_failure(jobs: AgentJobs, link: LinkDouble) -> None:
    jobs.start(order("breaks"))
    assert link.last.acquire(timeout=10)
    (failed,) = [body for _, body in link.reports]
    assert isinstance(failed, JobFailed)
    assert "ZeroDivisionError: a defect" in failed.error.message


def test_keys_are_asked_for_in_portions(jobs: AgentJobs, link: LinkDouble) -> None:
    jobs.start(order("asks"))
    assert link.last.acquire(timeout=10)
    assert link.reports == [("asks", BackupResult("asked"))]
    assert len(link.requests) == 3


def test_keys_that_may_yet_be_granted_are_asked_for_again(link: LinkDouble, tmp_path: Path) -> None:
    """Until they come, or the core refuses them for good, or the job is cancelled."""
    cache = KeyCache(tmp_path)
    ports = LinkPorts("asks", link, tmp_path, cache)
    block = BlockRef(bytes(32), 0)
    link.refusals = ["grant_grows", "grant_grows"]
    assert ports.block_keys([block]) == [block.pack_id]
    assert len(link.requests) == 3
    link.refusals = ["grant_grows", "not_of_this_job"]
    with pytest.raises(RemoteError) as refused:
        ports.block_keys([block])
    assert refused.value.view().code == "not_of_this_job"
    ports.cancel("jane")
    link.refusals = ["grant_grows"]
    with pytest.raises(Cancelled):
        ports.block_keys([block])
    cache.close()


@pytest.mark.parametrize("nice", [0, 15])
def test_a_job_gives_way_as_its_order_says(link: LinkDouble, tmp_path: Path, nice: int) -> None:
    priorities: list[tuple[int, bool]] = []

    class Looking(Work):
        def run(self) -> BackupResult:
            thread = threading.get_native_id()
            lowest = psutil.Process(thread).ionice().value == IO_LOWEST
            priorities.append((os.getpriority(os.PRIO_PROCESS, thread), lowest))
            return BackupResult("")

    before = os.getpriority(os.PRIO_PROCESS, 0)
    cache = KeyCache(tmp_path)
    jobs = AgentJobs(link, tmp_path, cache, make=Looking)
    jobs.start(msgspec.structs.replace(order("polite"), nice=nice))
    assert link.last.acquire(timeout=10)
    jobs.stop()
    cache.close()
    assert priorities == [(max(nice, before), bool(nice))]


def test_a_notice_is_put_into_each_job(jobs: AgentJobs, link: LinkDouble) -> None:
    jobs.notice = "rolled back"
    jobs.start(order("asks"))
    assert link.last.acquire(timeout=10)
    first = link.reports[0][1]
    assert isinstance(first, LogReport)
    assert (first.level, first.text) == ("error", "rolled back")


def test_a_stopped_agent_starts_nothing(jobs: AgentJobs, link: LinkDouble) -> None:
    jobs.start(order("one"))
    assert Work.begun.acquire(timeout=10)
    jobs.stop()
    jobs.start(order("two"))
    assert jobs.running() == []
    ((job, body),) = link.reports
    assert isinstance(body, JobFailed)
    assert (job, body.error.code) == ("one", "agent_stopping")


def test_the_key_cache_outlives_the_process_and_a_damaged_file(tmp_path: Path) -> None:
    cache = KeyCache(tmp_path)
    keys = {number.to_bytes(32, "big"): bytes([number % 256]) * 32 for number in range(1200)}
    cache.remember(keys)
    cache.close()
    cache = KeyCache(tmp_path)
    assert cache.recall([*keys, bytes(31) + b"x"]) == {**keys}
    cache.close()
    (tmp_path / "packkeys.sqlite").write_bytes(b"not a database" * 1000)
    cache = KeyCache(tmp_path)
    assert cache.recall(list(keys)) == {}
    cache.close()


def test_a_roll_back_is_recognised(tmp_path: Path) -> None:
    state = AgentState(tmp_path)
    assert state.roll_back(0) == ""
    assert state.roll_back(5) == ""
    state.recorded("j1", 12)
    state = AgentState(tmp_path)
    assert "number 11" in state.roll_back(11)
    assert [state.roll_back(number) for number in (0, 12, 13)] == ["", "", ""]
    state.recorded("j2", 3)
    assert state.roll_back(3) == "", "an operator accepted the loss, and backups go on from there"


def test_another_vault_with_fewer_records_is_no_roll_back(tmp_path: Path) -> None:
    state = AgentState(tmp_path)
    state.recorded("j1", 12, "aa" * 16)
    assert state.roll_back(1, "bb" * 16) == ""
    assert state.roll_back(0, "") == ""
    assert "number 0" in state.roll_back(0, "aa" * 16)


def told(last_record: int, accepted: str = "", vault: str = "aa" * 16) -> BackupOrder:
    domain = DomainAccess("default", 1, bytes(32), bytes(32), bytes(32), 1)
    return BackupOrder(
        "told",
        "s1",
        vault,
        b"",
        domain,
        StorageAccess("", ""),
        (),
        last_record=last_record,
        rollback_accepted=accepted,
    )


def test_no_backup_goes_to_a_vault_that_lacks_a_record_until_its_loss_is_accepted(tmp_path: Path) -> None:
    state = AgentState(tmp_path)
    state.recorded("j1", 12, "aa" * 16)
    for fine in (told(12), told(13), told(-1), told(3, vault="bb" * 16)):
        state.check(fine)
    with pytest.raises(VaultBehind) as refused:
        state.check(told(11))
    assert "vault.accept_rollback 12`" in refused.value.what_to_do
    state.check(told(11, "2026-01-01T00:00:00"))
    state = AgentState(tmp_path)
    state.check(told(11, "2026-01-01T00:00:00"))
    with pytest.raises(VaultBehind):
        state.check(told(10, "2026-01-01T00:00:00"))


def test_a_backup_that_its_agent_refuses_fails_with_the_reason(link: LinkDouble, tmp_path: Path) -> None:
    def refuse(order: BackupOrder) -> None:
        raise VaultBehind(expected=2, found=1, job="j1")

    jobs = AgentJobs(link, tmp_path, KeyCache(tmp_path), make=Work, check=refuse)
    jobs.start(told(1))
    assert link.last.acquire(timeout=10)
    ((_, body),) = link.reports
    assert isinstance(body, JobFailed)
    assert body.error.code == "vault_behind_agent"


def test_a_backup_gives_way_and_a_restore_does_not(link: LinkDouble, tmp_path: Path) -> None:
    nice: dict[str, int] = {}

    class Looks:
        def __init__(self, order: WorkOrder, ports: JobPorts) -> None:
            self.job = order.job

        def run(self) -> BackupResult:
            nice[self.job] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
            return BackupResult(self.job)

        def after(self) -> None:
            """Nothing."""

    cache = KeyCache(tmp_path)
    jobs = AgentJobs(link, tmp_path, cache, make=Looks)
    before = os.getpriority(os.PRIO_PROCESS, 0)
    restore = order("restore")
    backup = BackupOrder("backup", "s1", "", b"", restore.domain, restore.storage, (), nice=19)
    for each in (backup, restore):
        jobs.start(each)
        assert link.last.acquire(timeout=10)
    jobs.stop()
    cache.close()
    assert nice == {"backup": 19, "restore": before}
