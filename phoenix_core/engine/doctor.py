"""What `phoenix doctor` reports: one finding for each thing that can be wrong, the good ones too."""

import asyncio
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from phoenix_core import __version__
from phoenix_core.catalog.rows import PeerRow, SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.amounts import amount, size
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.states import JobState
from phoenix_core.domain.versions import Standing, standing
from phoenix_core.domain.views import FindingView, ServerView, VaultView
from phoenix_core.engine.expiry import Expiry
from phoenix_core.engine.lost_snapshots import LostSnapshots
from phoenix_core.engine.peer_directory import AGENT, PeerDirectory
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.vault_errors import NoVault
from phoenix_core.engine.vault_space import Space, judged
from phoenix_core.engine.vault_view import Views
from phoenix_core.engine.vault_words import broken_index, damage
from phoenix_core.rollout.bundle import BundleShelf
from phoenix_core.rollout.errors import BundleMissing

OK, WARNING, ERROR = "ok", "warning", "error"
VERIFY_WARNING = timedelta(days=35)
NAMED = 5


class Doctor:
    def __init__(
        self,
        seat: VaultSeat,
        views: Views,
        snapshots: Snapshots,
        lost: LostSnapshots,
        directory: PeerDirectory,
        settings: Settings,
        clock: Clock,
        data_dir: Path,
        logs: Path,
        bundle: BundleShelf,
        expiry: Expiry,
    ) -> None:
        self._seat = seat
        self._views = views
        self._snapshots = snapshots
        self._lost = lost
        self._directory = directory
        self._settings = settings
        self._clock = clock
        self._data_dir = data_dir
        self._logs = logs
        self._bundle = bundle
        self._expiry = expiry

    async def findings(self, *, lone: bool = False) -> list[FindingView]:
        """`lone`: this core runs for this one question, so that no agent could be connected before."""
        await self._lost.look()
        host = await asyncio.to_thread(self._host)
        return [*await self._vault(), *self._agents(lone=lone), await asyncio.to_thread(self._wheels), *host]

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
        lost = await self._snapshots.lost()
        found = [self._key(view), *self._contents(view), *(_loss(row) for row in lost), *_all_there(view)]
        return [*found, *await self._removals(), self._restores(await self._views.servers())]

    async def _removals(self) -> list[FindingView]:
        """Removed snapshots that don't go by themselves."""
        waiting = await self._expiry.last_ones()
        found = [FindingView("removals", WARNING, each.message, each.what_to_do) for each in waiting[:NAMED]]
        if len(waiting) > NAMED:
            text = f"{amount(len(waiting) - NAMED, 'removed snapshot')} more stay for the same reason."
            found.append(FindingView("removals", WARNING, text, "`phoenix snapshot list --removed` shows them."))
        return found

    def _restores(self, servers: list[ServerView]) -> FindingView:
        """Whether it was tried out lately that servers can be restored."""
        days = self._settings.whole("drill.recent_days")
        due = [server.name for server in servers if server.proof_due]
        if not days:
            return FindingView("restore drills", OK, "No proof of restore is asked for (setting drill.recent_days).")
        if not due:
            text = f"Of each server with snapshots a restore was proved within {days} days."
            return FindingView("restore drills", OK, text)
        listed = ", ".join(due[:NAMED]) + (f" and {len(due) - NAMED} more" if len(due) > NAMED else "")
        text = f"No restore was proved within {days} days of {listed}."
        hint = (
            f"`phoenix drill run {due[0]}` proves one now; a policy does it by itself: `phoenix policy set POLICY "
            "--drill 'monthly on 1 at 05:00'`."
        )
        return FindingView("restore drills", WARNING, text, hint)

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
            self._readings(view),
            self._space(view),
            self._verify(view),
        ]

    @staticmethod
    def _index(view: VaultView) -> FindingView:
        if view.index_complete:
            packs, chunks = amount(view.packs, "pack"), amount(view.chunks, "chunk")
            return FindingView("index", OK, f"The index knows {packs} with {chunks}.")
        return FindingView("index", ERROR, *broken_index(view))

    def _records(self, view: VaultView) -> FindingView:
        error = self._seat.records_problem
        if error is not None:
            return FindingView("records", ERROR, error.message, error.what_to_do)
        records = amount(view.records, "record")
        return FindingView("records", OK, f"{records}, each signed and following the one before.")

    @staticmethod
    def _damage(view: VaultView) -> FindingView:
        if not view.damaged_packs:
            return FindingView("packs", OK, "No pack is known to be damaged or lost.")
        return FindingView("packs", ERROR, *damage(view))

    def _proof(self, view: VaultView) -> FindingView:
        if not self._settings.flag("prove.enabled"):
            hint = "Turn it on: `phoenix setting set prove.enabled true`."
            return FindingView("proof", WARNING, "New packs are not read back; prove.enabled is false.", hint)
        waiting = view.unproved_packs
        if waiting:
            text = f"{amount(waiting, 'pack')} {'waits' if waiting == 1 else 'wait'} to be read back and re-hashed."
        else:
            which = "Every other pack" if view.damaged_packs or view.condemned_packs else "Every pack"
            text = f"{which} has been read back, decrypted and re-hashed."
        return FindingView("proof", OK, text)

    def _readings(self, view: VaultView) -> FindingView:
        readings, now = view.readings, self._clock.now()
        if readings is None:
            text = "It isn't known when packs were last read: the storage node is of an earlier release."
            return FindingView("reading", OK, text, "Install this release on the storage node's host.")
        text = f"Packs read again and checked: {readings.text(now)}."
        if readings.is_late(now):
            hint = "`phoenix job list --kind verify` shows the runs of `verify.schedule`, which read packs in turn."
            return FindingView("reading", WARNING, text, hint)
        return FindingView("reading", OK, text)

    def _space(self, view: VaultView) -> FindingView:
        reserve = self._settings.whole("storage.reserve_bytes")
        text = f"{size(view.free_bytes)} of {size(view.total_bytes)} are free at {view.location}."
        found = judged(view.free_bytes, view.total_bytes, reserve)
        if found is Space.NONE:
            hint = "Free space there, or `phoenix vault prune --execute`."
            return FindingView("space", ERROR, f"{text} {size(reserve)} are to stay free.", hint)
        if found is Space.LOW:
            return FindingView("space", WARNING, text, "Plan for more space, or remove snapshots and prune.")
        return FindingView("space", OK, text)

    def _verify(self, view: VaultView) -> FindingView:
        hint = "`phoenix vault verify --depth chunks` reads and re-hashes everything."
        if view.last_verify_at is None or view.last_verify_state is None:
            return FindingView("verify", OK, "The vault has never been verified as a whole.", hint)
        ended = f"{view.last_verify_at:%Y-%m-%d %H:%M} UTC"
        text = f"The last verify of all snapshots, depth {view.last_verify_depth}, ended {ended}"
        if view.last_verify_state is not JobState.SUCCESSFUL:
            hint = f"`phoenix job show {view.last_verify_job}` names it. Mend it, then `phoenix vault verify` again."
            return FindingView("verify", WARNING, f"{text}: it found damage.", hint)
        text += " without finding damage."
        old = self._clock.now() - view.last_verify_at > VERIFY_WARNING
        return FindingView("verify", WARNING if old else OK, text, hint if old else "")

    def _agents(self, *, lone: bool) -> list[FindingView]:
        found: list[FindingView] = []
        for peer in self._directory.of_role(AGENT):
            if peer.revoked_at is not None:
                continue
            if standing(peer.version, __version__).is_served:  # one that isn't is away for that, and nothing else
                found.append(self._agent(peer, lone=lone))
            found.extend(_version(peer))
        hint = "`phoenix core bundle` once, then `phoenix server add NAME`: it prints the line to paste on the server."
        return found or [FindingView("servers", OK, "No server is enrolled.", hint)]

    def _agent(self, peer: PeerRow, *, lone: bool) -> FindingView:
        subject = f"server {peer.name}"
        ends = self._directory.certificate_ends_at(peer.id)
        overdue = self._directory.certificate_overdue_at(peer.id)
        if not self._directory.connected(peer.id):
            return _away(peer, lone=lone)
        if overdue is not None and overdue <= self._clock.now():
            hint = "The agent renews it by itself; see its log for why it did not."
            return FindingView(subject, WARNING, f"Its certificate ends {ends:%Y-%m-%d}.", hint)
        return FindingView(subject, OK, f"The agent is connected, version {peer.version}.")

    def _wheels(self) -> FindingView:
        """What other servers are installed from."""
        try:
            bundle = self._bundle.current()
        except BundleMissing as error:
            return FindingView("wheels", OK, error.message, error.what_to_do)
        except PhoenixError as error:
            return FindingView("wheels", WARNING, error.message, error.what_to_do)
        kinds = amount(len(bundle.targets), "kind")
        return FindingView("wheels", OK, f"Other servers get Phoenix {bundle.version} from here: {kinds} of servers.")

    def _host(self) -> list[FindingView]:
        names = sorted(path.name for path in self._logs.glob("*.log*")) if self._logs.is_dir() else []
        logs = f"Log files in {self._logs}: {', '.join(names) or 'none yet'}."
        mode = self._data_dir.stat().st_mode & 0o777
        data = FindingView("data directory", OK, f"{self._data_dir}, mode {mode:o}, owner uid {os.getuid()}.")
        if mode & 0o077:
            text = f"Others may look into {self._data_dir} (mode {mode:o})."
            data = FindingView("data directory", WARNING, text, f"`chmod 700 {self._data_dir}`")
        return [data, FindingView("logs", OK, logs)]


def _loss(row: SnapshotRow) -> FindingView:
    text = (
        f"Snapshot {row.id[:SHORT_ID_DIGITS]} of {row.server_name}, taken {row.created_at:%Y-%m-%d %H:%M:%S} UTC, is "
        "lost: its object is gone from the vault, or damaged."
    )
    hint = (
        f"Put snapshots/{row.id} back into the vault from a copy. Where there is none, back {row.server_name} up "
        f"again, and give this one up: `phoenix snapshot remove {row.id[:SHORT_ID_DIGITS]} --at-once`."
    )
    return FindingView("snapshots", ERROR, text, hint)


def _all_there(view: VaultView) -> list[FindingView]:
    if view.lost_snapshots:
        return []
    there = f"{amount(view.snapshots, 'snapshot')}, none known to be lost." if view.snapshots else "There is none yet."
    return [FindingView("snapshots", OK, there)]


def _version(peer: PeerRow) -> Iterator[FindingView]:
    subject = f"server {peer.name}"
    text = f"The agent is of version {peer.version}, this core of {__version__}"
    hint = "On that server: `phoenix agent upgrade`, or the line of `phoenix server add`."
    match standing(peer.version, __version__):
        case Standing.BEHIND:
            yield FindingView(subject, WARNING, f"{text}: it is served, and behind.", hint)
        case Standing.TOO_OLD:
            yield FindingView(subject, ERROR, f"{text}: it is too old and isn't let in.", hint)
        case Standing.AHEAD:
            hint = "Upgrade the core first the next time: install the newer Phoenix on its host."
            yield FindingView(subject, WARNING, f"{text}: it is newer than the core.", hint)
        case Standing.UNKNOWN:
            yield FindingView(subject, WARNING, f"{text}: which is older can't be told.", hint)


def _away(peer: PeerRow, *, lone: bool) -> FindingView:
    subject = f"server {peer.name}"
    seen = f"{peer.last_seen_at:%Y-%m-%d %H:%M} UTC" if peer.last_seen_at else "never"
    if lone and peer.this_host:
        text = f"No core was running for this machine's agent to connect to; last seen: {seen}."
        return FindingView(subject, OK, text, "`phoenix backup`, `phoenix restore` and the console start both.")
    if lone:
        text = f"No core was running for the agent to connect to; last seen: {seen}."
        return FindingView(subject, WARNING, text, "Keep a core running for it: `phoenix core run`.")
    text = f"The agent is not connected; last seen: {seen}."
    return FindingView(subject, WARNING, text, "Start it there: `phoenix agent run`.")
