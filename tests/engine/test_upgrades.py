"""Upgrades ordered at the core: only where the server's administrator allows it, and no code goes along."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from phoenix_core import __version__
from phoenix_core.agentlink import features, link
from phoenix_core.agentlink.upgradeorder import UpgradeOrder, UpgradeOutcome
from phoenix_core.domain.errors import ErrorView, RemoteError
from phoenix_core.domain.views import ServerView
from phoenix_core.rollout.bundle import BundleShelf
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig
from tests.rollout.standin import bundle_of, phoenix


@pytest.fixture
async def behind(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeAgent:
    """An agent of the version before, at a core that has wheels."""
    await asyncio.to_thread(give_wheels, rig, tmp_path)
    monkeypatch.setattr(link, "__version__", "0.0.9")
    return await rig.agent()


def give_wheels(rig: Rig, folder: Path) -> None:
    wheel = phoenix(folder, __version__)
    BundleShelf(rig.data.bundle).put(bundle_of(__version__, [wheel]), [wheel])


async def refused(rig: Rig, name: str = "web1") -> ErrorView:
    with pytest.raises(RemoteError) as error:
        await rig.client.upgrade_server(name)
    return error.value.view()


async def allow(rig: Rig, agent: FakeAgent) -> None:
    """Its administrator does, and it starts again."""
    agent.can = (*features.ALL, features.UPGRADES)
    await agent.stop()
    await rig.until(lambda: _away(rig))
    await agent.start()
    await rig.until(lambda: _connected(rig))


async def _connected(rig: Rig) -> bool:
    return (await rig.client.server("web1")).connected


async def test_an_agent_whose_administrator_did_not_allow_it_gets_no_order(rig: Rig, behind: FakeAgent) -> None:
    error = await refused(rig)
    assert error.code == "upgrade_not_allowed"
    assert "phoenix agent upgrade" in error.hint
    assert "--allow-upgrade" in error.hint
    assert behind.upgrades == []


async def test_one_that_allows_it_is_ordered_without_any_code_and_says_what_came_of_it(
    rig: Rig, behind: FakeAgent
) -> None:
    await allow(rig, behind)
    server = await rig.client.upgrade_server("web1")
    assert server.upgrade.startswith("upgrade ordered ")
    await rig.until(lambda: behind.upgrades)
    (order,) = behind.upgrades
    assert {field.name for field in msgspec.structs.fields(UpgradeOrder)} == {"who"}
    assert order.who

    await tell(behind, UpgradeOutcome(number=0, error=ErrorView("no_space", "/opt is full.", "Free some.")))
    assert (await shown(rig)).upgrade == "upgrade failed: /opt is full."
    await tell(behind, UpgradeOutcome(number=0, version=__version__))
    assert "restarts with it between two jobs" in (await shown(rig)).upgrade


async def tell(agent: FakeAgent, outcome: UpgradeOutcome) -> None:
    await asyncio.to_thread(agent.link.request_blocking, outcome)


async def shown(rig: Rig) -> ServerView:
    return await rig.client.server("web1")


async def test_once_it_is_back_with_the_new_version_nothing_is_left_to_say(
    rig: Rig, behind: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await allow(rig, behind)
    await rig.client.upgrade_server("web1")
    monkeypatch.setattr(link, "__version__", __version__)
    await allow(rig, behind)
    assert (await shown(rig)).upgrade == ""
    assert (await refused(rig)).code == "conflict"


async def test_what_can_not_be_ordered_is_refused_with_the_reason(rig: Rig, behind: FakeAgent) -> None:
    assert (await refused(rig, "nobody")).code == "not_found"
    await behind.stop()
    await rig.until(lambda: _away(rig))
    assert (await refused(rig)).code == "peer_away"
    await asyncio.to_thread(BundleShelf(rig.data.bundle).remove)
    assert (await refused(rig)).code == "bundle_missing"


async def _away(rig: Rig) -> bool:
    return not (await rig.client.server("web1")).connected


async def test_what_an_agent_says_of_it_is_one_line_that_ends(rig: Rig, behind: FakeAgent) -> None:
    long = "x\n\x1b[2J" * 1000
    for outcome in (UpgradeOutcome(number=0, version=long), UpgradeOutcome(number=0, error=ErrorView("x", long, ""))):
        await tell(behind, outcome)
        told = (await shown(rig)).upgrade
        assert told.isprintable()
        assert len(told) < 400
