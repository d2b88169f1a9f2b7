"""The catalog: migrations, and what its queries promise."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from phoenix_core.catalog.audit import AuditLog
from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.errors import CatalogFull, CatalogTooNew, CatalogUnusable, IllegalTransition
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.migrate import FOLDER, HEAD, migrate_file
from phoenix_core.catalog.peers import Peers
from phoenix_core.catalog.rows import AuditRow, CertificateRow, JobRow, PeerRow, StepRow, TokenRow
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.tables import metadata
from phoenix_core.domain.states import TRANSITIONS, JobKind, JobState, StepState

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    opened = await Catalog.open_file(tmp_path / "catalog.sqlite")
    yield opened
    await opened.close()


def job(job_id: str, state: JobState = JobState.QUEUED, at: datetime = NOW, server: str = "s1") -> JobRow:
    return JobRow(job_id, JobKind.FILE_BACKUP, state, f"Backup {job_id}", server, server, "root", at, "{}")


async def test_the_migrations_make_exactly_the_tables(catalog: Catalog) -> None:
    async with catalog.reading() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), metadata)
        )
        assert differences == []
        assert await connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        assert await connection.scalar(sa.text("PRAGMA synchronous")) == 2  # FULL: what is committed is on the disk
        assert await connection.scalar(sa.text("PRAGMA foreign_keys")) == 1


def test_the_newest_revision_is_the_one_that_a_start_expects() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_catalog_is_migrated_once_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    assert migrate_file(path)
    assert not migrate_file(path)
    assert path.stat().st_mode & 0o777 == 0o600


def catalog_of(path: Path, revision: str, *rows: str) -> None:
    """A catalog of an earlier revision, which had seen 90,000 seconds pass by `NOW`, with these rows."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for row in rows:
            connection.exec_driver_sql(f"INSERT INTO {row}")
        connection.exec_driver_sql(f"INSERT INTO facts VALUES ('clock.seen', '90000|{NOW.isoformat()}')")
    engine.dispose()


def since_epoch_us(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def test_a_server_removed_before_its_time_was_counted_keeps_its_undo_period(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    removed = since_epoch_us(NOW - timedelta(hours=1))
    catalog_of(path, "0005", f"peers VALUES ('s1', 'agent', 'web1', '', '', '', 0, NULL, {removed}, 0, '[]', '')")
    assert migrate_file(path)
    with sqlite3.connect(path) as upgraded:
        ((seen_s,),) = upgraded.execute("SELECT revoked_seen_s FROM peers").fetchall()
    assert seen_s == pytest.approx(90_000 - 3600, abs=1)


def test_jobs_that_ended_before_seen_time_was_kept_with_them_are_as_old_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    ends = {"past": NOW - timedelta(hours=1), "to come": NOW + timedelta(days=30)}
    rows = [
        f"jobs VALUES ('{name}', 'file_backup', 'failed', '', 's1', 's1', '', 0, '{{}}', NULL, {since_epoch_us(end)},"
        " '', '', NULL, 0, '', NULL, 0, '{}', '', 1)"
        for name, end in ends.items()
    ]
    catalog_of(path, "0007", *rows)
    assert migrate_file(path)
    with sqlite3.connect(path) as upgraded:
        seen_s = dict(upgraded.execute("SELECT id, ended_seen_s FROM jobs").fetchall())
    assert seen_s == pytest.approx({"past": 90_000 - 3600, "to come": 90_000}, abs=1)


def test_a_catalog_of_a_later_release_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    migrate_file(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(CatalogTooNew, match="9999"):
        migrate_file(path)


def test_a_file_that_is_no_catalog_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(CatalogUnusable):
        migrate_file(path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogUnusable):
        migrate_file(tmp_path / "none" / "catalog.sqlite")


async def test_a_job_is_read_as_it_was_written(catalog: Catalog) -> None:
    jobs = Jobs(catalog)
    written = msgspec.structs.replace(job("j1"), result={"files": 3, "rate": 1.5, "ok": True, "kind": "full"})
    await jobs.add(written, [StepRow("j1", 0, "WF1.2", "Validate")])
    assert await jobs.get("j1") == written
    assert [step.state for step in await jobs.steps("j1")] == [StepState.PENDING]


@pytest.mark.parametrize("state", list(JobState))
async def test_only_the_listed_transitions_are_possible(catalog: Catalog, state: JobState) -> None:
    jobs = Jobs(catalog)
    for number, wanted in enumerate(JobState):
        name = f"j{number}"
        await jobs.add(job(name, state), [])
        if wanted in TRANSITIONS[state]:
            assert (await jobs.move(name, wanted))[0].state is wanted
        else:
            with pytest.raises(IllegalTransition):
                await jobs.move(name, wanted)
            found = await jobs.get(name)
            assert found is not None
            assert found.state is state


async def test_a_move_may_demand_the_state_before(catalog: Catalog) -> None:
    jobs = Jobs(catalog)
    await jobs.add(job("j1", JobState.RUNNING), [])
    with pytest.raises(IllegalTransition):
        await jobs.move("j1", JobState.CANCELLED, expected=(JobState.QUEUED,))


async def test_lists_are_newest_first_and_page_on(catalog: Catalog) -> None:
    jobs = Jobs(catalog)
    for number in range(5):
        await jobs.add(job(f"j{number}", at=NOW + timedelta(seconds=number // 2)), [])
    everything = await jobs.listed()
    assert [row.id for row in everything] == ["j4", "j3", "j2", "j1", "j0"]
    assert [row.id for row in await jobs.listed(limit=2, before=everything[1])] == ["j2", "j1"]
    assert await jobs.listed(states=[JobState.RUNNING]) == []
    assert await jobs.listed(server_id="s2") == []


async def test_a_prefix_is_taken_literally(catalog: Catalog) -> None:
    jobs = Jobs(catalog)
    await jobs.add(job("jabc"), [])
    assert [row.id for row in await jobs.with_prefix("jab")] == ["jabc"]
    assert await jobs.with_prefix("j_b") == []
    assert await jobs.with_prefix("%") == []


async def test_a_step_and_the_report_that_told_of_it_are_kept_together(catalog: Catalog) -> None:
    jobs = Jobs(catalog)
    await jobs.add(job("j1"), [])
    await jobs.put_steps([StepRow("j1", 0, "WF5.4", "Scan", StepState.RUNNING)], report=7)
    await jobs.put_steps([StepRow("j1", 0, "WF5.4", "Scan", StepState.DONE)], report=8)
    assert [step.state for step in await jobs.steps("j1")] == [StepState.DONE]
    found = await jobs.get("j1")
    assert found is not None
    assert found.last_report == 8


async def test_log_lines_are_numbered_by_job(catalog: Catalog) -> None:
    jobs = Jobs(catalog)
    for name in ("j1", "j2"):
        await jobs.add(job(name), [])
        for text in ("one", "two", "three"):
            await jobs.add_log(name, NOW, "info", text)
    assert [(line.number, line.text) for line in await jobs.log("j1", after=1)] == [(2, "two"), (3, "three")]


async def test_a_failed_transaction_leaves_nothing(catalog: Catalog) -> None:
    jobs = Jobs(catalog)
    await jobs.add(job("j1"), [])
    with pytest.raises(sa.exc.IntegrityError):
        await jobs.add(job("j1"), [])
    with pytest.raises(sa.exc.IntegrityError):
        await jobs.put_steps([StepRow("none", 0, "x", "x")])
    assert await jobs.steps("none") == []


async def test_many_writers_at_once_never_find_the_catalog_locked(catalog: Catalog) -> None:
    jobs = Jobs(catalog)
    await asyncio.gather(*(jobs.add(job(f"j{number}"), []) for number in range(50)))
    assert len(await jobs.listed(limit=100)) == 50


async def test_an_activation_token_is_used_by_one_of_two(catalog: Catalog) -> None:
    peers = Peers(catalog)
    token = TokenRow("hash", "agent", "", NOW, NOW + timedelta(hours=1), "root")
    await peers.add_token(token)
    used = await asyncio.gather(peers.use_token("hash", NOW, "s1"), peers.use_token("hash", NOW, "s2"))
    assert sorted(used) == [False, True]
    found = await peers.token("hash")
    assert found is not None
    assert found.used_at == NOW


async def test_a_peer_and_its_certificates_are_kept_together(catalog: Catalog) -> None:
    peers = Peers(catalog)
    peer = PeerRow("s1", "agent", "web1", "web1.example", "Linux", "0.1", NOW)
    first = CertificateRow("aa", "s1", b"k" * 32, NOW, NOW + timedelta(days=90))
    await peers.add(peer, first)
    later = CertificateRow("bb", "s1", b"l" * 32, NOW, NOW + timedelta(days=180))
    await peers.add_certificate(later)
    assert sorted(await peers.all_certificates(), key=lambda row: row.serial) == [first, later]
    await peers.revoke("s1", NOW, 12.5)
    (found,) = await peers.all("agent")
    assert (found.revoked_at, found.revoked_seen_s) == (NOW, 12.5)


async def test_facts_outlive_the_process(tmp_path: Path) -> None:
    first = await Catalog.open_file(tmp_path / "c.sqlite")
    await Facts(first).put("link.port", "8443")
    await first.close()
    second = await Catalog.open_file(tmp_path / "c.sqlite")
    assert await Facts(second).get("link.port") == "8443"
    assert await Facts(second).get("nothing") is None
    await second.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET outcome = 'done'",
        "DELETE FROM audit",
        "REPLACE INTO audit VALUES ('a1', 1, 'nobody', 'server.remove', 'web1', '', 'done')",
    ],
)
async def test_an_entry_of_the_audit_log_stays_as_it_is_whoever_has_the_file_open(
    tmp_path: Path, statement: str
) -> None:
    path = tmp_path / "catalog.sqlite"
    catalog = await Catalog.open_file(path)
    log = AuditLog(catalog)
    entry = AuditRow("a1", NOW, "root", "server.remove", "web1", "", "refused")
    await log.add(entry)
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError, match="only added"):
        connection.execute(statement)
    await log.add(msgspec.structs.replace(entry, id="a2"))
    assert await log.listed(limit=10) == [msgspec.structs.replace(entry, id="a2"), entry]
    await catalog.close()


async def test_a_full_disk_is_named_and_leaves_what_was_there(tmp_path: Path) -> None:
    catalog = await Catalog.open_file(tmp_path / "catalog.sqlite")
    facts = Facts(catalog)
    await facts.put("small", "kept")
    async with catalog.writing() as connection:
        pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
        await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(CatalogFull, match=r"catalog\.sqlite"):
        await facts.put("large", "x" * 1_000_000)
    assert await facts.get("small") == "kept"
    async with catalog.writing() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    await facts.put("large", "x" * 1_000_000)
    await catalog.close()
