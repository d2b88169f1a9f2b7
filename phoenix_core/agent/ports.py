"""What a job of the agent needs from the process around it: link to the core, cancellation, keys, a state folder."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agentlink.reports import Progress, ReportBody
from phoenix_core.vault.location import BlockRef

if TYPE_CHECKING:
    from phoenix_core.agentlink.tlsfiles import TlsFiles


class JobPorts(Protocol):
    """One job's ports. The methods block and may be called from any thread."""

    @property
    def cancelled(self) -> threading.Event:
        """Set when the job is to stop; it then ends with `Cancelled` within two seconds."""

    @property
    def cancelled_by(self) -> str:
        """Who cancelled, once `cancelled` is set."""

    @property
    def state_dir(self) -> Path:
        """The agent's own folder; spool files, caches and what a resumed job needs lie there."""

    @property
    def signing_key(self) -> Ed25519PrivateKey:
        """The agent's key, which signs its snapshots."""

    @property
    def tls(self) -> TlsFiles | None:
        """The agent's certificate for storage nodes on other hosts; None where there is none."""

    def report(self, body: ReportBody) -> None:
        """Hand a report to the core, at least once; returns when it is on disk here."""

    def progress(self, progress: Progress) -> None:
        """Tell how far the job is; may be lost."""

    def block_keys(self, refs: Sequence[BlockRef]) -> list[bytes]:
        """Ask the core for the keys of these blocks, in order. Raises what the core answers (`RemoteError`)."""

    def grown(self, seen: int) -> tuple[int, bool]:
        """Of a grant that grows the step that it has come to, and whether it is whole: once it is another than `seen`,
        or after about a second. Raises what the core answers (`RemoteError`)."""

    def fresh_token(self) -> str:
        """A new storage token for this job. Raises what the core answers (`RemoteError`)."""

    def remember_pack_keys(self, keys: Mapping[bytes, bytes]) -> None:
        """Keep the keys of metadata packs that this agent wrote: pack id → 32-byte key."""

    def recall_pack_keys(self, pack_ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Of these packs the keys that are kept."""
