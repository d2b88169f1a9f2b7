"""The running jobs that agents work on, so that what comes over the link finds its job."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

from phoenix_core.agentlink.messages import Message
from phoenix_core.domain.clock import Clock
from phoenix_core.engine.agent_work import AgentWork, Order, Sender
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.workflow import JobRun


class AgentJobs:
    """Used from the event loop only."""

    def __init__(self, sender: Sender, settings: Settings, name_of: Callable[[str], str], clock: Clock) -> None:
        """`name_of`: a server's name by its id."""
        self._sender = sender
        self._name_of = name_of
        self._settings = settings
        self._clock = clock
        self._works: dict[str, AgentWork] = {}
        self._named: dict[str, frozenset[str]] = {}
        """The jobs that each connected peer named when it connected."""
        self._dialled: dict[str, str] = {}
        self._features: dict[str, frozenset[str]] = {}

    @contextmanager
    def working(self, run: JobRun, make_order: Callable[[], Awaitable[Order]]) -> Iterator[AgentWork]:
        """The agent's part of a job, for the time of the block."""
        work = AgentWork(
            run.job.id,
            run.job.agent_id,
            self._name_of(run.job.agent_id),
            self._sender,
            make_order,
            self._clock,
            grace_s=lambda: self._settings.seconds("agent.grace_s"),
            cancel_grace_s=lambda: self._settings.seconds("agent.cancel_grace_s"),
            tell=run.stalled,
        )
        if run.resumed and run.job.last_report:
            work.sign_of_life()
        self._works[run.job.id] = work
        if run.resumed and run.job.agent_id in self._named:
            work.connected(named=run.job.id in self._named[run.job.agent_id])
        run.on_cancel(work.cancel)
        try:
            yield work
        finally:
            del self._works[run.job.id]

    async def send(self, peer_id: str, message: Message) -> None:
        """Raises a PhoenixError where the peer is not connected."""
        await self._sender.send(peer_id, message)

    def get(self, job_id: str) -> AgentWork | None:
        return self._works.get(job_id)

    def dialled(self, peer_id: str) -> str:
        """The core's address that the peer reached it at last; empty: not known."""
        return self._dialled.get(peer_id, "")

    def knows(self, peer_id: str, feature: str) -> bool:
        """Whether the peer, when it connected last, said that it can do this; see `agentlink.features`."""
        return feature in self._features.get(peer_id, ())

    def can(self, peer_id: str, features: Iterable[str]) -> None:
        """What a peer says that it can do; before it counts as connected."""
        self._features[peer_id] = frozenset(features)

    def connected(self, peer_id: str, named: Iterable[str], dialled: str = "") -> None:
        self._named[peer_id] = frozenset(named)
        if dialled.startswith("https://"):
            self._dialled[peer_id] = dialled
        for work in self._of(peer_id):
            work.connected(named=work.job_id in self._named[peer_id])

    def disconnected(self, peer_id: str) -> None:
        self._named.pop(peer_id, None)
        for work in self._of(peer_id):
            work.disconnected()

    def removed(self, peer_id: str) -> None:
        """The peer may not come back: nothing is waited for."""
        self._named.pop(peer_id, None)
        for work in self._of(peer_id):
            work.gone_for_good()

    def _of(self, peer_id: str) -> list[AgentWork]:
        return [work for work in self._works.values() if work.peer_id == peer_id]
