"""What the dashboard says needs attention."""

from datetime import timedelta

import msgspec

from phoenix_core.domain.alerts import AlertKind, AlertView
from phoenix_core.domain.readings import Readings
from phoenix_core.domain.states import JobState
from phoenix_core.domain.versions import Standing
from phoenix_core.domain.views import JobView, ServerView, VaultView
from phoenix_tui.attention import Attention, Weight, what_needs_attention
from phoenix_tui.formats import Formats
from phoenix_tui.model import CoreModel
from tests.tui import sample
from tests.tui.conftest import FixedClock
from tests.tui.sample_policies import ALERTS
from tests.tui.scripted_core import NO_VAULT


def found(
    *servers: ServerView, vault: VaultView | None = sample.VAULT, jobs: tuple[JobView, ...] = ()
) -> list[Attention]:
    model = CoreModel()
    model.servers = {server.id: server for server in servers}
    model.vault = vault
    model.vault_problem = None if vault else NO_VAULT
    model.put_jobs(list(jobs))
    return what_needs_attention(model, Formats(FixedClock(), sample.CET))


def test_all_well_needs_nothing() -> None:
    assert found(sample.WEB1) == []


def test_an_agent_that_is_away_says_how_many_jobs_wait() -> None:
    away = msgspec.structs.replace(sample.DB1, last_backup_state=JobState.SUCCESSFUL)
    (only,) = found(away, jobs=(sample.WAITING,))
    assert only.text == "agent away, last seen 2 h ago; 1 job waits"


def test_a_failed_backup_comes_first_and_opens_its_job() -> None:
    failed_server = msgspec.structs.replace(sample.WEB1, last_backup_state=JobState.FAILED)
    failed_job = msgspec.structs.replace(sample.DONE, state=JobState.FAILED)
    first, *rest = found(sample.DB1, failed_server, jobs=(failed_job,))
    assert (first.weight, first.job_id) == (Weight.ERROR, sample.DONE.id)
    assert all(each.weight is Weight.WARNING for each in rest)


def test_old_and_missing_backups_and_ending_certificates() -> None:
    old = msgspec.structs.replace(
        sample.WEB1,
        last_backup_at=sample.ago(days=9),
        certificate_ends_at=sample.NOW + timedelta(days=3),
        certificate_overdue_at=sample.ago(days=1),
    )
    assert {each.text for each in found(old)} == {"last backup 9 days ago", "its certificate ends in 3 days"}
    short = msgspec.structs.replace(old, certificate_overdue_at=sample.NOW + timedelta(days=1))
    assert {each.text for each in found(short)} == {"last backup 9 days ago"}
    assert [each.key for each in found(sample.NAS)] == [f"{sample.NAS.id}-never"]


def test_servers_without_a_recent_proof_of_restore_are_named_in_one_line() -> None:
    due = [
        msgspec.structs.replace(sample.WEB1, id=f"s{number}", name=f"web{number}", proof_due=True)
        for number in range(1, 6)
    ]
    (only,) = found(*due)
    assert (only.weight, only.screen) == (Weight.WARNING, "servers")
    assert only.text == "no recent proof of restore of 5 servers: web1, web2, web3, …"
    (one,) = found(due[0], msgspec.structs.replace(due[1], revoked=True))
    assert one.text == "no recent proof of restore of 1 server: web1"


def test_data_that_is_not_read_again_in_time_is_told() -> None:
    late = Readings(unread=0, oldest_at=sample.ago(days=41), within_days=30)
    (only,) = found(sample.WEB1, vault=msgspec.structs.replace(sample.VAULT, readings=late))
    assert only.text == "packs read again and checked: all within 30 days: no, the oldest 41 days ago"


def test_a_removed_server_is_no_worry() -> None:
    assert found(msgspec.structs.replace(sample.DB1, revoked=True)) == []


def test_the_vault_speaks_up() -> None:
    def of(**values: object) -> list[str]:
        vault = msgspec.structs.replace(sample.VAULT, **values)
        return [each.text for each in found(sample.WEB1, vault=vault)]

    assert of(problem="Record 7 is gone.") == ["Record 7 is gone."]
    assert of(damaged_packs=2) == ["2 packs are damaged or lost; verify names the files"]
    assert of(lost_snapshots=1) == ["1 snapshot is lost; phoenix doctor says what to do"]
    assert of(last_verify_state=JobState.FAILED) == ["the last verify found damage, 1 day ago"]
    assert of(free_bytes=9 * sample.GIB) == ["only 9.0 GiB free (4 %)"]
    assert "key is not available" in of(key_available=False)[0]
    assert "index" in of(index_complete=False)[0]
    (no_vault,) = found(vault=None)
    assert "phoenix vault init" in no_vault.text


def test_an_agent_of_another_version_is_named_and_one_that_is_not_let_in_comes_first() -> None:
    behind = msgspec.structs.replace(sample.WEB1, agent_version="0.0.9", version_standing=Standing.BEHIND)
    (only,) = found(behind)
    assert (only.weight, only.text) == (Weight.WARNING, "its agent's version 0.0.9 is behind the core")
    too_old = msgspec.structs.replace(sample.DB1, version_standing=Standing.TOO_OLD)
    first, *_ = found(behind, too_old)
    assert (first.subject, first.weight) == ("db1", Weight.ERROR)
    assert "not let in" in first.text


def test_what_an_alert_says_is_not_said_twice() -> None:
    model = CoreModel()
    away = msgspec.structs.replace(sample.DB1, last_backup_state=JobState.SUCCESSFUL)
    model.servers = {away.id: away}
    model.vault = msgspec.structs.replace(sample.VAULT, damaged_packs=1, lost_snapshots=1)
    formats = Formats(FixedClock(), sample.CET)
    before = {each.key for each in what_needs_attention(model, formats)}
    assert before == {"vault-damage", "vault-lost", f"{away.id}-away"}
    damaged, _failed, gone, _over = ALERTS
    of_another = msgspec.structs.replace(gone, id="w9", server_id="s9")
    model.put_alerts([damaged, of_another], sample.NOW)
    found = what_needs_attention(model, formats)
    assert {each.key for each in found} == {"alert-w9", f"alert-{damaged.id}", "vault-lost", f"{away.id}-away"}
    assert (found[0].key, found[0].weight) == (f"alert-{damaged.id}", Weight.CRITICAL)
    model.put_alerts([damaged, gone], sample.NOW)
    found = what_needs_attention(model, formats)
    assert {each.key for each in found} == {f"alert-{gone.id}", f"alert-{damaged.id}", "vault-lost"}
    assert [each.text for each in found if each.key == f"alert-{gone.id}"] == [f"known: {gone.text}"]


def test_an_alert_of_a_stream_stands_for_nothing_that_is_said_of_the_files() -> None:
    model = CoreModel()
    failed = msgspec.structs.replace(
        sample.WEB1, last_backup_state=JobState.FAILED, last_backup_at=sample.ago(days=9), proof_due=False
    )
    of_files = {f"{failed.id}-failed", f"{failed.id}-old"}
    alerts = [
        msgspec.structs.replace(ALERTS[1], id=f"w{kind}", kind=kind, server_id=failed.id)
        for kind in (AlertKind.BACKUP_FAILED, AlertKind.NO_BACKUP)
    ]
    of_stream = [msgspec.structs.replace(alert, stream="orders") for alert in alerts]

    def keys(server: ServerView, alerts: list[AlertView]) -> set[str]:
        model.servers = {server.id: server}
        model.put_alerts(alerts, sample.NOW)
        found = what_needs_attention(model, Formats(FixedClock(), sample.CET))
        return {each.key for each in found} - {f"alert-{alert.id}" for alert in alerts}

    assert keys(failed, of_stream) == of_files
    assert keys(failed, alerts) == set()
    dumped = msgspec.structs.replace(failed, last_backup_stream="orders")
    assert keys(dumped, of_stream) == set()
    assert keys(dumped, alerts) == of_files


def test_an_agent_that_isn_t_let_in_is_named_once() -> None:
    too_old = msgspec.structs.replace(
        sample.DB1, version_standing=Standing.TOO_OLD, last_backup_state=JobState.SUCCESSFUL
    )
    assert [each.key for each in found(too_old)] == [f"{too_old.id}-version"]
