"""What the other end says is shown without the secret, in whatever form it gives it back."""

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web

from phoenix_core.domain.notifications import MessageState, Security
from phoenix_core.engine.notifications.blotting import blotted
from phoenix_core.engine.notifications.errors import NotDelivered
from tests.engine.notifications.bench import Bench, failed
from tests.engine.notifications.servers import Certificate, mail_server, web_server

SECRET = "tr0ub4dor&3 /x"
IN_BASE64 = base64.b64encode(SECRET.encode()).decode()
OF_PLAIN = base64.b64encode(f"\0phoenix\0{SECRET}".encode()).decode()


@pytest.mark.parametrize(
    "form", [SECRET, quote(SECRET, safe=""), quote(SECRET).lower(), IN_BASE64, IN_BASE64.rstrip("="), OF_PLAIN]
)
def test_each_form_is_blotted_out(form: str) -> None:
    assert blotted(f"535 <{form}> is wrong, {form}!", SECRET, "phoenix") == "535 <…> is wrong, …!"


def test_without_a_secret_all_is_shown() -> None:
    assert blotted("250 OK", "") == "250 OK"


async def test_a_mail_server_that_gives_back_the_password_shows_it_to_nobody(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate = Certificate(tmp_path)
    async with mail_server(certificate, logs_in=True) as box:
        await bench.mail_channel(box.port, security=Security.STARTTLS, user="phoenix", ca_file=str(certificate.file))
        await bench.desk.put_secret("ops", SECRET, "root")
        await bench.rule()
        box.answers = [f"250 OK, {SECRET} was right"]
        assert (await bench.desk.test("ops")).answer == "250 OK, … was right"
        box.takes_login, box.refusal = False, f"535 5.7.8 {SECRET} is wrong ({OF_PLAIN})"
        with pytest.raises(NotDelivered, match=r"535 5\.7\.8 … is wrong") as refused:
            await bench.desk.test("ops")
        await bench.holds(failed())
        await bench.deliver()
        (waiting,) = await bench.desk.messages("ops", 10)
        assert waiting.state is MessageState.WAITING
        logged = capsys.readouterr().err
        assert "a message was not delivered" in logged
        told = [str(refused.value.view()), waiting.problem, logged]
        told.append(bench.data.catalog.read_bytes().decode("latin-1"))
        assert [each for each in told if SECRET in each or OF_PLAIN in each] == []


async def test_a_secret_is_blotted_before_an_answer_is_cut(bench: Bench) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text="x" * 290 + SECRET)

    async with web_server(answer) as (url, _calls):
        await bench.webhook(url)
        await bench.desk.put_secret("hook", SECRET, "root")
        assert (await bench.desk.test("hook")).answer == f"HTTP 200 OK: {'x' * 290}…"
