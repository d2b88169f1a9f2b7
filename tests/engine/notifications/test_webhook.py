"""Webhooks, against a real web server."""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from phoenix_core.domain.notifications import MessageState
from phoenix_core.engine.notifications import webhook
from phoenix_core.engine.notifications.errors import NotDelivered
from tests.engine.notifications.bench import Bench, failed
from tests.engine.notifications.servers import Certificate, silent_server, web_server


def says(text: str = "ok", status: int = 200) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status)

    return answer


async def test_a_webhook_gets_json_that_says_all(bench: Bench) -> None:
    async with web_server(says("accepted\nand more")) as (url, calls):
        await bench.webhook(f"{url}/hook")
        await bench.rule(channels=("hook",))
        await bench.holds(failed())
        await bench.deliver()
        (call,) = calls
        body = msgspec.json.decode(call.body)
        assert call.headers["Content-Type"] == "application/json"
        assert call.headers["X-Phoenix-Message"] == body["id"]
        assert "X-Phoenix-Signature" not in call.headers
        assert (body["version"], body["kind"], body["core"]) == (1, "at_once", "backup1")
        assert body["subject"] == "[Phoenix] ERROR: backup failed: web1"
        assert "What to do: Free space there." in body["text"]
        (alert,) = body["alerts"]
        assert (alert["change"], alert["kind"], alert["severity"]) == ("raised", "backup_failed", "error")
        assert (alert["subject"], alert["resolved_at"]) == ("web1", None)
        (sent,) = await bench.desk.messages("hook", 10)
        assert (sent.state, sent.answer) == (MessageState.DELIVERED, "HTTP 200 OK: accepted")


async def test_with_a_secret_the_call_is_signed(bench: Bench) -> None:
    async with web_server(says()) as (url, calls):
        await bench.webhook(url)
        await bench.desk.put_secret("hook", "s3cret", "root")
        await bench.desk.test("hook")
        (call,) = calls
        timestamp = call.headers["X-Phoenix-Timestamp"]
        expected = hmac.new(b"s3cret", timestamp.encode() + b"." + call.body, hashlib.sha256).hexdigest()
        assert call.headers["X-Phoenix-Signature"] == f"sha256={expected}"
        assert timestamp == str(int(bench.clock.now().timestamp()))


async def test_a_secret_in_the_url_is_put_in_and_never_shown(bench: Bench) -> None:
    async with web_server(says("no such hook: /t0p/s3cret", 404)) as (url, calls):
        await bench.webhook(f"{url}/hooks/{{secret}}")
        await bench.desk.put_secret("hook", "t0p/s3cret", "root")
        with pytest.raises(NotDelivered) as refused:
            await bench.desk.test("hook")
        assert calls[0].path == "/hooks/t0p%2Fs3cret"
        assert "X-Phoenix-Signature" not in calls[0].headers
        assert "HTTP 404" in refused.value.message
        assert "s3cret" not in str(refused.value.view())
        assert "s3cret" not in bench.data.catalog.read_bytes().decode("latin-1")


async def test_a_redirect_is_not_followed_and_says_where_it_leads(bench: Bench) -> None:
    async def elsewhere(request: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect("https://elsewhere.example.net/take")

    async with web_server(elsewhere) as (url, calls):
        await bench.webhook(url)
        with pytest.raises(NotDelivered, match=r"HTTP 307 Temporary Redirect, to https://elsewhere\.example\.net/take"):
            await bench.desk.test("hook")
        assert len(calls) == 1


async def test_an_error_is_told_with_the_first_line_of_its_body_and_tried_again(bench: Bench) -> None:
    answers = iter((500, 503, 204))

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text="it broke\nTraceback", status=next(answers))

    async with web_server(answer) as (url, calls):
        await bench.webhook(url)
        await bench.rule(channels=("hook",))
        await bench.holds(failed())
        await bench.deliver()
        (waiting,) = await bench.desk.messages("hook", 10)
        assert "HTTP 500 Internal Server Error: it broke" in waiting.problem
        await bench.deliver(after_s=61)
        await bench.deliver(after_s=121)
        (sent,) = await bench.desk.messages("hook", 10)
        assert (sent.state, sent.answer) == (MessageState.DELIVERED, "HTTP 204 No Content")
        assert len({call.headers["X-Phoenix-Message"] for call in calls}) == 1


@pytest.mark.parametrize("with_lines", [False, True])
async def test_a_body_without_end_is_not_read_to_its_end(
    bench: Bench, with_lines: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"line\n" if with_lines else b"x" * 65536)
        except ConnectionError:
            ended.set()
        return response

    async with web_server(endless) as (url, _calls):
        await bench.webhook(url)
        result = await bench.desk.test("hook")
        assert result.answer.startswith("HTTP 200 OK: ")
        assert len(result.answer) < 400
        await asyncio.wait_for(ended.wait(), 10)


async def test_a_body_that_trickles_is_not_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "ANSWER_S", 0.1)
    released = asyncio.Event()

    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"wai")
        await released.wait()
        return response

    async with web_server(trickle) as (url, _calls):
        await bench.webhook(url)
        assert (await bench.desk.test("hook")).answer == "HTTP 200 OK: wai"
        released.set()


async def test_one_that_hangs_is_given_up_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "WHOLE_S", 0.2)
    async with silent_server() as port:
        await bench.webhook(f"http://127.0.0.1:{port}/")
        with pytest.raises(NotDelivered, match="did not answer within"):
            await bench.desk.test("hook")


async def test_a_certificate_of_nobody_s_is_not_trusted(bench: Bench, tmp_path: Path) -> None:
    certificate = Certificate(tmp_path)
    async with web_server(says(), certificate) as (url, calls):
        await bench.webhook(url)
        with pytest.raises(NotDelivered, match="certificate is not trusted"):
            await bench.desk.test("hook")
        assert calls == []
        await bench.webhook(url, ca_file=str(certificate.file))
        assert (await bench.desk.test("hook")).answer == "HTTP 200 OK: ok"
