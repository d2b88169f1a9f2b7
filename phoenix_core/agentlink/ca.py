"""The core's own certificate authority: Ed25519, ten years; it signs the core's certificate and those of the peers.

Files in the folder: `ca-key.pem`, `ca.pem`, `core-key.pem`, `core.pem` (the core's certificate, then the CA's).
"""

import ipaddress
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from phoenix_core.agentlink.certificates import (
    CORE,
    ORGANISATION,
    STORAGE,
    belongs,
    is_due,
    key_pem,
    load_certificate,
    load_key,
    raw_public_key,
    serial_text,
    subject,
    uri_name,
)
from phoenix_core.agentlink.errors import BadCertificateRequest, CertificateMalformed, PkiDamaged
from phoenix_core.agentlink.tlsfiles import TlsFiles
from phoenix_core.domain.clock import Clock, SystemClock
from phoenix_core.host.atomicfile import make_folders, write_atomic

CA_DAYS = 3653
CORE_DAYS = 365
PEER_DAYS = 90
OWN_NAMES = ("localhost", "127.0.0.1", "::1")
BACKDATED = timedelta(hours=1)
"""Certificates begin this much earlier, so that a peer whose clock is behind takes them."""
_PEER_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class IssuedCertificate(msgspec.Struct, frozen=True):
    """A peer's new certificate, and what the core remembers of it."""

    certificate_pem: str
    ca_pem: str
    serial: str
    public_key: bytes
    """Raw Ed25519, 32 bytes."""
    issued_at: datetime
    ends_at: datetime


class CertificateAuthority:
    """Made once per core; `open` creates it on first use."""

    def __init__(self, folder: Path, key: Ed25519PrivateKey, certificate: x509.Certificate, clock: Clock) -> None:
        self._folder = folder
        self._key = key
        self._certificate = certificate
        self._clock = clock

    @classmethod
    def open(cls, folder: Path, clock: Clock | None = None) -> "CertificateAuthority":
        """Load the authority kept in the folder, or make one. Raises PkiDamaged."""
        clock = clock or SystemClock()
        key_path, certificate_path = folder / "ca-key.pem", folder / "ca.pem"
        try:
            make_folders(folder)
            if not certificate_path.exists():
                if not key_path.exists():
                    write_atomic(key_path, key_pem(Ed25519PrivateKey.generate()))
                made = _make_ca(load_key(key_path), clock.now())
                write_atomic(certificate_path, made.public_bytes(Encoding.PEM), 0o644)
            key, certificate = load_key(key_path), load_certificate(certificate_path)
        except (OSError, CertificateMalformed) as error:
            raise PkiDamaged(path=folder, detail=str(error)) from error
        if not belongs(key, certificate):
            raise PkiDamaged(path=folder, detail="ca-key.pem is not the key of ca.pem")
        return cls(folder, key, certificate, clock)

    @property
    def ca_pem(self) -> str:
        return self._certificate.public_bytes(Encoding.PEM).decode("ascii")

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the CA's certificate (DER), 32 bytes; activation tokens carry it."""
        return self._certificate.fingerprint(hashes.SHA256())

    @property
    def ends_at(self) -> datetime:
        return self._certificate.not_valid_after_utc

    def server_files(self, names: Sequence[str] = ()) -> TlsFiles:
        """The core's certificate and key for these host names and addresses (besides localhost), renewed where needed:
        less than a third of its life left, a name not covered, or not of this authority. Raises PkiDamaged."""
        files = TlsFiles(cert=self._folder / "core.pem", key=self._folder / "core-key.pem", ca=self._folder / "ca.pem")
        wanted = [name for name in map(_general_name, dict.fromkeys((*OWN_NAMES, *names))) if name is not None]
        try:
            if not self._still_good(files, wanted):
                self._renew_core(files, wanted)
        except OSError as error:
            raise PkiDamaged(path=self._folder, detail=str(error)) from error
        return files

    def issue(self, csr_pem: str, role: str, peer_id: str, days: float = PEER_DAYS) -> IssuedCertificate:
        """Sign a peer's key. Role and id come from the core, never from the request. Raises BadCertificateRequest."""
        if not _PEER_ID.fullmatch(peer_id):
            raise BadCertificateRequest(detail=f"{peer_id!r} can't be a peer's id")
        public_key = _requested_key(csr_pem)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if role == STORAGE:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        certificate = self._sign(public_key, role, peer_id, (), usages, timedelta(days=days))
        return IssuedCertificate(
            certificate_pem=certificate.public_bytes(Encoding.PEM).decode("ascii"),
            ca_pem=self.ca_pem,
            serial=serial_text(certificate),
            public_key=raw_public_key(public_key),
            issued_at=self._clock.now(),
            ends_at=certificate.not_valid_after_utc,
        )

    # --- the core's own certificate ----------------------------------------------------------------------------------

    def _still_good(self, files: TlsFiles, wanted: Sequence[x509.GeneralName]) -> bool:
        try:
            certificate, key = load_certificate(files.cert), load_key(files.key)
            certificate.verify_directly_issued_by(self._certificate)
        except (FileNotFoundError, CertificateMalformed, ValueError, TypeError, InvalidSignature):
            return False
        return (
            belongs(key, certificate)
            and not is_due(certificate, self._clock.now())
            and set(wanted) <= _names_of(certificate)
        )

    def _renew_core(self, files: TlsFiles, wanted: Sequence[x509.GeneralName]) -> None:
        key = Ed25519PrivateKey.generate()
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = self._sign(key.public_key(), CORE, "", wanted, usages, timedelta(days=CORE_DAYS))
        write_atomic(files.key, key_pem(key))
        write_atomic(files.cert, certificate.public_bytes(Encoding.PEM) + self.ca_pem.encode("ascii"), 0o644)

    def _sign(
        self,
        public_key: Ed25519PublicKey,
        role: str,
        peer_id: str,
        names: Sequence[x509.GeneralName],
        usages: Sequence[x509.ObjectIdentifier],
        life: timedelta,
    ) -> x509.Certificate:
        now = self._clock.now()
        alternatives = [x509.UniformResourceIdentifier(uri_name(role, peer_id)), *names]
        ca_key = self._key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject(role, peer_id))
            .issuer_name(self._certificate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(min(now + life, self._certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key), critical=False)
            .sign(self._key, None)
        )


def fingerprint_of(ca_pem: str) -> bytes:
    """SHA-256 of the certificate's DER. Raises ValueError where it is no certificate."""
    return x509.load_pem_x509_certificate(ca_pem.encode("utf-8")).fingerprint(hashes.SHA256())


def _make_ca(key: Ed25519PrivateKey, now: datetime) -> x509.Certificate:
    public_key = key.public_key()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Phoenix CA {raw_public_key(public_key)[:4].hex()}"),
        ]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(key, None)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def check_request(csr_pem: str) -> None:
    """Raises BadCertificateRequest where `issue` would."""
    _requested_key(csr_pem)


def _requested_key(csr_pem: str) -> Ed25519PublicKey:
    try:
        request = x509.load_pem_x509_csr(csr_pem.encode("utf-8"))
        proven = request.is_signature_valid
        public_key = request.public_key()
    except Exception as error:  # cryptography raises several kinds for a hostile request
        raise BadCertificateRequest(detail="it is no certificate request") from error
    if not isinstance(public_key, Ed25519PublicKey):
        raise BadCertificateRequest(detail="its key is not Ed25519")
    if not proven:
        raise BadCertificateRequest(detail="its signature is wrong")
    return public_key


def _general_name(name: str) -> x509.GeneralName | None:
    """None for what a certificate can't name; peers don't go by names anyway (see `tlsfiles`)."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        try:
            return x509.DNSName(name.encode("idna").decode("ascii"))
        except ValueError:
            return None


def _names_of(certificate: x509.Certificate) -> set[x509.GeneralName]:
    return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
