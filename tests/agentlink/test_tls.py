"""Who trusts whom: certificates of another CA, of a wrong role, out of their time; in asyncio and in plain sockets."""

import asyncio
import http.client
import pickle
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agentlink.ca import CertificateAuthority
from phoenix_core.agentlink.certificates import CORE, STORAGE, key_pem, make_request, peer_identity
from phoenix_core.agentlink.dial import http_session
from phoenix_core.agentlink.errors import (
    CertificateNeeded,
    CoreCertificateExpired,
    CoreUnreachable,
    LinkError,
    PeerCertificateRefused,
    UntrustedCore,
)
from phoenix_core.agentlink.tlserrors import explain
from phoenix_core.agentlink.tlsfiles import TlsFiles, client_context_pem
from phoenix_core.agentlink.tlsmemory import use_small_tls_buffers
from tests.agentlink.bench import ShiftedClock


@pytest.fixture
def ca(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.open(tmp_path / "pki")


def peer_files(ca: CertificateAuthority, folder: Path, role: str = "agent", days: float = 90) -> TlsFiles:
    """A peer's certificate of this authority."""
    folder.mkdir()
    key = Ed25519PrivateKey.generate()
    issued = ca.issue(make_request(key), role, "s1", days)
    files = TlsFiles(cert=folder / "cert.pem", key=folder / "key.pem", ca=folder / "ca.pem")
    files.key.write_bytes(key_pem(key))
    files.cert.write_text(issued.certificate_pem)
    files.ca.write_text(issued.ca_pem)
    return files


@asynccontextmanager
async def serving(context: ssl.SSLContext | None) -> AsyncIterator[str]:
    """An HTTP server that says who is asking."""

    async def who(request: web.Request) -> web.Response:
        assert request.transport is not None
        try:
            identity = peer_identity(request.transport)
        except CertificateNeeded:
            return web.Response(text="nobody")
        return web.Response(text=f"{identity.role} {identity.peer_id}")

    app = web.Application()
    app.router.add_get("/", who)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def ask(address: str, context: ssl.SSLContext) -> str:
    """What the server says; raises what the link would."""
    try:
        async with http_session(context, 10) as session, session.get(f"https://{address}/") as response:
            return await response.text()
    except (OSError, aiohttp.ClientError) as error:
        raise explain(error, address) from error


async def test_the_server_knows_its_peer_and_serves_one_without_a_certificate_too(
    ca: CertificateAuthority, tmp_path: Path
) -> None:
    agent = peer_files(ca, tmp_path / "agent")
    async with serving(ca.server_files().server_context()) as address:
        assert await ask(address, agent.client_context()) == "agent s1"
        assert await ask(address, client_context_pem(ca.ca_pem)) == "nobody"


async def test_a_server_of_another_authority_is_not_trusted(ca: CertificateAuthority, tmp_path: Path) -> None:
    agent = peer_files(ca, tmp_path / "agent")
    other = CertificateAuthority.open(tmp_path / "other")
    async with serving(other.server_files().server_context()) as address:
        with pytest.raises(UntrustedCore, match="another authority") as caught:
            await ask(address, agent.client_context())
    assert address in str(caught.value)


async def test_an_agents_certificate_does_not_make_a_core(ca: CertificateAuthority, tmp_path: Path) -> None:
    agent, impostor = peer_files(ca, tmp_path / "agent"), peer_files(ca, tmp_path / "impostor")
    async with serving(impostor.server_context()) as address:
        with pytest.raises(UntrustedCore):
            await ask(address, agent.client_context())


async def test_a_storage_node_passes_for_a_storage_node_but_not_for_a_core(
    ca: CertificateAuthority, tmp_path: Path
) -> None:
    agent, node = peer_files(ca, tmp_path / "agent"), peer_files(ca, tmp_path / "node", STORAGE)
    async with serving(node.server_context()) as address:
        assert await ask(address, agent.client_context()) == "agent s1"
        with pytest.raises(UntrustedCore, match="that of a storage, wanted is core"):
            await ask(address, agent.client_context((CORE,)))


async def test_an_expired_core_certificate_says_so(tmp_path: Path) -> None:
    ca = CertificateAuthority.open(tmp_path / "pki", ShiftedClock(-timedelta(days=400)))
    agent = peer_files(ca, tmp_path / "agent")
    async with serving(ca.server_files().server_context()) as address:
        with pytest.raises(CoreCertificateExpired, match="expired"):
            await ask(address, agent.client_context())


async def test_a_core_certificate_of_the_future_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    CertificateAuthority.open(folder)
    ca = CertificateAuthority.open(folder, ShiftedClock(timedelta(days=30)))
    async with serving(ca.server_files().server_context()) as address:
        with pytest.raises(CoreCertificateExpired, match="not yet valid"):
            await ask(address, client_context_pem(ca.ca_pem))


async def test_a_peers_expired_certificate_is_refused_in_words(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    old = CertificateAuthority.open(folder, ShiftedClock(-timedelta(days=91)))
    agent = peer_files(old, tmp_path / "agent")
    ca = CertificateAuthority.open(folder)
    async with serving(ca.server_files().server_context()) as address:
        with pytest.raises(PeerCertificateRefused, match="expired"):
            await ask(address, agent.client_context())


async def test_a_peer_of_another_authority_is_refused_in_words(ca: CertificateAuthority, tmp_path: Path) -> None:
    stranger = peer_files(CertificateAuthority.open(tmp_path / "other"), tmp_path / "stranger")
    mixed = TlsFiles(cert=stranger.cert, key=stranger.key, ca=tmp_path / "pki" / "ca.pem")
    async with serving(ca.server_files().server_context()) as address:
        with pytest.raises(PeerCertificateRefused):
            await ask(address, mixed.client_context())


async def test_a_server_without_tls_or_with_an_old_one_is_not_the_core(
    ca: CertificateAuthority, tmp_path: Path
) -> None:
    async with serving(None) as address:
        with pytest.raises(LinkError, match=r"not the core|TLS"):
            await ask(address, client_context_pem(ca.ca_pem))
    files = ca.server_files()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.load_cert_chain(files.cert, files.key)
    async with serving(old) as address:
        with pytest.raises(LinkError, match="TLS"):
            await ask(address, client_context_pem(ca.ca_pem))


async def test_an_old_client_is_not_served(ca: CertificateAuthority) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=ca.ca_pem)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(ca.server_files().server_context()) as address:
        with pytest.raises(CoreUnreachable, match="protocol version"):
            await ask(address, context)


async def test_nobody_there_is_told_apart(ca: CertificateAuthority) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(CoreUnreachable, match="refused"):
            await ask(address, client_context_pem(ca.ca_pem))


@contextmanager
def plain_tls_server(context: ssl.SSLContext) -> Iterator[int]:
    """A blocking server that answers one request on each connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(4096)
                    secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def test_the_role_is_checked_in_blocking_sockets_too(ca: CertificateAuthority, tmp_path: Path) -> None:
    agent, node = peer_files(ca, tmp_path / "agent"), peer_files(ca, tmp_path / "node", STORAGE)
    with plain_tls_server(node.server_context()) as port:
        good = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=agent.client_context())
        good.request("GET", "/")
        assert good.getresponse().read() == b"ok"
        good.close()
        wary = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=agent.client_context((CORE,)))
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            wary.request("GET", "/")
        wary.close()
    assert isinstance(explain(caught.value, f"127.0.0.1:{port}"), UntrustedCore)


def test_files_can_be_handed_to_a_worker_process(ca: CertificateAuthority, tmp_path: Path) -> None:
    files = peer_files(ca, tmp_path / "agent")
    assert pickle.loads(pickle.dumps(files)) == files


async def test_small_buffers_carry_long_bodies(ca: CertificateAuthority) -> None:
    before = asyncio.sslproto.SSLProtocol.max_size
    try:
        use_small_tls_buffers()
        app = web.Application(client_max_size=1 << 24)

        async def echo(request: web.Request) -> web.Response:
            return web.Response(body=await request.read())

        app.router.add_post("/", echo)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ca.server_files().server_context()).start()
        body = bytes(range(256)) * 16384
        url = f"https://127.0.0.1:{runner.addresses[0][1]}/"
        async with http_session(client_context_pem(ca.ca_pem), 30) as session, session.post(url, data=body) as answer:
            assert await answer.read() == body
        await runner.cleanup()
    finally:
        asyncio.sslproto.SSLProtocol.max_size = before
