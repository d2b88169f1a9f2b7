"""The core's side of an agent's part, where the agent never hears of the job."""

import pytest

from phoenix_core.agentlink.messages import Message
from phoenix_core.domain.clock import SystemClock
from phoenix_core.domain.errors import Cancelled
from phoenix_core.engine.agent_work import AgentWork, Order


class Sent:
    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, peer_id: str, message: Message) -> None:
        self.messages.append(message)


async def no_order() -> Order:
    raise AssertionError("a cancelled job needs no order")


async def nobody(text: str, held_up: bool) -> None:
    del text, held_up


async def test_a_job_that_is_cancelled_before_its_order_went_out_ends_without_the_agent() -> None:
    sent = Sent()
    work = AgentWork(
        "j1", "s1", "web1", sent, no_order, SystemClock(), grace_s=lambda: 1, cancel_grace_s=lambda: 1, tell=nobody
    )
    work.cancel("an operator")
    with pytest.raises(Cancelled):
        await work.outcome(order=True)
    assert sent.messages == []
