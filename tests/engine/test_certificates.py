"""How long a peer's certificate lasts is a setting, and a short one is no reason for an alarm."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agentlink import renewal
from phoenix_core.agentlink.peerstate import PeerState
from phoenix_core.domain.clock import SystemClock
from phoenix_core.domain.views import FindingView
from tests.engine.rig import Rig


async def days_left(rig: Rig) -> float:
    ends = (await rig.client.server("web1")).certificate_ends_at
    assert ends is not None
    return (ends - datetime.now(UTC)) / timedelta(days=1)


def pass_days(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    monkeypatch.setattr(SystemClock, "now", lambda clock: datetime.now(UTC) + timedelta(days=days))


async def finding(rig: Rig) -> FindingView:
    (found,) = [each for each in await rig.client.doctor() if each.subject == "server web1"]
    return found


async def test_the_setting_says_how_long_a_new_certificate_lasts(rig: Rig) -> None:
    await rig.client.set_setting("certificate.days", "30")
    await rig.agent("web1")
    assert await days_left(rig) == pytest.approx(30, abs=0.1)


async def test_a_renewed_certificate_lasts_as_long_as_the_setting_says_by_then(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await rig.agent("web1")
    assert await days_left(rig) == pytest.approx(90, abs=0.1)
    await agent.stop()
    await rig.client.set_setting("certificate.days", "7")

    loop, kept = asyncio.get_running_loop(), asyncio.Event()
    keep = PeerState.keep_renewed

    def keep_and_tell(state: PeerState, key: Ed25519PrivateKey, certificate_pem: str) -> None:
        keep(state, key, certificate_pem)
        loop.call_soon_threadsafe(kept.set)

    monkeypatch.setattr(PeerState, "keep_renewed", keep_and_tell)
    monkeypatch.setattr(renewal, "is_due", lambda certificate, now: True)
    await agent.start()
    await asyncio.wait_for(kept.wait(), 20)
    assert await days_left(rig) == pytest.approx(7, abs=0.1)
    state = await asyncio.to_thread(PeerState.load, agent.state_dir)
    certificate = await asyncio.to_thread(state.certificate)
    assert certificate.not_valid_after_utc == (await rig.client.server("web1")).certificate_ends_at


async def test_the_doctor_minds_what_should_have_been_renewed_and_no_more(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.client.set_setting("certificate.days", "3")
    await rig.agent("web1")
    assert (await finding(rig)).state == "ok"
    pass_days(monkeypatch, 2.4)
    assert (await finding(rig)).state == "ok"
    pass_days(monkeypatch, 2.6)
    found = await finding(rig)
    assert found.state == "warning"
    assert "certificate ends" in found.text
