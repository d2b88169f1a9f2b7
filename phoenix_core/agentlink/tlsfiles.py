"""A TLS identity as files, and the contexts made of it: TLS 1.3 only, one trust root, roles checked in the handshake.

Host names are not checked, on purpose: peers reach the core by addresses that no certificate can list beforehand
(a new IP address, a name behind NAT, a tunnel). What makes a server ours is a certificate of our own CA, which signs
nothing else, and the role `core` (or `storage`) in it, which no agent is ever given. So `check_hostname` is off, and in
its place the contexts below refuse, inside the handshake, any certificate of another role.
"""

import ssl
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509

from phoenix_core.agentlink.certificates import CORE, STORAGE, identity_of_der
from phoenix_core.agentlink.errors import CertificateMalformed

NEXT_SUFFIX = ".next"
"""A renewed key or certificate waits under its name with this suffix until both are on disk (see `peerstate`)."""


@dataclass(frozen=True)
class TlsFiles:
    """Paths of a certificate, its key and the CA's certificate (PEM). Can be pickled: worker processes get it."""

    cert: Path
    key: Path
    ca: Path

    def client_context(self, server_roles: Collection[str] = (CORE, STORAGE)) -> ssl.SSLContext:
        """For dialling a server of our CA that has one of the roles. Reads the files: not on an event loop.

        The handshake raises `ssl.SSLCertVerificationError` otherwise; `tlserrors.explain` turns that into words.
        Raises CertificateMalformed."""
        context = client_context_pem(_read_ca(self.ca), server_roles)
        _load_identity(context, self)
        return context

    def server_context(self) -> ssl.SSLContext:
        """For a port that also serves clients without a certificate (enrolment, log-in): each route asks for one by
        `certificates.peer_identity`. One that is presented must be of our CA. Reads the files: not on an event loop.

        Raises CertificateMalformed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=_read_ca(self.ca))
        context.sslobject_class = _AlertSendingObject
        context.num_tickets = 0  # each connection shows its certificate anew, so that a revoked one can't resume
        _load_identity(context, self)
        return context


def client_context_pem(ca_pem: str, server_roles: Collection[str] = (CORE,)) -> ssl.SSLContext:
    """As `TlsFiles.client_context`, without a certificate of one's own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # see the module's text
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=ca_pem)
    context.sslobject_class, context.sslsocket_class = _role_checking(frozenset(server_roles))
    return context


class WrongRole(ssl.SSLCertVerificationError):
    """The server's certificate is of our CA, but not that of a server."""


def _role_checking(roles: frozenset[str]) -> tuple[type[ssl.SSLObject], type[ssl.SSLSocket]]:
    class RoleCheckedObject(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            _check_role(self.getpeercert(binary_form=True), roles)

    class RoleCheckedSocket(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:
            super().do_handshake(block)
            _check_role(self.getpeercert(binary_form=True), roles)

    return RoleCheckedObject, RoleCheckedSocket


class _AlertSendingObject(ssl.SSLObject):
    """Tells a client why its certificate is refused.

    asyncio drops the alert that OpenSSL has written when a handshake fails, and the client sees no more than a lost
    connection. Here the failure first passes for a wish to read on, upon which asyncio sends what is written; it comes
    up with the next bytes, or the client, having read the alert, closes."""

    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._failure = error
            raise ssl.SSLWantReadError from error


def _check_role(der: bytes | None, roles: frozenset[str]) -> None:
    try:
        role = identity_of_der(der or b"").role
    except CertificateMalformed as error:
        raise WrongRole(1, f"its certificate names no role: {error}") from error
    if role not in roles:
        raise WrongRole(1, f"its certificate is that of a {role}, wanted is {' or '.join(sorted(roles))}")


def _load_identity(context: ssl.SSLContext, files: TlsFiles) -> None:
    """Load certificate and key, also in the moment between a renewal's two renames, when the key is new already."""
    renewed = files.cert.with_name(files.cert.name + NEXT_SUFFIX)
    attempts: list[Any] = [files.cert, renewed, files.cert]
    for certificate in attempts:
        try:
            context.load_cert_chain(certificate, files.key)
        except OSError as error:  # ssl.SSLError is one
            last = error
        else:
            return
    raise CertificateMalformed(name=files.cert, detail=str(last)) from last


def _read_ca(path: Path) -> str:
    try:
        pem = path.read_text("ascii")
        x509.load_pem_x509_certificate(pem.encode("ascii"))
    except (OSError, ValueError) as error:
        raise CertificateMalformed(name=path, detail=str(error)) from error
    return pem
