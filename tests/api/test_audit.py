"""The audit log: who changed what."""

import os
import pwd
import re
from pathlib import Path

import pytest

import phoenix_core.api
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.policies import BackupPolicy
from phoenix_core.domain.requests import BackupRequest
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig

ME = pwd.getpwuid(os.geteuid()).pw_name


async def test_what_is_done_is_kept_with_who_did_it_and_survives_a_restart(rig: Rig, agent: FakeAgent) -> None:
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    await rig.ended(job.id)
    await rig.client.put_policy("nightly", BackupPolicy(name="nightly", schedule=("daily at 02:00",)))
    await rig.client.set_setting("warm_days", "30")
    await rig.client.policies()
    await rig.client.jobs()
    entries = await rig.client.audit()
    assert [(entry.who, entry.action, entry.subject, entry.outcome) for entry in entries] == [
        (ME, "setting set", "warm_days", "done"),
        (ME, "policy set", "nightly", "done"),
        (ME, "backup", "", "done"),
        (ME, "server token", "", "done"),
    ]
    assert '"daily at 02:00"' in entries[1].detail
    await rig.restart()
    assert await rig.client.audit() == entries


async def test_what_was_refused_is_kept_too(rig: Rig) -> None:
    with pytest.raises(RemoteError):
        await rig.client.set_setting("warm_days", "never")
    with pytest.raises(RemoteError):
        await rig.client.remove_policy("x")
    found = [(entry.action, entry.subject, entry.outcome) for entry in await rig.client.audit()]
    assert found == [("policy remove", "x", "not_found"), ("setting set", "warm_days", "bad_setting")]


async def test_it_is_read_in_pages(rig: Rig) -> None:
    for days in range(1, 8):
        await rig.client.set_setting("warm_days", str(days))
    whole = [entry.id for entry in await rig.client.audit()]
    assert len(whole) == 7
    first = await rig.client.audit(limit=3)
    second = await rig.client.audit(limit=3, before=first[-1].id)
    third = await rig.client.audit(limit=3, before=second[-1].id)
    assert [entry.id for entry in (*first, *second, *third)] == whole
    with pytest.raises(RemoteError, match="audit log"):
        await rig.client.audit(before="a0")


def test_every_request_that_changes_something_has_an_action() -> None:
    route = re.compile(r'web\.(?:post|put|delete)\(\s*"([^"]+)", self\.\w+(, name="[^"]+")?')
    found = [
        match
        for file in Path(phoenix_core.api.__path__[0]).glob("*.py")
        for match in route.findall(file.read_text("utf-8"))
    ]
    assert len(found) > 20
    assert {path for path, name in found if not name} == {"/v1/config/diff", "/v1/rule-tests"}  # questions with a body
