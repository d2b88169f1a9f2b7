"""What `phoenix doctor` reports: one finding for each thing that can be wrong, the good ones too."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import FindingView, VaultView
from phoenix_core.engine.errors import NoVault
from phoenix_core.engine.peer_directory import AGENT, PeerDirectory
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.vault_view import Views

OK, WARNING, ERROR = "ok", "warning", "error"
CERTIFICATE_WARNING = timedelta(days=14)
VERIFY_WARNING = timedelta(days=35)


class Doctor:
    def __init__(
        self,
        seat: VaultSeat,
        views: Views,
        directory: PeerDirectory,
        settings: Settings,
        clock: Clock,
        data_dir: Path,
        logs: Path,
    ) -> None:
        self._seat = seat
        self._views = views
        self._directory = directory
        self._settings = settings
        self._clock = clock
        self._data_dir = data_dir
        self._logs = logs

    async def findings(self) -> list[FindingView]:
        return [*await self._vault(), *self._agents(), *await asyncio.to_thread(self._host)]

    async def _vault(self) -> list[FindingView]:
        try:
            view = await self._views.vault()
        except NoVault as error:
            return [FindingView("vault", WARNING, error.message, error.what_to_do)]
        except PhoenixError as error:
            return [FindingView("vault", ERROR, error.message, error.what_to_do)]
        if not view.key_available:
            return [self._key(view)]
        if not view.total_bytes:  # the storage node told nothing
            cause = self._seat.locked_by
            hint = cause.what_to_do if cause else "See that its storage node runs, and that its disk is there."
            return [self._key(view), FindingView("storage node", ERROR, view.problem, hint)]
        return [self._key(view), *self._contents(view)]

    def _key(self, view: VaultView) -> FindingView:
        if not view.key_available and self._seat.locked_by is not None:
            error = self._seat.locked_by
            return FindingView("vault key", ERROR, error.message, error.what_to_do)
        return FindingView("vault key", OK, f"The key of vault {view.vault_id[:12]} is held by: {view.key_holder}.")

    def _contents(self, view: VaultView) -> list[FindingView]:
        return [
            self._index(view),
            self._records(view),
            self._damage(view),
            self._proof(view),
            self._space(view),
            self._verify(view),
        ]

    @staticmethod
    def _index(view: VaultView) -> FindingView:
        if view.index_complete:
            return FindingView("index", OK, f"The index knows {view.packs} packs with {view.chunks} chunks.")
        text = "The storage node's index is missing or damaged; nothing can be backed up or restored."
        return FindingView("index", ERROR, text, "Make it anew: `phoenix vault rebuild-index`.")

    def _records(self, view: VaultView) -> FindingView:
        vault = self._seat.opened
        for error in (self._seat.rolled_back, vault.chain.broken if vault else None):
            if error is not None:
                return FindingView("records", ERROR, error.message, error.what_to_do)
        return FindingView("records", OK, f"{view.records} records, each signed and following the one before.")

    @staticmethod
    def _damage(view: VaultView) -> FindingView:
        if not view.damaged_packs:
            return FindingView("packs", OK, "No pack is known to be damaged or lost.")
        text = f"{view.damaged_packs} packs are damaged or lost."
        hint = "`phoenix vault verify` names the snapshots and files; back those servers up again to heal what can be."
        return FindingView("packs", ERROR, text, hint)

    def _proof(self, view: VaultView) -> FindingView:
        if not self._settings.flag("prove.enabled"):
            hint = "Turn it on: `phoenix setting set prove.enabled true`."
            return FindingView("proof", WARNING, "New packs are not read back; prove.enabled is false.", hint)
        text = f"{view.unproved_packs} packs wait to be read back and re-hashed." if view.unproved_packs else ""
        return FindingView("proof", OK, text or "Every pack has been read back, decrypted and re-hashed.")

    def _space(self, view: VaultView) -> FindingView:
        reserve = self._settings.whole("storage.reserve_bytes")
        text = f"{_shown(view.free_bytes)} of {_shown(view.total_bytes)} are free at {view.location}."
        if view.free_bytes <= reserve:
            hint = "Free space there, or `phoenix vault prune --execute`."
            return FindingView("space", ERROR, f"{text} {_shown(reserve)} are to stay free.", hint)
        if view.free_bytes < 3 * reserve or view.free_bytes < view.total_bytes // 20:
            return FindingView("space", WARNING, text, "Plan for more space, or remove snapshots and prune.")
        return FindingView("space", OK, text)

    def _verify(self, view: VaultView) -> FindingView:
        hint = "`phoenix vault verify --depth chunks` reads and re-hashes everything."
        if view.last_verify_at is None or view.last_verify_state is None:
            return FindingView("verify", OK, "The vault has never been verified as a whole.", hint)
        text = f"The last verify ended {view.last_verify_at:%Y-%m-%d %H:%M} UTC: {view.last_verify_state}."
        if view.last_verify_state is not JobState.SUCCESSFUL:
            return FindingView("verify", WARNING, text, "`phoenix job list --kind verify` shows what it found.")
        old = self._clock.now() - view.last_verify_at > VERIFY_WARNING
        return FindingView("verify", WARNING if old else OK, text, hint if old else "")

    def _agents(self) -> list[FindingView]:
        found: list[FindingView] = []
        for peer in self._directory.of_role(AGENT):
            if peer.revoked_at is not None:
                continue
            subject = f"server {peer.name}"
            ends = self._directory.certificate_ends_at(peer.id)
            if not self._directory.connected(peer.id):
                seen = f"{peer.last_seen_at:%Y-%m-%d %H:%M} UTC" if peer.last_seen_at else "never"
                hint = "Start it there: `phoenix agent run`."
                found.append(FindingView(subject, WARNING, f"The agent is not connected; last seen: {seen}.", hint))
            elif ends is not None and ends - self._clock.now() < CERTIFICATE_WARNING:
                hint = "The agent renews it by itself; see its log for why it did not."
                found.append(FindingView(subject, WARNING, f"Its certificate ends {ends:%Y-%m-%d}.", hint))
            else:
                found.append(FindingView(subject, OK, f"The agent is connected, version {peer.version}."))
        return found or [FindingView("servers", OK, "No server is enrolled.", "`phoenix agent enroll` enrols one.")]

    def _host(self) -> list[FindingView]:
        names = sorted(path.name for path in self._logs.glob("*.log*")) if self._logs.is_dir() else []
        logs = f"Log files in {self._logs}: {', '.join(names) or 'none yet'}."
        mode = self._data_dir.stat().st_mode & 0o777
        data = FindingView("data directory", OK, f"{self._data_dir}, mode {mode:o}, owner uid {os.getuid()}.")
        if mode & 0o077:
            text = f"Others may look into {self._data_dir} (mode {mode:o})."
            data = FindingView("data directory", WARNING, text, f"`chmod 700 {self._data_dir}`")
        return [data, FindingView("logs", OK, logs)]


def _shown(size_bytes: int) -> str:
    import humanize

    return humanize.naturalsize(size_bytes, binary=True)
