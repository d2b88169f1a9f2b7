"""Certificates are renewed over the link, and a crash at any moment leaves a pair that fits."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agentlink.ca import CertificateAuthority, IssuedCertificate
from phoenix_core.agentlink.certificates import belongs, load_certificate, make_request
from phoenix_core.agentlink.errors import (
    CertificateMalformed,
)
from phoenix_core.agentlink.peerstate import PeerFile, PeerState, write_identity
from phoenix_core.agentlink.questions import Questions
from phoenix_core.agentlink.renewal import Renewal
from tests.agentlink.bench import (
    CoreBench,
    ShiftedClock,
    connected_again,
    report,
    running_core,
    running_peer,
)


async def test_a_certificate_near_its_end_is_renewed_over_the_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, kept = asyncio.get_running_loop(), asyncio.Event()
    keep = PeerState.keep_renewed

    def keep_and_tell(state: PeerState, key: Ed25519PrivateKey, certificate_pem: str) -> None:
        keep(state, key, certificate_pem)
        loop.call_soon_threadsafe(kept.set)

    monkeypatch.setattr(PeerState, "keep_renewed", keep_and_tell)
    clock = ShiftedClock(-timedelta(days=70))
    async with running_core(tmp_path / "pki", ca_clock=clock) as core:
        await core.enrol(tmp_path / "agent")
        clock.shift = timedelta(0)
        state = await asyncio.to_thread(PeerState.load, tmp_path / "agent")
        before = await asyncio.to_thread(load_certificate, state.tls.cert)
        async with running_peer(tmp_path / "agent") as peer:
            await core.engine.changes.until(lambda: len(core.engine.certificates) == 2)
            await asyncio.wait_for(kept.wait(), 10)
            assert await asyncio.to_thread(load_certificate, state.tls.cert) != before
            assert peer.agent.failures == []  # no reconnect was needed
            core.engine.serials["s1"] = {core.engine.certificates[1].serial}  # the old one ends
            await report(peer, 1)
            assert await peer.link.flush(10)
            await core.stop()
            await core.start()
            await connected_again(peer, 2)
        await asyncio.to_thread(state.tls.client_context)
        assert len(core.engine.certificates) == 2


async def test_a_new_certificate_lasts_as_long_as_is_set_when_it_is_issued(tmp_path: Path) -> None:
    clock = ShiftedClock(-timedelta(days=25))
    async with running_core(tmp_path / "pki", ca_clock=clock) as core:
        core.certificate_days = 30
        await core.enrol(tmp_path / "agent")
        clock.shift = timedelta(0)
        core.certificate_days = 200
        async with running_peer(tmp_path / "agent"):
            await core.engine.changes.until(lambda: len(core.engine.certificates) == 2)
    assert [each.ends_at - each.issued_at for each in map(_whole_days, core.engine.certificates)] == [
        timedelta(days=30),
        timedelta(days=200),
    ]


def _whole_days(certificate: IssuedCertificate) -> IssuedCertificate:
    """X.509 knows no fractions of a second."""
    return msgspec.structs.replace(certificate, issued_at=certificate.issued_at.replace(microsecond=0))


async def test_a_certificate_of_another_authority_is_not_taken_over(core: CoreBench, tmp_path: Path) -> None:
    await core.enrol(tmp_path / "agent")
    state = await asyncio.to_thread(PeerState.load, tmp_path / "agent")
    before = await asyncio.to_thread(state.tls.cert.read_bytes)

    other = await asyncio.to_thread(CertificateAuthority.open, tmp_path / "other")
    key = Ed25519PrivateKey.generate()
    renewal = Renewal(state, ShiftedClock(), Questions())
    for issued in (
        other.issue(make_request(key), "agent", "s1"),
        core.ca.issue(make_request(Ed25519PrivateKey.generate()), "agent", "s1"),
    ):
        with pytest.raises(CertificateMalformed):
            await asyncio.to_thread(renewal._keep, key, issued.certificate_pem)
    assert await asyncio.to_thread(state.tls.cert.read_bytes) == before


@pytest.mark.parametrize("crash_after", range(6))
def test_a_renewal_that_is_cut_off_anywhere_leaves_a_pair_that_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash_after: int
) -> None:
    """Each step that changes the disk is a moment at which the power may go."""
    ca = CertificateAuthority.open(tmp_path / "pki")
    key = Ed25519PrivateKey.generate()
    issued = ca.issue(make_request(key), "agent", "s1")
    folder = tmp_path / "agent"
    peer = PeerFile(peer_id="s1", name="web1", role="agent", urls=("https://127.0.0.1:1",))
    write_identity(folder, key, issued.certificate_pem, issued.ca_pem, peer)
    renewed_key = Ed25519PrivateKey.generate()
    renewed = ca.issue(make_request(renewed_key), "agent", "s1")
    steps = 0

    def count_down(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps > crash_after:
            raise PowerCut

    replace, unlink = Path.replace, Path.unlink

    def counted_replace(path: Path, target: Path) -> Path:
        count_down()
        return replace(path, target)

    def counted_unlink(path: Path, missing_ok: bool = False) -> None:
        if path.name.endswith(".next"):
            count_down()
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", counted_replace)
        patch.setattr(Path, "unlink", counted_unlink)
        with suppress(PowerCut):
            PeerState.load(folder).keep_renewed(renewed_key, renewed.certificate_pem)
    PeerState.load(folder).tls.client_context()  # in the state as the crash left it: other processes may be reading
    state = PeerState.load(folder)
    state.finish_renewal()
    state.tls.client_context()
    assert belongs(state.signing_key(), state.certificate())
    assert not list(folder.glob("*.next"))
    if crash_after >= 2:  # key and certificate were both on disk
        assert belongs(renewed_key, state.certificate())
    else:
        assert belongs(key, state.certificate())


class PowerCut(BaseException):
    """Passes every handler of errors."""
