"""What a thief tries with streams, which an agent may hand over whenever it likes: others' names and jobs, floods, and
worthless dumps under the names of good ones."""

from collections.abc import Awaitable, Callable

import msgspec

from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.agentlink.ownstream import OwnStreamAnswer, OwnStreamRequest
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.states import JobState
from phoenix_core.domain.streams import path_of
from phoenix_core.domain.views import JobView
from phoenix_core.engine.own_streams import PER_DAY, TOKEN_MAX, WAITING_MAX
from tests.chaos.stolen_agent_endings import FAR, Ending, honest, with_changes
from tests.chaos.stolen_agent_loot import Loot, noise
from tests.engine.fake_agent import FakeAgent, back_up, until_cancelled

HANDED = "orders"
"""The stream that the server's owner hands over."""
ORDERED = "ledger"
"""The one that the core orders."""


def _request(loot: Loot, name: str, **more: object) -> OwnStreamRequest:
    request = OwnStreamRequest(number=0, token=loot.dice.randbytes(16).hex(), name=name)
    return msgspec.structs.replace(request, **more)


async def _ask(loot: Loot, request: OwnStreamRequest) -> OwnStreamAnswer:
    answer: OwnStreamAnswer = await loot.off_loop(lambda: loot.agent.link.request_blocking(request))
    view = await loot.rig.client.job(answer.job)
    assert view.server_id == loot.server, "a stream is of another server than of who handed it over"
    loot.counts["streams handed over"] += 1
    return answer


async def _cancel(loot: Loot, *jobs: str) -> None:
    for job in jobs:
        await loot.rig.client.cancel(job)
    for job in jobs:
        assert (await loot.rig.ended(job)).state is JobState.CANCELLED


# --- beside a job ----------------------------------------------------------------------------------------------------


async def streams_in_odd_names(loot: Loot) -> None:
    """Names, senders and tags that are none."""
    for name in ("", ".", "..", "a/b", "../x", "/etc/passwd", "a\0b", "a\nb", "é" * 101, "x" * 101, " x"):
        await loot.asked(f"a stream named {name!r}", _request(loot, name))
    for token in ("", "x" * (TOKEN_MAX + 1)):
        await loot.asked("a sender that is none", _request(loot, "x", token=token))
    await loot.asked("tags that are none", _request(loot, "x", tags=("\n",)))
    await loot.asked("tags without end", _request(loot, "x", tags=tuple(map(str, range(5000)))))
    loot.counts["streams in odd names"] += 15


async def streams_of_others(loot: Loot) -> None:
    """How others' jobs go, or jobs that aren't there."""
    jobs = [job.id for job in await loot.rig.client.jobs() if job.server_id not in ("", loot.server)]
    for job in (*jobs[:5], "jnone"):
        await loot.asked("a job of others", _request(loot, "x", job=job))
    loot.counts["others' jobs asked for"] += len(jobs[:5])


async def a_stream_beside_a_job(loot: Loot) -> None:
    """While a backup or restore of the server runs: in a victim's name it is a stream of the thief's own server, asked
    again it is the same, and of each name there is one."""
    usual, loot.agent.on_backup = loot.agent.on_backup, until_cancelled
    request = _request(loot, "victim0")
    first = await _ask(loot, request)
    assert (await _ask(loot, request)).job == first.job, "a stream that is asked for again is another one"
    await loot.asked("a second stream of the name", _request(loot, "victim0"))
    await _cancel(loot, first.job)
    loot.agent.on_backup = usual


async def too_many_streams(loot: Loot) -> None:
    """More than may wait, and more than there may be on a day."""
    usual, loot.agent.on_backup = loot.agent.on_backup, until_cancelled
    jobs = [(await _ask(loot, _request(loot, f"flood{number}"))).job for number in range(WAITING_MAX)]
    for number in range(WAITING_MAX, WAITING_MAX + 5):
        await loot.asked("one stream too many", _request(loot, f"flood{number}"))
    await _cancel(loot, *jobs)
    await loot.rig.client.set_setting(PER_DAY, "1")
    await loot.asked("a stream of a day that is used up", _request(loot, "more"))
    await loot.rig.client.set_setting(PER_DAY, "2000")
    loot.agent.on_backup = usual
    loot.counts["floods of streams"] += 1


# --- dumps -----------------------------------------------------------------------------------------------------------


async def good_dumps(loot: Loot, count: int) -> None:
    """What was made before the theft: dumps that the agent handed over, and others that the core ordered."""
    files, loot.agent.on_backup = loot.agent.files, back_up
    for _ in range(count):
        loot.agent.files = {path_of(HANDED): loot.dice.randbytes(2000)}
        done = await _ended(loot, HANDED)
        assert done.state is JobState.SUCCESSFUL, f"a good dump: {done.error}"
        loot.promised[done.snapshot_id] = "a dump that was handed over"
        loot.agent.files = {path_of(ORDERED): loot.dice.randbytes(2000)}
        asked = BackupRequest(loot.agent.facts.hostname, stream=ORDERED, script="dump")
        done = await loot.rig.ended((await loot.rig.client.backup(asked)).id)
        assert done.state is JobState.SUCCESSFUL, f"a good dump: {done.error}"
        loot.promised[done.snapshot_id] = "a dump that was ordered"
    loot.agent.files = files


async def worthless_dumps(loot: Loot) -> None:
    """Under the names of the good ones, more than the policy keeps; and such that say they are something else, which
    would be counted there."""
    for name in (HANDED, ORDERED):
        for _ in range(loot.dice.randint(3, 5)):
            loot.agent.on_backup = _worthless(loot, (path_of(name).encode(),))
            done = await _ended(loot, name)
            assert done.state is JobState.SUCCESSFUL, f"a worthless dump: {done.error}"
            loot.counts["worthless dumps"] += 1
    for paths in ((b"/srv",), (path_of(HANDED).encode(),), ()):
        loot.agent.on_backup = _worthless(loot, paths)
        done = await _ended(loot, "elsewhere")
        assert done.error is not None, "a dump became a snapshot of something else"
        assert (done.state, done.error.code) == (JobState.FAILED, "commit_refused"), f"a dump of {paths}: {done.error}"
        loot.counts["refused"] += 1
        loot.counts["dumps that say they are something else"] += 1


def _worthless(loot: Loot, paths: tuple[bytes, ...]) -> Callable[[FakeAgent, object], Awaitable[None]]:
    """Of these, as it says; by the dice dated far off."""
    endings: list[Ending] = [honest, *(with_changes(started_ns=at, finished_ns=at) for at in (FAR, -FAR))]
    ends = loot.dice.choice(endings)

    async def script(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, BackupOrder)
        loot.order = order
        agent.files = {path_of(HANDED): noise(loot.dice)}
        await ends(loot, msgspec.structs.replace(order, paths=paths))

    return script


async def _ended(loot: Loot, name: str) -> JobView:
    return await loot.rig.ended((await _ask(loot, _request(loot, name))).job)
