"""Requests of a peer that wait for their answer. They outlive a lost connection: asked again on the next one."""

import asyncio
from collections.abc import Iterator

import msgspec

from phoenix_core.agentlink.errors import AnswerLost, CoreAway, LinkClosed, from_view
from phoenix_core.agentlink.frames import encode
from phoenix_core.agentlink.growinggrant import GrantAnswer, GrantRequest
from phoenix_core.agentlink.messages import (
    CertificateAnswer,
    CertificateRequest,
    KeysAnswer,
    KeysRequest,
    OwnRestoreAnswer,
    OwnRestoreRequest,
    TokenAnswer,
    TokenRequest,
)
from phoenix_core.agentlink.ownrestore import OwnJobAnswer, OwnJobRequest, OwnSnapshotsAnswer, OwnSnapshotsRequest
from phoenix_core.agentlink.ownstream import OwnStreamAnswer, OwnStreamRequest
from phoenix_core.agentlink.ruletest import RuleTestAnswer, RuleTestPage
from phoenix_core.agentlink.upgradeorder import UpgradeNoted, UpgradeOutcome

Request = (
    KeysRequest
    | TokenRequest
    | CertificateRequest
    | OwnRestoreRequest
    | RuleTestPage
    | UpgradeOutcome
    | OwnStreamRequest
    | GrantRequest
    | OwnSnapshotsRequest
    | OwnJobRequest
)
Answer = (
    KeysAnswer
    | TokenAnswer
    | CertificateAnswer
    | OwnRestoreAnswer
    | RuleTestAnswer
    | UpgradeNoted
    | OwnStreamAnswer
    | GrantAnswer
    | OwnSnapshotsAnswer
    | OwnJobAnswer
)


class _Open:
    def __init__(self, request: Request, frame: bytes, answer: "asyncio.Future[Answer]") -> None:
        self.request = request
        self.frame = frame
        self.answer = answer
        self.sent = False


class Questions:
    """Used from the event loop only."""

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}
        self._last = 0
        self._wake = asyncio.Event()
        self._closed = False

    async def ask(self, request: Request, timeout_s: float) -> Answer:
        """Number the request, have it sent, wait for its answer.

        Raises CoreAway after `timeout_s`, AnswerLost, LinkClosed, FrameTooLarge, and the answer's error."""
        if self._closed:
            raise LinkClosed()
        self._last += 1
        number = self._last
        numbered = msgspec.structs.replace(request, number=number)
        question = _Open(numbered, encode(numbered), asyncio.get_running_loop().create_future())
        self._open[number] = question
        self._wake.set()
        try:
            async with asyncio.timeout(timeout_s):
                answer = await question.answer
        except TimeoutError as error:
            if isinstance(request, OwnRestoreRequest) and question.sent:  # it may have begun
                raise AnswerLost() from error
            raise CoreAway(timeout_s=f"{timeout_s:g}") from error
        finally:
            del self._open[number]
        if answer.error is not None:
            raise from_view(answer.error)
        return answer

    def answered(self, answer: Answer) -> None:
        """One that nobody waits for any more is dropped."""
        question = self._open.get(answer.number)
        if question is not None and not question.answer.done():
            question.answer.set_result(answer)

    def connection_lost(self) -> None:
        """What was sent may not have arrived. Asking twice is harmless, but for a restore, which would start twice."""
        for question in self._open.values():
            if not isinstance(question.request, OwnRestoreRequest):
                question.sent = False
            elif question.sent and not question.answer.done():
                question.answer.set_exception(AnswerLost())

    def close(self) -> None:
        """Nobody will answer any more."""
        self._closed = True
        for question in self._open.values():
            if not question.answer.done():
                question.answer.set_exception(LinkClosed())

    async def unsent(self) -> list[bytes]:
        """Wait until there are requests to send, and give their frames; they count as sent."""
        while True:
            self._wake.clear()
            found = list(self._pending())
            if found:
                for question in found:
                    question.sent = True
                return [question.frame for question in found]
            await self._wake.wait()

    def _pending(self) -> Iterator[_Open]:
        return (question for question in self._open.values() if not question.sent)
