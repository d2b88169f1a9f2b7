"""What an agent keeps on its disk, under a disk log: its identity, which is renewed, and the newest record."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from phoenix_core.agent.state import AgentState
from phoenix_core.agentlink.certificates import belongs
from phoenix_core.agentlink.peerstate import PeerFile, PeerState, write_identity
from tests.chaos.disk_log import DiskLog

FOLDER = "agent"


class AgentHistory:
    """Promises are kept by the number of the event after which they were made."""

    def __init__(self, log: DiskLog) -> None:
        self._log = log
        self._folder = log.root / FOLDER
        self._enrolled_at = 0
        self._records: list[tuple[int, int]] = []
        self._serials: list[tuple[int, int]] = []

    def enrol(self) -> None:
        key = Ed25519PrivateKey.generate()
        peer = PeerFile(peer_id="s1", name="one", role="agent", urls=("https://127.0.0.1:1",))
        write_identity(self._folder, key, _certificate(key, 1), "", peer)
        self._enrolled_at = self._log.now

    def renew(self) -> None:
        serial = self._serials[-1][1] + 1 if self._serials else 2
        key = Ed25519PrivateKey.generate()
        PeerState.load(self._folder).keep_renewed(key, _certificate(key, serial))
        self._serials.append((self._log.now, serial))

    def start_again(self) -> None:
        PeerState.load(self._folder).finish_renewal()

    def hear_of_record(self) -> None:
        number = self._records[-1][1] + 1 if self._records else 1
        AgentState(self._folder).recorded("j1", number)
        self._records.append((self._log.now, number))

    def promises(self) -> list[list[int]]:
        """The events after which records, and renewals, were there to stay."""
        return [[at for at, _ in kind] for kind in (self._records, self._serials)]

    def check(self, folder: Path, cut: int) -> None:
        """The agent in a folder that lost power behind that event."""
        if not 0 < self._enrolled_at <= cut:
            return
        state = PeerState.load(folder / FOLDER)
        state.finish_renewal()
        assert belongs(state.signing_key(), state.certificate()), "the agent's key and certificate don't fit"
        serial = max((serial for at, serial in self._serials if at <= cut), default=1)
        assert state.certificate().serial_number >= serial, "the agent has an older certificate than it took over"
        number = max((number for at, number in self._records if at <= cut), default=0)
        assert AgentState(folder / FOLDER).seen.last_record >= number, "the agent forgot a record"


def _certificate(key: Ed25519PrivateKey, serial: int) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "s1")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(serial).not_valid_before(now).not_valid_after(now + timedelta(days=90))
    return builder.sign(key, None).public_bytes(Encoding.PEM).decode()
