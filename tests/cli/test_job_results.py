"""What a finished job prints: what it did, in words that fit the numbers."""

from datetime import UTC, datetime
from typing import Any

import pytest

from phoenix_core.cli.jobresult import print_damages, print_result
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import DamageView, JobView
from tests.cli.commands import Commands

TAKEN = datetime(2026, 3, 1, 12, tzinfo=UTC).isoformat()


def printed(
    capsys: pytest.CaptureFixture[str],
    kind: JobKind,
    state: JobState = JobState.SUCCESSFUL,
    **result: float | str | bool,
) -> list[str]:
    """The lines behind the first."""
    job = JobView("j1", kind, state, "A job", server_name="web1", snapshot_id="3f2a9c0d1e2b" + "0" * 52, result=result)
    print_result(job, as_json=False)
    return capsys.readouterr().out.splitlines()[1:]


def test_a_restore_names_the_snapshot_and_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = printed(capsys, JobKind.FILE_RESTORE, files=1, directories=2, bytes=1, snapshot_at=TAKEN)
    assert first.startswith("From snapshot 3f2a9c0d1e2b of web1, taken 2026-03-01 ")
    assert second == "1 file, 2 folders, 1 Byte restored."


def test_a_restore_that_failed_names_its_snapshot_and_no_files(capsys: pytest.CaptureFixture[str]) -> None:
    (only,) = printed(capsys, JobKind.FILE_RESTORE, JobState.FAILED, snapshot_at=TAKEN)
    assert only.startswith("From snapshot 3f2a9c0d1e2b")


def test_a_check_of_a_restore_has_restored_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    *_, last = printed(
        capsys,
        JobKind.FILE_RESTORE,
        files=3,
        directories=1,
        bytes=1,
        needed_bytes=2**20,
        free_bytes=2**30,
        check_only=True,
        snapshot_at=TAKEN,
    )
    assert last == ("It can be restored: 3 files, 1 folder, 1 Byte; 1.0 MiB needed, 1.0 GiB free. Nothing was written.")


def test_what_a_restore_takes_away_is_told_below_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    numbers: dict[str, Any] = {"files": 1, "directories": 0, "bytes": 1, "removed_folders": 1, "removed_entries": 2}
    told = "1 folder with 2 entries is removed for a file of the same name: /r/f."
    for check_only in (True, False):
        *_, last = printed(capsys, JobKind.FILE_RESTORE, **numbers, removed=told, check_only=check_only)
        assert last == told


def test_one_of_a_kind_is_told_in_the_singular(capsys: pytest.CaptureFixture[str]) -> None:
    (verify,) = printed(capsys, JobKind.VERIFY, snapshots=1, files=1, packs=1, bytes_read=0)
    assert verify == "1 snapshot, 1 file, 1 pack looked at; 0 Bytes read."
    *_, deleted = printed(capsys, JobKind.PRUNE, packs=1, unused_packs=1, deleted_packs=1, deleted_bytes=5)
    assert deleted == "1 pack deleted, 5 Bytes freed."


def test_damage_is_told_with_what_it_hits(capsys: pytest.CaptureFixture[str]) -> None:
    print_damages([DamageView("Pack 1 is gone.", ("a", "b"), ("a:/x",), 1)])
    assert capsys.readouterr().out == "Pack 1 is gone. Hits 1 file in 2 snapshots:\n  a:/x\n"


def test_the_status_of_a_sound_vault_says_what_was_verified(vault: Commands) -> None:
    assert last_verify(vault) == "never of all snapshots"
    vault.run("vault", "verify", "--depth", "packs", code=0)
    assert last_verify(vault).endswith(", depth packs: no damage")


def last_verify(vault: Commands) -> str:
    facts = vault.run("vault", "status", code=0).out.splitlines()
    (line,) = [line for line in facts if line.startswith("Last verify ")]
    return line.removeprefix("Last verify").strip()
