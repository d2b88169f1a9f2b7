"""Tests of content rules at a server, kept or not: the answer is written as the agent goes along."""

from contextlib import aclosing

import msgspec
from aiohttp import web

from phoenix_core.api.codec import body_of, json_answer
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.readymade import READY_MADE
from phoenix_core.domain.ruletest import RuleTestLine, RuleTestRequest
from phoenix_core.engine.policies.rule_tests import RuleTests

CONTENT_TYPE = "application/x-ndjson"


class RuleTestResource:
    def __init__(self, tests: RuleTests) -> None:
        self._tests = tests

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/ready-made-rules", self.ready_made),
            web.post("/v1/rule-tests", self.test),
        ]

    async def ready_made(self, request: web.Request) -> web.Response:
        return json_answer(READY_MADE)

    async def test(self, request: web.Request) -> web.StreamResponse:
        """One RuleTestLine a line. What goes wrong before the first is an answer of its own."""
        wanted = await body_of(request, RuleTestRequest)
        async with aclosing(self._tests.run(wanted)) as lines:
            first = await anext(lines)
            answer = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})
            await answer.prepare(request)
            try:
                await answer.write(_line(first))
                async for line in lines:
                    await answer.write(_line(line))
            except PhoenixError as error:
                await answer.write(_line(RuleTestLine(error=error.view())))
            except ConnectionError:
                pass  # whoever asked has gone; the agent is told with its next page
        return answer


def _line(line: RuleTestLine) -> bytes:
    return msgspec.json.encode(line) + b"\n"
