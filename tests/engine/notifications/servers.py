"""The other ends of notifications: a real mail server and a real web server, on this machine."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

WAIT_S = 15.0


@dataclass
class Mailbox:
    """A mail server's behaviour, and what it took."""

    port: int = 0
    taken: "asyncio.Queue[EmailMessage]" = field(default_factory=asyncio.Queue)
    envelopes: list[Envelope] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    """What it says to the next mails instead of taking them."""
    refused: dict[str, str] = field(default_factory=dict)
    """Recipients that it doesn't take, with what it says."""
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    takes_login: bool = True
    refusal: str = "535 5.7.8 Authentication credentials invalid"
    quits: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared, it says nothing to who takes leave."""

    def __post_init__(self) -> None:
        self.quits.set()

    async def handle_RCPT(  # noqa: N802 (the library's name for it)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        message = BytesParser(policy=default).parsebytes(envelope.content)
        assert isinstance(message, EmailMessage)
        self.envelopes.append(envelope)
        self.taken.put_nowait(message)
        return f"250 OK queued as {4710 + len(self.envelopes)}"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await self.quits.wait()
        return "221 Bye"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        if self.takes_login:
            return AuthResult(success=True)
        return AuthResult(success=False, handled=False, message=self.refusal)

    async def next(self) -> EmailMessage:
        return await asyncio.wait_for(self.taken.get(), WAIT_S)


@asynccontextmanager
async def mail_server(
    certificate: "Certificate | None" = None, *, tls: bool = False, starttls: bool = True, logs_in: bool = False
) -> AsyncIterator[Mailbox]:
    """Serves on 127.0.0.1. With a certificate: TLS from the start, or STARTTLS."""
    box = Mailbox()
    context = certificate.context() if certificate else None

    def protocol() -> SMTP:
        return SMTP(
            box,
            hostname="mail.example.org",
            tls_context=context if starttls and not tls else None,
            authenticator=box.authenticate if logs_in else None,
            auth_require_tls=False,
        )

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=context if tls else None)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """Takes connections, and says nothing."""
    ended = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        ended.set()
        server.close()


@dataclass
class Called:
    headers: dict[str, str]
    body: bytes
    path: str


@asynccontextmanager
async def web_server(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], certificate: "Certificate | None" = None
) -> AsyncIterator[tuple[str, list[Called]]]:
    """Its URL, and the calls that came. Serves every path."""
    calls: list[Called] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        calls.append(Called(dict(request.headers), await request.read(), request.path_qs))
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    context = certificate.context() if certificate else None
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{runner.addresses[0][1]}", calls
    finally:
        await runner.cleanup()


class Certificate:
    """A server's, which signed itself; for 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.file = folder / "server.pem"
        self._key = folder / "server.key"
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        private = serialization.PrivateFormat.PKCS8
        self._key.write_bytes(key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()))

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.file, self._key)
        return context
