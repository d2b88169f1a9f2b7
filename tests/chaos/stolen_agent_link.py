"""What a stolen agent tries over the link, at enrolment, and at everything else that listens on the core's port."""

import ssl
from collections.abc import Awaitable, Callable

import aiohttp
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agentlink import frames
from phoenix_core.agentlink.certificates import identity_of, make_request
from phoenix_core.agentlink.dial import CONNECT_PATH, ENROL_PATH, http_session
from phoenix_core.agentlink.directions import FromCore
from phoenix_core.agentlink.messages import (
    BackupOrder,
    CertificateRequest,
    Hello,
    KeysRequest,
    Message,
    OwnRestoreRequest,
    Refused,
    TokenRequest,
)
from phoenix_core.agentlink.reports import Report
from phoenix_core.domain.requests import RestoreRequest
from phoenix_core.domain.states import JobState
from phoenix_core.vault.location import BlockRef
from tests.agentlink.golden_messages import EXAMPLES
from tests.chaos.stolen_agent_guesses import guesses
from tests.chaos.stolen_agent_loot import Loot
from tests.chaos.stolen_agent_messages import (
    answers_that_lie,
    each_message_about_others,
    lists_of_snapshots,
    questions_about_jobs,
)
from tests.chaos.stolen_agent_streams import (
    a_stream_beside_a_job,
    streams_in_odd_names,
    streams_of_others,
    too_many_streams,
)
from tests.engine.fake_agent import FakeAgent, until_cancelled

Try = Callable[[Loot], Awaitable[None]]


async def keys_of_others(loot: Loot) -> None:
    """Keys of blocks of the victims, in the job that runs, and in jobs that aren't there."""
    packs = await loot.off_loop(loot.foreign_packs)
    for pack_id in packs:
        block = BlockRef(pack_id, loot.dice.randrange(3))
        if isinstance(loot.order, BackupOrder):
            await loot.asked("a victim's block", KeysRequest(number=0, job=loot.order.job, blocks=(block,)))
        await loot.asked("a job that isn't there", KeysRequest(number=0, job="jnone", blocks=(block,)))
    for ordinal in (-1, 2**40):
        odd = (BlockRef(packs[0], ordinal), BlockRef(b"", 0))
        await loot.asked("an odd block", KeysRequest(number=0, job=loot.order.job, blocks=odd))
    loot.counts["blocks asked for"] += len(packs)


async def a_victims_snapshot(loot: Loot) -> None:
    """A restore of it, by its id and by a part of it, to wherever."""
    for snapshot in await loot.rig.client.snapshots():
        if snapshot.server_id == loot.server:
            continue
        for name in (snapshot.id, snapshot.id[:12]):
            request = OwnRestoreRequest(number=0, snapshot_id=name, paths=(), destination=b"/tmp/loot")
            await loot.asked("a victim's snapshot", request)
    for path in (b"relative", b"/a/../b", b"/\0"):
        request = OwnRestoreRequest(number=0, snapshot_id="latest", paths=(path,), destination=b"/tmp/loot")
        await loot.asked("a path that is none", request)


async def jobs_of_others(loot: Loot) -> None:
    """Tokens, keys and reports of a victim's job that runs."""
    victim: FakeAgent = loot.rig.agents[0]
    script, victim.on_restore = victim.on_restore, until_cancelled
    job = await loot.rig.client.restore(RestoreRequest(server="victim0"))
    await loot.rig.in_state(job.id, JobState.RUNNING)
    await loot.asked("a victim's token", TokenRequest(number=0, job=job.id))
    blocks = (BlockRef((await loot.off_loop(loot.foreign_packs))[0], 0),)
    await loot.asked("a victim's keys", KeysRequest(number=0, job=job.id, blocks=blocks))
    for body in (each.body for each in EXAMPLES.values() if isinstance(each, Report)):
        await loot.agent.report(job.id, body)
        loot.counts["reports on others' jobs"] += 1
    assert (await loot.rig.client.job(job.id)).state is JobState.RUNNING, "a report of another ended the job"
    await loot.rig.client.cancel(job.id)
    assert (await loot.rig.ended(job.id)).state is JobState.CANCELLED
    victim.on_restore = script


async def a_certificate_for_another(loot: Loot) -> None:
    """The name comes from the connection, whatever is asked for."""
    for pem in ("", "x", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"):
        await loot.asked("no request for a certificate", CertificateRequest(number=0, csr_pem=pem))
    request = CertificateRequest(number=0, csr_pem=make_request(Ed25519PrivateKey.generate()))
    answer = await loot.agent.link.request(request, 10)
    named = identity_of(x509.load_pem_x509_certificate(answer.certificate_pem.encode()))
    assert (named.peer_id, named.role) == (loot.server, "agent")
    loot.counts["certificates"] += 1


async def the_cores_port(loot: Loot) -> None:
    """Enrolment without a secret, and the operators' API: neither is open to an agent's certificate."""
    url = loot.agent.state.peer.urls[0]
    context = await loot.off_loop(loot.agent.state.tls.client_context)
    async with http_session(context, 10) as http:
        paths = ("/", "/v1/servers", "/v1/vault", "/v1/snapshots", "/v1/jobs", "/v1/settings", "/v1/core/stop")
        for path in paths:
            for method in ("GET", "POST", "DELETE"):
                async with http.request(method, url + path) as answer:
                    assert answer.status in {401, 403, 404, 405}, f"{method} {path}: {answer.status}"
                    loot.counts["refused"] += 1
        bodies = [
            b"",
            b"{}",
            b"[" * 30_000,
            b"x" * 70_000,
            msgspec.json.encode(
                {
                    "protocol": 1,
                    "secret": loot.dice.randbytes(32),
                    "role": loot.dice.choice(["agent", "storage", "core"]),
                    "hostname": "h",
                    "platform": "p",
                    "version": "1",
                    "csr_pem": make_request(Ed25519PrivateKey.generate()),
                    "machine_id": "0" * 32,
                }
            ),
        ]
        for body in bodies:
            async with http.post(url + ENROL_PATH, data=body) as answer:
                assert 400 <= answer.status < 500, f"enrolment: {answer.status}"
                assert (await answer.json())["code"]
                loot.counts["refused"] += 1
        for path in ("/storage/v1/job", "/storage/v1/core", "/storage/v1/packs/" + "0" * 64):
            async with http.request("GET" if "packs" in path else "POST", url + path) as answer:
                assert 400 <= answer.status < 500, f"{path} without a token: {answer.status}"
                loot.counts["refused"] += 1


async def what_only_the_core_says(loot: Loot) -> None:
    """Messages that only a core may send, and frames that are none. Ends the agent's own connection each time."""
    sent: list[bytes] = [frames.encode(each) for each in _of_the_core()]
    sent += [b"", b"\xc1", b"\x81", loot.dice.randbytes(40), b"\x91" * 5000]
    context = await loot.off_loop(loot.agent.state.tls.client_context)
    await loot.agent.disconnect()
    for frame in loot.dice.sample(sent, 4):
        refused = await _say(loot, context, frame)
        assert refused.error.code in {"message_unknown", "frame_garbled"}, refused
        loot.counts["refused"] += 1
    await loot.agent.start()


def _of_the_core() -> list[Message]:
    kinds = FromCore.__args__
    return [each for each in EXAMPLES.values() if isinstance(each, kinds)]


async def _say(loot: Loot, context: ssl.SSLContext, frame: bytes) -> Refused:
    hello = Hello(protocol=1, role="agent", version="1", hostname="h", platform="Linux x86_64")
    url = loot.agent.state.peer.urls[0] + CONNECT_PATH
    async with http_session(context, 10) as http, http.ws_connect(url) as socket:
        await socket.send_bytes(frames.encode(hello))
        await socket.receive()
        await socket.send_bytes(frame)
        while True:
            got = await socket.receive()
            assert got.type is aiohttp.WSMsgType.BINARY, f"the connection ended without a reason: {got}"
            message = frames.decode_from_core(got.data)
            if isinstance(message, Refused):
                return message


LINK: tuple[Try, ...] = (
    keys_of_others,
    a_victims_snapshot,
    jobs_of_others,
    questions_about_jobs,
    lists_of_snapshots,
    answers_that_lie,
    a_certificate_for_another,
    the_cores_port,
    streams_in_odd_names,
    streams_of_others,
    a_stream_beside_a_job,
    too_many_streams,
)
BETWEEN_JOBS: tuple[Try, ...] = (what_only_the_core_says, each_message_about_others, guesses)
