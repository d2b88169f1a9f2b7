"""What a certificate of this system says: the role and the peer's id, as a URI name that TLS has verified.

The core's own carries `phoenix:core`; a peer's `phoenix:<role>:<peer id>`. The subject repeats both for people.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from phoenix_core.agentlink.errors import CertificateMalformed, CertificateNeeded

SCHEME = "phoenix"
CORE = "core"
AGENT = "agent"
STORAGE = "storage"
PEER_ROLES = (AGENT, STORAGE)
ORGANISATION = "Phoenix"


class PeerIdentity(msgspec.Struct, frozen=True):
    """Who a verified certificate says that a connection's other end is."""

    role: str
    peer_id: str
    """Empty for the core."""
    serial: str
    """Lower-case hex."""
    ends_at: datetime


class WithExtraInfo(Protocol):
    """An asyncio transport, or an aiohttp request: something that knows its TLS object."""

    def get_extra_info(self, name: str, default: object = None) -> object: ...


def uri_name(role: str, peer_id: str = "") -> str:
    return f"{SCHEME}:{role}:{peer_id}" if peer_id else f"{SCHEME}:{role}"


def subject(role: str, peer_id: str = "") -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role),
            x509.NameAttribute(NameOID.COMMON_NAME, peer_id or f"Phoenix {role}"),
        ]
    )


def serial_text(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:x}"


def identity_of(certificate: x509.Certificate) -> PeerIdentity:
    """Raises CertificateMalformed where it names no role."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError) as error:
        raise CertificateMalformed(name=certificate.subject.rfc4514_string(), detail="it names no role") from error
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        parts = uri.split(":")
        if parts[0] == SCHEME and len(parts) in {2, 3}:
            return PeerIdentity(
                role=parts[1],
                peer_id=parts[2] if len(parts) == 3 else "",
                serial=serial_text(certificate),
                ends_at=certificate.not_valid_after_utc,
            )
    raise CertificateMalformed(name=certificate.subject.rfc4514_string(), detail="it names no role")


def identity_of_der(der: bytes) -> PeerIdentity:
    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise CertificateMalformed(name="presented", detail=str(error)) from error
    return identity_of(certificate)


def peer_identity(connection: WithExtraInfo) -> PeerIdentity:
    """Who is at the other end of a TLS connection, by the certificate that TLS verified against this core's CA.

    Raises CertificateNeeded where none was presented, CertificateMalformed."""
    tls = connection.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls is not None else None  # type: ignore[attr-defined]
    if not der:
        raise CertificateNeeded()
    return identity_of_der(der)


def load_certificate(path: Path) -> x509.Certificate:
    """Raises CertificateMalformed, OSError."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise CertificateMalformed(name=str(path), detail=str(error)) from error


def load_key(path: Path) -> Ed25519PrivateKey:
    """Raises CertificateMalformed, OSError."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise CertificateMalformed(name=str(path), detail="the key can't be read") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise CertificateMalformed(name=str(path), detail="the key is not Ed25519")
    return key


def key_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def raw_public_key(key: Ed25519PublicKey) -> bytes:
    """32 bytes."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def belongs(key: Ed25519PrivateKey, certificate: x509.Certificate) -> bool:
    public = certificate.public_key()
    return isinstance(public, Ed25519PublicKey) and raw_public_key(public) == raw_public_key(key.public_key())


def is_due(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether less than a third of the certificate's life is left, so that it should be renewed."""
    life: timedelta = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_after_utc - now < life / 3


def make_request(key: Ed25519PrivateKey) -> str:
    """A certificate request (PEM) that proves possession of the key. Role and id are the core's to fill in."""
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, None)
    return request.public_bytes(Encoding.PEM).decode("ascii")
