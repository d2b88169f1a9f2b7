"""A core serves agents of the version before, and tells older ones what to do."""

from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from phoenix_core import __version__
from phoenix_core.agentlink.errors import AgentTooOld, ProtocolMismatch, from_view
from phoenix_core.agentlink.messages import PROTOCOL_VERSION, Welcome
from phoenix_core.agentlink.served import check_version
from phoenix_core.domain.versions import Standing, standing
from tests.agentlink.bench import HELLO, CoreBench, greet, raw_peer, running_peer
from tests.agentlink.golden_messages import EXAMPLES
from tests.agentlink.releases import Recorded, recorded

SERVED = [each for each in recorded() if standing(each.version, __version__).is_served]
ANSWERED = {
    "Hello": "Welcome",
    "Heartbeat": "HeartbeatAnswer",
    "KeysRequest": "KeysAnswer",
    "TokenRequest": "TokenAnswer",
    "CertificateRequest": "CertificateAnswer",
    "OwnRestoreRequest": "OwnRestoreAnswer",
    "Report": "ReportAck",
}
"""What an agent of 0.1 waits for."""
ORDERS = ("BackupOrder", "RestoreOrder", "CancelOrder", "JobKnown", "SnapshotRecorded")


def test_the_version_that_runs_is_recorded() -> None:
    assert __version__ in {each.version for each in recorded()}


@pytest.mark.parametrize("release", SERVED, ids=lambda each: each.version)
async def test_an_agent_of_a_served_version_says_all_it_can_say_and_understands_every_answer(
    core: CoreBench, tmp_path: Path, release: Recorded
) -> None:
    await core.enrol(tmp_path / "agent")
    async with raw_peer(core, tmp_path / "agent") as socket:
        for frame in release.agent:
            await socket.send_bytes(frame)
            wanted = ANSWERED.get(msgspec.msgpack.decode(frame)["type"])
            if wanted is not None:
                assert (await understood(socket, release))["type"] == wanted
        assert len(core.engine.reports) == sum(
            msgspec.msgpack.decode(each)["type"] == "Report" for each in release.agent
        )
        for order in ORDERS:
            await core.hub.send("s1", EXAMPLES[order])
            assert (await understood(socket, release))["type"] == order


async def understood(socket: aiohttp.ClientWebSocketResponse, release: Recorded) -> dict[str, Any]:
    """The next frame, as an agent of that version reads it: it knows the type, the fields that it can't do without are
    there, and those that it knows are of the kind that they were."""
    frame: dict[str, Any] = msgspec.msgpack.decode(await socket.receive_bytes())
    known = {msgspec.msgpack.decode(each)["type"]: msgspec.msgpack.decode(each) for each in release.core}[frame["type"]]
    assert set(release.required[frame["type"]]) <= set(frame)
    for name, value in frame.items():
        if name in known and value is not None:
            assert type(value) is type(known[name]) or {type(value), type(known[name])} <= {int, float}, name
    return frame


@pytest.mark.parametrize("protocols", [range(1, 2), range(1, 3)])
async def test_a_core_of_the_next_protocol_serves_todays_agent_in_its_own(
    core: CoreBench, tmp_path: Path, protocols: range
) -> None:
    await core.stop()
    core.protocols = protocols
    await core.start()
    await core.enrol(tmp_path / "agent")
    async with running_peer(tmp_path / "agent") as peer:
        await peer.agent.changes.until(lambda: peer.agent.welcomes)
        assert peer.agent.welcomes[0].protocol == PROTOCOL_VERSION


async def test_a_core_two_protocols_on_refuses_it_and_says_what_to_do(core: CoreBench, tmp_path: Path) -> None:
    await core.stop()
    core.protocols = range(PROTOCOL_VERSION + 1, PROTOCOL_VERSION + 3)
    await core.start()
    await core.enrol(tmp_path / "agent")
    async with running_peer(tmp_path / "agent") as peer:
        await peer.agent.changes.until(lambda: peer.agent.failures)
        failure = peer.agent.failures[0]
    assert isinstance(failure, ProtocolMismatch)
    assert "phoenix agent upgrade" in failure.what_to_do


async def test_an_agent_two_minor_versions_behind_is_refused_and_one_behind_is_let_in(
    core: CoreBench, tmp_path: Path
) -> None:
    await core.stop()
    core.version = "0.9.2"
    await core.start()
    await core.enrol(tmp_path / "agent")
    for version, served in (("0.9.0", True), ("0.8.7", True), ("0.10.0", True), ("0.7.9", False), ("dev", True)):
        async with raw_peer(core, tmp_path / "agent") as socket:
            answer = await greet(socket, msgspec.structs.replace(HELLO, version=version))
        assert isinstance(answer, Welcome) is served, version
        if not served:
            assert answer.error.code == "agent_too_old"  # type: ignore[union-attr]
            assert "0.8 and newer" in answer.error.message  # type: ignore[union-attr]
            assert "phoenix agent upgrade" in answer.error.hint  # type: ignore[union-attr]


def test_a_refusal_for_age_travels_as_what_it_is() -> None:
    with pytest.raises(AgentTooOld) as error:
        check_version("0.1.0", "0.3.0")
    assert isinstance(from_view(error.value.view()), AgentTooOld)
    assert error.value.view().fields == {"found": "0.1.0", "known": "0.3.0", "oldest": "0.2"}


@pytest.mark.parametrize(
    ("agent", "core", "wanted"),
    [
        ("0.1.0", "0.1.0", Standing.CURRENT),
        ("0.1.0", "0.1.3", Standing.BEHIND),
        ("0.1.9", "0.2.0", Standing.BEHIND),
        ("0.1.9", "0.3.0", Standing.TOO_OLD),
        ("0.2.0", "0.1.0", Standing.AHEAD),
        ("0.9.4", "1.0.0", Standing.BEHIND),
        ("0.9.4", "1.1.0", Standing.TOO_OLD),
        ("1.4.0", "3.0.0", Standing.TOO_OLD),
        ("0.1.0", "0.1.0+local", Standing.CURRENT),
        ("", "0.1.0", Standing.UNKNOWN),
        ("x" * 10_000, "0.1.0", Standing.UNKNOWN),
    ],
)
def test_versions_beside_each_other(agent: str, core: str, wanted: Standing) -> None:
    assert standing(agent, core) is wanted
