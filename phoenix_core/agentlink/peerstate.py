"""What a peer keeps in its state folder: `key.pem`, `cert.pem`, `ca.pem` and `peer.json`, written last.

A renewal writes `key.pem.next` and `cert.pem.next`, then renames key and certificate in this order. Whatever was
interrupted, `PeerState.finish_renewal` puts right, when the peer's process starts.
"""

from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agentlink.certificates import belongs, key_pem, load_certificate, load_key
from phoenix_core.agentlink.errors import CertificateMalformed, NotEnrolled
from phoenix_core.agentlink.frames import UNREADABLE
from phoenix_core.agentlink.tlsfiles import NEXT_SUFFIX, TlsFiles
from phoenix_core.host.atomicfile import make_folders, sync_folder, write_atomic

KEY, CERTIFICATE, CA, PEER = "key.pem", "cert.pem", "ca.pem", "peer.json"
OUTBOX = "outbox.sqlite"
FORMAT = 1
URLS_KEPT = 4


class PeerFile(
    msgspec.Struct,
    frozen=True,
):
    """`peer.json`: who this host is to its core."""

    peer_id: str
    name: str
    role: str
    urls: tuple[str, ...]
    format: int = FORMAT


class PeerState:
    """An enrolled peer's folder. The methods read and write files: not on an event loop."""

    def __init__(self, folder: Path, peer: PeerFile) -> None:
        self.folder = folder
        self.peer = peer
        self.tls = TlsFiles(cert=folder / CERTIFICATE, key=folder / KEY, ca=folder / CA)

    @staticmethod
    def outbox_of(folder: Path) -> Path:
        return folder / OUTBOX

    @classmethod
    def load(cls, folder: Path) -> "PeerState":
        """Raises NotEnrolled, CertificateMalformed."""
        try:
            peer = msgspec.json.decode((folder / PEER).read_bytes(), type=PeerFile)
        except FileNotFoundError as error:
            raise NotEnrolled(path=folder, detail="holds no identity") from error
        except (OSError, *UNREADABLE) as error:
            raise NotEnrolled(path=folder / PEER, detail=f"can't be read ({error})") from error
        if peer.format != FORMAT or not peer.urls:
            raise NotEnrolled(path=folder / PEER, detail=f"is of format {peer.format}, this program reads {FORMAT}")
        return cls(folder, peer)

    def current_urls(self) -> tuple[str, ...]:
        """Where the core is, as the file says now: a core on the same data directory writes its address there."""
        try:
            return PeerState.load(self.folder).peer.urls
        except NotEnrolled:
            return self.peer.urls

    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate of the core's authority, as tokens carry it. Raises CertificateMalformed."""
        try:
            return load_certificate(self.tls.ca).fingerprint(hashes.SHA256())
        except OSError as error:
            raise CertificateMalformed(name=str(self.tls.ca), detail=error.strerror) from error

    def certificate(self) -> x509.Certificate:
        """Raises CertificateMalformed."""
        try:
            return load_certificate(self.tls.cert)
        except OSError as error:
            raise CertificateMalformed(name=str(self.tls.cert), detail=error.strerror) from error

    def signing_key(self) -> Ed25519PrivateKey:
        """The key of the certificate; the agent signs its snapshots with it. Raises CertificateMalformed."""
        try:
            return load_key(self.tls.key)
        except OSError as error:
            raise CertificateMalformed(name=str(self.tls.key), detail=error.strerror) from error

    def keep_renewed(self, key: Ed25519PrivateKey, certificate_pem: str) -> None:
        """Change over to a renewed certificate; a crash at any moment leaves a pair that fits. Raises OSError."""
        write_atomic(self._next(KEY), key_pem(key))
        write_atomic(self._next(CERTIFICATE), certificate_pem.encode("ascii"))
        self.finish_renewal()

    def _next(self, name: str) -> Path:
        return self.folder / (name + NEXT_SUFFIX)

    def finish_renewal(self) -> None:
        """End a renewal that was interrupted, or undo it. Only for the one process that renews."""
        next_key, next_certificate = self._next(KEY), self._next(CERTIFICATE)
        if next_certificate.exists():
            if next_key.exists() and belongs(load_key(next_key), load_certificate(next_certificate)):
                next_key.replace(self.tls.key)
                sync_folder(self.folder)  # a certificate never gets its place before its key has
            if belongs(self.signing_key(), load_certificate(next_certificate)):
                next_certificate.replace(self.tls.cert)
        next_certificate.unlink(missing_ok=True)
        next_key.unlink(missing_ok=True)
        sync_folder(self.folder)


def point_to(folder: Path, ca: Path, url: str) -> None:
    """Let the peer in this folder find its core at `url` first, if it is enrolled at the core whose authority is `ca`.

    For a core and an agent on one data directory: the core's port may be another at each start. Raises OSError."""
    try:
        state = PeerState.load(folder)
        own = state.tls.ca.read_bytes() == ca.read_bytes()
    except (NotEnrolled, FileNotFoundError):
        return
    if own and state.peer.urls[0] != url:
        urls = (url, *(other for other in state.peer.urls if other != url))[:URLS_KEPT]
        _write_peer(folder, msgspec.structs.replace(state.peer, urls=urls))


def _write_peer(folder: Path, peer: PeerFile) -> None:
    write_atomic(folder / PEER, msgspec.json.format(msgspec.json.encode(peer), indent=2))


def write_identity(folder: Path, key: Ed25519PrivateKey, certificate_pem: str, ca_pem: str, peer: PeerFile) -> None:
    """Give the folder this identity in place of what it had. Until all is written the folder counts as not enrolled."""
    make_folders(folder)
    (folder / PEER).unlink(missing_ok=True)
    for stale in (KEY + NEXT_SUFFIX, CERTIFICATE + NEXT_SUFFIX, OUTBOX, OUTBOX + "-wal", OUTBOX + "-shm"):
        (folder / stale).unlink(missing_ok=True)
    sync_folder(folder)
    write_atomic(folder / KEY, key_pem(key))
    write_atomic(folder / CERTIFICATE, certificate_pem.encode("ascii"))
    write_atomic(folder / CA, ca_pem.encode("ascii"))
    _write_peer(folder, peer)
