"""Whether a host that is enrolled already still is: asked by its certificate, beside a link that stays up."""

from pathlib import Path

import pytest

from phoenix_core.agentlink.activation import encode
from phoenix_core.agentlink.dial import SELF_PATH, http_session
from phoenix_core.agentlink.errors import AlreadyEnrolled, CoreUnreachable
from phoenix_core.agentlink.standing import still_enrolled
from phoenix_core.agentlink.tlsfiles import client_context_pem
from tests.agentlink.bench import CoreBench, running_core, running_peer


def token_of(core: CoreBench) -> str:
    return encode(core.engine.make_token(core.url))


async def test_an_enrolment_that_is_good_is_found_and_its_link_stays(core: CoreBench, tmp_path: Path) -> None:
    assert await still_enrolled(token_of(core), tmp_path / "agent") is None
    made = await core.enrol(tmp_path / "agent")
    async with running_peer(tmp_path / "agent") as peer:
        await peer.agent.changes.until(lambda: peer.agent.welcomes)
        found = await still_enrolled(token_of(core), tmp_path / "agent")
        assert found is not None
        assert (found.peer_id, found.name) == (made.peer_id, made.name)
        assert peer.link.connected
        assert peer.agent.failures == []


async def test_one_that_the_core_removed_counts_as_none(core: CoreBench, tmp_path: Path) -> None:
    made = await core.enrol(tmp_path / "agent")
    core.engine.serials[made.peer_id].clear()
    assert await still_enrolled(token_of(core), tmp_path / "agent") is None


async def test_one_at_another_core_is_told_and_left_alone(core: CoreBench, tmp_path: Path) -> None:
    await core.enrol(tmp_path / "agent")
    async with running_core(tmp_path / "other") as other:
        with pytest.raises(AlreadyEnrolled):
            await still_enrolled(token_of(other), tmp_path / "agent")


async def test_a_core_that_is_away_is_told(core: CoreBench, tmp_path: Path) -> None:
    await core.enrol(tmp_path / "agent")
    token = token_of(core)
    await core.stop()
    try:
        with pytest.raises(CoreUnreachable):
            await still_enrolled(token, tmp_path / "agent")
    finally:
        await core.start()


async def test_nobody_without_a_certificate_is_answered(core: CoreBench) -> None:
    context = client_context_pem(core.ca.ca_pem)
    async with http_session(context) as session, session.get(core.url + SELF_PATH) as response:
        assert response.status == 401
