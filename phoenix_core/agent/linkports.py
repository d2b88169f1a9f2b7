"""A job's ports on the agent link."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, overload

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agent.keycache import KeyCache
from phoenix_core.agentlink.growinggrant import GrantAnswer, GrantRequest
from phoenix_core.agentlink.messages import KeysAnswer, KeysRequest, TokenAnswer, TokenRequest
from phoenix_core.agentlink.peerstate import PeerState
from phoenix_core.agentlink.reports import Progress, ReportBody
from phoenix_core.agentlink.tlsfiles import TlsFiles
from phoenix_core.domain.errors import Cancelled, PhoenixError
from phoenix_core.vault.location import BlockRef

KEYS_AT_ONCE = 4096
GRANT_GROWS = "grant_grows"
"""The code of the core's answer to who asks for keys too early."""


class JobLink(Protocol):
    """What of the link jobs use."""

    def report(self, job: str, body: ReportBody) -> None: ...
    def progress(self, progress: Progress) -> None: ...
    @overload
    def request_blocking(self, request: KeysRequest) -> KeysAnswer: ...
    @overload
    def request_blocking(self, request: TokenRequest) -> TokenAnswer: ...
    @overload
    def request_blocking(self, request: GrantRequest) -> GrantAnswer: ...


class LinkPorts:
    """`JobPorts` of one job. Once `muted` is set nothing is reported any more: the core has given the job up."""

    def __init__(self, job: str, link: JobLink, state_dir: Path, cache: KeyCache) -> None:
        self.cancelled = threading.Event()
        self.cancelled_by = ""
        self.muted = threading.Event()
        self._job = job
        self._link = link
        self._state_dir = state_dir
        self._cache = cache

    def cancel(self, who: str) -> None:
        if not self.cancelled.is_set():
            self.cancelled_by = who
            self.cancelled.set()

    @property
    def state_dir(self) -> Path:
        return self._state_dir

    @property
    def signing_key(self) -> Ed25519PrivateKey:
        """Read anew each time: a certificate may have been renewed meanwhile. Raises CertificateMalformed."""
        return PeerState.load(self._state_dir).signing_key()

    @property
    def tls(self) -> TlsFiles:
        return PeerState.load(self._state_dir).tls

    def report(self, body: ReportBody) -> None:
        if not self.muted.is_set():
            self._link.report(self._job, body)

    def progress(self, progress: Progress) -> None:
        if not self.muted.is_set():
            self._link.progress(progress)

    def block_keys(self, refs: Sequence[BlockRef]) -> list[bytes]:
        keys: list[bytes] = []
        for at in range(0, len(refs), KEYS_AT_ONCE):
            some = tuple(refs[at : at + KEYS_AT_ONCE])
            keys += self._some_keys(some)
        return keys

    def _some_keys(self, refs: tuple[BlockRef, ...]) -> tuple[bytes, ...]:
        while True:
            try:
                return self._link.request_blocking(KeysRequest(0, self._job, refs)).keys
            except PhoenixError as error:
                if error.view().code != GRANT_GROWS:
                    raise
            if self.cancelled.is_set():
                raise Cancelled(who=self.cancelled_by)

    def grown(self, seen: int) -> tuple[int, bool]:
        answer = self._link.request_blocking(GrantRequest(0, self._job, seen))
        return answer.step, answer.is_whole

    def fresh_token(self) -> str:
        return self._link.request_blocking(TokenRequest(0, self._job)).token

    def remember_pack_keys(self, keys: Mapping[bytes, bytes]) -> None:
        self._cache.remember(keys)

    def recall_pack_keys(self, pack_ids: Sequence[bytes]) -> dict[bytes, bytes]:
        return self._cache.recall(pack_ids)
