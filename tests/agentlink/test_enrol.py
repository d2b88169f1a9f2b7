"""Enrolment over real TLS: whom a host trusts, what a token is good for, and what stays in the state folder."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agentlink import activation, enrolment
from phoenix_core.agentlink.activation import ActivationToken
from phoenix_core.agentlink.ca import CertificateAuthority
from phoenix_core.agentlink.certificates import identity_of, load_certificate, make_request
from phoenix_core.agentlink.dial import ENROL_PATH, http_session
from phoenix_core.agentlink.enrol import EnrolRequest, enrol
from phoenix_core.agentlink.errors import (
    AlreadyEnrolled,
    CoreUnreachable,
    LinkError,
    NotEnrolled,
    StateUnwritable,
    TokenExpired,
    TokenForged,
    TokenForOtherRole,
    TokenMalformed,
    TokenOfOtherVersion,
    TokenUsed,
    UntrustedCore,
)
from phoenix_core.agentlink.outbox import Outbox
from phoenix_core.agentlink.peerstate import PeerState
from phoenix_core.agentlink.reports import LogReport
from phoenix_core.agentlink.tlsfiles import client_context_pem
from phoenix_core.domain.errors import ErrorView
from tests.agentlink.bench import CoreBench, ShiftedClock
from tests.host.unprivileged import unprivileged


async def enrol_here(token: ActivationToken | str, folder: Path, *, again: bool = False, role: str = "agent") -> str:
    """The peer's id."""
    done = await enrol(token, folder, role, hostname="web1", platform="Linux", machine_id="0" * 32, again=again)
    return done.peer_id


async def test_a_token_makes_a_host_a_peer(core: CoreBench, tmp_path: Path) -> None:
    token = core.engine.make_token(core.url, name="web server")
    done = await enrol(
        activation.encode(token), tmp_path / "a" / "state", "agent", hostname="web1", platform="Linux", machine_id="m"
    )
    assert (done.peer_id, done.name, done.role, done.urls) == ("s1", "web server", "agent", (core.url,))
    state = await asyncio.to_thread(PeerState.load, tmp_path / "a" / "state")
    assert state.peer.name == "web server"
    identity = identity_of(await asyncio.to_thread(load_certificate, state.tls.cert))
    assert (identity.role, identity.peer_id) == ("agent", "s1")
    assert core.engine.is_allowed("s1", identity.serial)
    assert json.loads((state.folder / "peer.json").read_text())["peer_id"] == "s1"


async def test_the_state_folder_is_the_owners_alone(core: CoreBench, tmp_path: Path) -> None:
    await enrol_here(core.engine.make_token(core.url), tmp_path / "state")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    for name in ("key.pem", "cert.pem", "ca.pem", "peer.json"):
        assert stat.S_IMODE((tmp_path / "state" / name).stat().st_mode) == 0o600


async def test_an_expired_token_enrols_nobody(core: CoreBench, tmp_path: Path) -> None:
    token = core.engine.make_token(core.url, valid=-timedelta(seconds=1))
    with pytest.raises(TokenExpired, match="expired on"):
        await enrol_here(token, tmp_path / "state")
    with pytest.raises(NotEnrolled):
        PeerState.load(tmp_path / "state")


async def test_a_token_works_once(core: CoreBench, tmp_path: Path) -> None:
    token = core.engine.make_token(core.url)
    await enrol_here(token, tmp_path / "first")
    with pytest.raises(TokenUsed):
        await enrol_here(token, tmp_path / "second")


async def test_of_two_hosts_with_one_token_one_wins(core: CoreBench, tmp_path: Path) -> None:
    token = core.engine.make_token(core.url)
    results = await asyncio.gather(
        enrol_here(token, tmp_path / "first"), enrol_here(token, tmp_path / "second"), return_exceptions=True
    )
    assert [type(result) for result in results if not isinstance(result, str)] == [TokenUsed]


async def test_a_forged_token_enrols_nobody(core: CoreBench, tmp_path: Path) -> None:
    forged = activation.new_token([core.url], core.ca.fingerprint)
    with pytest.raises(TokenForged):
        await enrol_here(forged, tmp_path / "state")


async def test_a_token_of_another_role_is_not_used_up(core: CoreBench, tmp_path: Path) -> None:
    token = core.engine.make_token(core.url, role="storage")
    with pytest.raises(TokenForOtherRole):
        await enrol_here(token, tmp_path / "state")
    assert await enrol_here(token, tmp_path / "state", role="storage")


@pytest.mark.parametrize(("text", "error"), [("phx1.hello", TokenMalformed), ("phx9.aaaa", TokenOfOtherVersion)])
async def test_a_token_that_is_none_is_told_before_anything_happens(
    tmp_path: Path, text: str, error: type[LinkError]
) -> None:
    with pytest.raises(error):
        await enrol_here(text, tmp_path / "state")
    assert not (tmp_path / "state").exists()


@asynccontextmanager
async def impostor(folder: Path, shown_ca: str) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server with another authority that notes what is sent to it."""
    heard: list[bytes] = []
    ca = await asyncio.to_thread(CertificateAuthority.open, folder)

    async def get_ca(_request: web.Request) -> web.Response:
        return web.Response(text=shown_ca or ca.ca_pem)

    async def post(request: web.Request) -> web.Response:
        heard.append(await request.read())
        return web.Response(status=500)

    app = web.Application()
    app.router.add_get("/link/v1/ca", get_ca)
    app.router.add_post(ENROL_PATH, post)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    context = await asyncio.to_thread(lambda: ca.server_files().server_context())
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}", heard
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("shows_the_right_ca", [False, True])
async def test_an_impostor_never_hears_the_secret(core: CoreBench, tmp_path: Path, shows_the_right_ca: bool) -> None:
    shown_ca = core.ca.ca_pem if shows_the_right_ca else ""
    async with impostor(tmp_path / "impostor", shown_ca) as (url, heard):
        token = core.engine.make_token(url)
        with pytest.raises(UntrustedCore):
            await enrol_here(token, tmp_path / "state")
        assert heard == []
    assert core.engine.used == {}


async def test_a_server_that_shows_no_authority_is_not_trusted(core: CoreBench, tmp_path: Path) -> None:
    async with impostor(tmp_path / "impostor", "hello") as (url, heard):
        with pytest.raises(UntrustedCore, match="no certificate authority"):
            await enrol_here(core.engine.make_token(url), tmp_path / "state")
        assert heard == []


async def test_addresses_are_tried_in_turn_and_the_good_one_kept_first(core: CoreBench, tmp_path: Path) -> None:
    made = core.engine.make_token(core.url)
    token = ActivationToken(("https://127.0.0.1:1", core.url), made.ca_fingerprint, made.secret)
    done = await enrol(token, tmp_path / "state", "agent", hostname="web1", platform="Linux")
    assert done.urls == (core.url, "https://127.0.0.1:1")


async def test_no_core_at_any_address_says_so(core: CoreBench, tmp_path: Path) -> None:
    token = activation.new_token(["https://127.0.0.1:1", "nonsense"], core.ca.fingerprint)
    with pytest.raises(CoreUnreachable, match=r"127\.0\.0\.1:1"):
        await enrol_here(token, tmp_path / "state")


def leave_a_report(path: Path) -> None:
    outbox = Outbox(path, ShiftedClock())
    outbox.append("j1", LogReport(level="info", text="of the old identity"))
    outbox.close()


async def test_an_enrolled_folder_is_not_overwritten_by_chance(core: CoreBench, tmp_path: Path) -> None:
    await enrol_here(core.engine.make_token(core.url), tmp_path / "state")
    before = (tmp_path / "state" / "key.pem").read_bytes()
    token = core.engine.make_token(core.url)
    with pytest.raises(AlreadyEnrolled, match="as web1"):
        await enrol_here(token, tmp_path / "state")
    assert (tmp_path / "state" / "key.pem").read_bytes() == before
    await asyncio.to_thread(leave_a_report, tmp_path / "state" / "outbox.sqlite")
    assert await enrol_here(token, tmp_path / "state", again=True) == "s2"
    assert (tmp_path / "state" / "key.pem").read_bytes() != before
    assert not (tmp_path / "state" / "outbox.sqlite").exists()


async def test_a_refused_second_enrolment_leaves_the_first_identity(core: CoreBench, tmp_path: Path) -> None:
    await enrol_here(core.engine.make_token(core.url), tmp_path / "state")
    with pytest.raises(TokenForged):
        await enrol_here(activation.new_token([core.url], core.ca.fingerprint), tmp_path / "state", again=True)
    state = await asyncio.to_thread(PeerState.load, tmp_path / "state")
    assert state.peer.peer_id == "s1"
    await asyncio.to_thread(state.tls.client_context)


async def test_a_place_that_is_no_folder_is_told_before_the_token_is_used(core: CoreBench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((StateUnwritable, NotEnrolled)):
        await enrol_here(core.engine.make_token(core.url), tmp_path / "file" / "state")
    assert core.engine.used == {}


async def test_a_folder_without_permission_is_told_before_the_token_is_used(core: CoreBench, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with unprivileged(), pytest.raises((StateUnwritable, NotEnrolled), match="Permission denied"):
        await enrol_here(core.engine.make_token(core.url), tmp_path / "locked" / "state")
    assert core.engine.used == {}


# --- what the core answers to requests that no peer of ours makes ----------------------------------------------------


async def post(core: CoreBench, body: bytes) -> tuple[int, ErrorView]:
    context = client_context_pem(core.ca.ca_pem)
    async with http_session(context, 10) as session, session.post(core.url + ENROL_PATH, data=body) as answer:
        return answer.status, msgspec.json.decode(await answer.read(), type=ErrorView)


def request(core: CoreBench, **changes: object) -> bytes:
    fields: dict[str, object] = {
        "protocol": 1,
        "secret": core.engine.make_token(core.url).secret,
        "role": "agent",
        "hostname": "web1",
        "platform": "Linux",
        "version": "0.1.0",
        "csr_pem": make_request(Ed25519PrivateKey.generate()),
    }
    return msgspec.json.encode({**fields, **changes})


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'"\x80"', b"[" * 5000])
async def test_garbled_requests_are_refused_in_words(core: CoreBench, body: bytes) -> None:
    status, view = await post(core, body)
    assert (status, view.code) == (400, "enrolment_refused")


async def test_a_request_too_long_is_cut_off(core: CoreBench) -> None:
    try:
        status, view = await post(core, b" " * (1 << 20))
    except aiohttp.ClientError:
        return  # the server hung up while we were still talking
    assert (status, view.code) == (400, "enrolment_refused")


async def test_a_peer_of_another_protocol_version_is_told_both(core: CoreBench) -> None:
    status, view = await post(core, request(core, protocol=2))
    assert (status, view.code, view.fields) == (400, "protocol_mismatch", {"found": 2, "known": 1})


async def test_a_role_that_nobody_may_have_is_refused(core: CoreBench) -> None:
    status, view = await post(core, request(core, role="core"))
    assert (status, view.code) == (400, "enrolment_refused")
    assert core.engine.used == {}


async def test_a_bad_certificate_request_does_not_use_the_token_up(core: CoreBench) -> None:
    status, view = await post(core, request(core, csr_pem="hello"))
    assert (status, view.code) == (400, "certificate_request")
    assert core.engine.used == {}


async def test_a_request_that_trickles_is_given_up(core: CoreBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolment, "READ_TIMEOUT_S", 0.05)
    endless = asyncio.Event()

    async def trickle() -> AsyncIterator[bytes]:
        yield b"{"
        await endless.wait()
        yield b"}"

    context = client_context_pem(core.ca.ca_pem)
    async with http_session(context, 10) as session, session.post(core.url + ENROL_PATH, data=trickle()) as answer:
        assert answer.status == 400
        assert "did not arrive" in await answer.text()
        endless.set()


def test_secrets_are_not_shown_by_chance() -> None:
    shown = repr(
        EnrolRequest(protocol=1, secret=b"hush", role="agent", hostname="h", platform="p", version="v", csr_pem="c")
    )
    assert "hush" not in shown
