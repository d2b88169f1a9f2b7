"""Agents that are behind their core are listed, with what to do."""

import pytest

from phoenix_core.agentlink import link
from phoenix_core.domain.versions import Standing
from phoenix_core.domain.views import FindingView
from phoenix_core.engine import doctor, vault_view
from tests.engine.rig import Rig


async def finding(rig: Rig, word: str) -> FindingView:
    (found,) = [each for each in await rig.client.doctor() if each.subject == "server web1" and word in each.text]
    return found


async def test_an_agent_behind_its_core_is_served_and_listed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "__version__", "0.0.9")
    await rig.agent()
    server = await rig.client.server("web1")
    assert (server.connected, server.agent_version, server.version_standing) == (True, "0.0.9", Standing.BEHIND)
    told = await finding(rig, "behind")
    assert told.state == "warning"
    assert "phoenix agent upgrade" in told.hint


async def test_one_that_is_too_old_is_an_error(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.agent()
    for module in (doctor, vault_view):
        monkeypatch.setattr(module, "__version__", "0.9.0")
    assert (await rig.client.server("web1")).version_standing is Standing.TOO_OLD
    told = await finding(rig, "too old")
    assert (told.state, "isn't let in" in told.text) == ("error", True)


async def test_doctor_says_whether_other_servers_can_be_installed_from_here(rig: Rig) -> None:
    (wheels,) = [each for each in await rig.client.doctor() if each.subject == "wheels"]
    assert (wheels.state, "phoenix core bundle" in wheels.hint) == ("ok", True)
    rig.data.bundle.mkdir()
    (rig.data.bundle / "bundle.json").write_text("{}")
    (wheels,) = [each for each in await rig.client.doctor() if each.subject == "wheels"]
    assert wheels.state == "warning"
