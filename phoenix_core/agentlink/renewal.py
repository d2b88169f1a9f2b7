"""Renews a peer's certificate over the link once less than a third of its life is left, with a new key."""

import asyncio

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agentlink.certificates import belongs, is_due, load_certificate, make_request
from phoenix_core.agentlink.errors import CertificateMalformed
from phoenix_core.agentlink.messages import CertificateAnswer, CertificateRequest
from phoenix_core.agentlink.peerstate import PeerState
from phoenix_core.agentlink.questions import Questions
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError

LOOK_EVERY_S = 3600.0
ANSWER_TIMEOUT_S = 60.0

log = structlog.get_logger(__name__)


class Renewal:
    """Runs as long as a connection lives. The next connection, and every TLS context made from then on, uses the new
    certificate; snapshots signed with the old key stay good, since the core remembers all keys of a peer."""

    def __init__(self, state: PeerState, clock: Clock, questions: Questions) -> None:
        self._state = state
        self._clock = clock
        self._questions = questions

    async def run(self) -> None:
        while True:
            try:
                await self.renew_if_due()
            except (PhoenixError, OSError) as error:
                log.warning("certificate not renewed", detail=str(error))
            await asyncio.sleep(LOOK_EVERY_S)

    async def renew_if_due(self) -> bool:
        """Raises what the core answers, CoreAway, CertificateMalformed, OSError."""
        if not await asyncio.to_thread(lambda: is_due(self._state.certificate(), self._clock.now())):
            return False
        key = Ed25519PrivateKey.generate()
        request = CertificateRequest(number=0, csr_pem=make_request(key))
        answer = await self._questions.ask(request, ANSWER_TIMEOUT_S)
        assert isinstance(answer, CertificateAnswer)
        await asyncio.to_thread(self._keep, key, answer.certificate_pem)
        log.info("certificate renewed", peer=self._state.peer.peer_id)
        return True

    def _keep(self, key: Ed25519PrivateKey, certificate_pem: str) -> None:
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem.encode("utf-8"))
            certificate.verify_directly_issued_by(load_certificate(self._state.tls.ca))
        except (ValueError, TypeError, InvalidSignature) as error:
            raise CertificateMalformed(name="from the core", detail=str(error)) from error
        if not belongs(key, certificate):
            raise CertificateMalformed(name="from the core", detail="it is not for the key that was asked for")
        self._state.keep_renewed(key, certificate_pem)
