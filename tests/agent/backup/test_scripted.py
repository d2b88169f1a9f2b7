"""A backup between its scripts."""

import os
from pathlib import Path

import msgspec
import pytest

from phoenix_core.agent.backup import scripted, tokens
from phoenix_core.agent.backup.scripted import PreScriptFailed, ScriptedBackup
from phoenix_core.agent.linuxjobs import LinuxJobs
from phoenix_core.agentlink.messages import StorageAccess
from phoenix_core.agentlink.reports import BackupResult, LogReport
from phoenix_core.domain.errors import Cancelled
from phoenix_core.storage.connect import connect_job_node
from tests.agent.vault_rig import RigPorts, VaultRig

SAYS = 'echo "$PHOENIX_PHASE $PHOENIX_RESULT" >> {said}'


@pytest.fixture
def said(tmp_path: Path) -> Path:
    return tmp_path / "said"


@pytest.fixture
def scripts(tmp_path: Path, said: Path) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir(mode=0o755)
    for name, text in (("says", SAYS.format(said=said)), ("fails", "exit 3")):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return folder


def back_up(rig: VaultRig, source: Path, scripts: Path, **fields: object) -> tuple[BackupResult, RigPorts]:
    (source / "file").write_bytes(os.urandom(1000))
    order, ports = rig.backup_order(source)
    job = LinuxJobs(scripts.parent, scripts).make(msgspec.structs.replace(order, script_timeout_s=20, **fields), ports)
    assert isinstance(job, ScriptedBackup)
    result = job.run()
    job.after()
    return result, ports


def logged(ports: RigPorts) -> list[str]:
    return [report.text for report in ports.reports if isinstance(report, LogReport)]


def test_scripts_run_before_and_after(rig: VaultRig, source: Path, scripts: Path, said: Path) -> None:
    result, ports = back_up(rig, source, scripts, pre_script="says", post_script="says")
    assert said.read_text() == "pre \npost successful\n"
    assert result.snapshot_id
    assert result.problems == ()
    assert any("pre-backup script says ended well" in text for text in logged(ports))


@pytest.mark.parametrize("name", ["fails", "none"])
def test_without_its_pre_script_there_is_no_backup(rig: VaultRig, source: Path, scripts: Path, name: str) -> None:
    with pytest.raises(PreScriptFailed, match=name):
        back_up(rig, source, scripts, pre_script=name)


def test_one_that_is_not_needed_is_told(rig: VaultRig, source: Path, scripts: Path) -> None:
    result, ports = back_up(rig, source, scripts, pre_script="fails", pre_script_needed=False, post_script="none")
    assert result.snapshot_id
    (problem,) = result.problems
    assert "exit code 3" in problem
    assert any("none can't be run" in text for text in logged(ports))


def test_after_a_pre_script_that_failed_the_post_script_hears_of_it(
    rig: VaultRig, source: Path, scripts: Path, said: Path
) -> None:
    with pytest.raises(PreScriptFailed):
        back_up(rig, source, scripts, pre_script="fails", post_script="says")
    assert said.read_text() == "post failed\n"
    said.unlink()
    with pytest.raises(PreScriptFailed):
        back_up(rig, source, scripts, pre_script="none", post_script="says")
    assert not said.exists()


def test_the_lease_is_kept_alive_while_the_pre_script_runs(
    rig: VaultRig, source: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "RENEW_LEASE_S", 0.05)
    renewed: list[str] = []

    def counted(access: StorageAccess, tls: object = None) -> object:
        renewed.append(access.lease)
        return connect_job_node(access)

    monkeypatch.setattr(scripted, "connect_job_node", counted)
    (scripts / "slow").write_text("#!/bin/sh\nsleep 1\n")
    (scripts / "slow").chmod(0o755)
    result, _ = back_up(rig, source, scripts, pre_script="slow")
    assert result.snapshot_id
    assert len(renewed) > 2


def test_after_a_cancel_the_post_script_hears_of_it(rig: VaultRig, source: Path, scripts: Path, said: Path) -> None:
    order, ports = rig.backup_order(source)
    ports.cancelled.set()
    with pytest.raises(Cancelled):
        LinuxJobs(scripts.parent, scripts).make(
            msgspec.structs.replace(order, script_timeout_s=20, post_script="says"), ports
        ).run()
    assert said.read_text() == "post cancelled\n"


def test_a_trial_runs_no_script(rig: VaultRig, source: Path, scripts: Path, said: Path) -> None:
    back_up(rig, source, scripts, pre_script="says", dry_run=True)
    assert not said.exists()
