"""A vault that a storage node of its own keeps: enrolment, backup, restore, a node that is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from phoenix_core.agentlink.enrol import enrol
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.requests import (
    ActivationTokenRequest,
    BackupRequest,
    PruneRequest,
    RestoreRequest,
    VerifyRequest,
)
from phoenix_core.domain.states import JobState, VerifyDepth
from phoenix_core.engine import vault_opening
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.storage.node_enrolment import configure_node
from phoenix_core.storage.nodeconfig import NodeConfig
from phoenix_core.storage.run import run_storage_node
from tests.engine.rig import Rig, running_rig


@asynccontextmanager
async def storage_node(data: DataDirectory) -> AsyncIterator[str]:
    """The node, running; gives its address."""
    stop = asyncio.Event()
    ready = asyncio.Event()
    addresses: list[str] = []

    def serves(address: str) -> None:
        addresses.append(address)
        ready.set()

    running = asyncio.create_task(run_storage_node(data, stop, ready=serves))
    running.add_done_callback(lambda task: ready.set())
    await ready.wait()
    try:
        yield addresses[0] if addresses else ""
    finally:
        stop.set()
        await running


async def enrolled(rig: Rig, data: DataDirectory, url: str) -> None:
    token = await rig.client.activation_token(ActivationTokenRequest(role="storage", name="nas"))
    await asyncio.to_thread(data.create)
    done = await enrol(token.token, data.node, "storage", hostname="nas", platform="Linux", url=url)
    await asyncio.to_thread(
        configure_node, data, done.role_config, vault_path=None, listen_host="127.0.0.1", listen_port=0
    )


async def keep_port(data: DataDirectory, address: str) -> None:
    """Have the node listen where it did."""
    config = await asyncio.to_thread(NodeConfig.load, data.node)
    port = int(address.rsplit(":", 1)[1])
    await asyncio.to_thread(msgspec.structs.replace(config, listen_port=port).save, data.node)


async def test_a_vault_on_a_storage_node_elsewhere_serves_backup_restore_verify_and_prune(
    rig: Rig, tmp_path: Path
) -> None:
    data = DataDirectory(tmp_path / "nas")
    await enrolled(rig, data, "https://127.0.0.1:1")
    async with storage_node(data) as address:
        await rig.client.set_setting("storage.node", address)
        agent = await rig.agent()
        await rig.restart()
        assert rig.core is not None
        assert rig.core.embedded_node is None
        await rig.until(lambda: connected(rig))
        done = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
        assert done.state is JobState.SUCCESSFUL, done.error
        assert agent.orders[-1].storage.url == address
        assert agent.orders[-1].storage.socket_path == ""
        restored = await rig.ended((await rig.client.restore(RestoreRequest(server="web1"))).id)
        assert restored.state is JobState.SUCCESSFUL, restored.error
        assert agent.restored == agent.files
        assert (await rig.client.entries("latest", "/srv")).total == 2

        async def proved() -> bool:
            return (await rig.client.snapshot("latest")).proved

        await rig.until(proved)
        verified = await rig.ended((await rig.client.verify(VerifyRequest(depth=VerifyDepth.CHUNKS))).id)
        assert verified.state is JobState.SUCCESSFUL, verified.error
        pruned = await rig.ended((await rig.client.prune(PruneRequest(execute=True))).id)
        assert pruned.state is JobState.SUCCESSFUL, pruned.error
        (node,) = await rig.client.storage_nodes()
        assert (node.name, node.embedded) == ("nas", False)
        assert (await rig.client.vault()).location == f"storage node {address}"
    assert (data.vault / "vault.json").exists()


async def connected(rig: Rig) -> bool:
    return (await rig.client.server("web1")).connected


async def test_a_storage_node_that_is_away_at_the_start_is_waited_for(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_opening, "RETRY_S", 0.05)
    data = DataDirectory(tmp_path / "nas")
    await enrolled(rig, data, "https://127.0.0.1:1")
    async with storage_node(data) as address:
        await keep_port(data, address)
        await rig.client.set_setting("storage.node", address)
    await rig.agent()
    await rig.restart()
    status = await rig.client.status()
    assert status.vault is not None
    assert status.vault.key_available
    assert "can't be reached" in status.vault.problem
    assert any(each.subject == "storage node" and each.state == "error" for each in await rig.client.doctor())
    with pytest.raises(RemoteError) as error:
        await rig.client.verify()
    assert error.value.view().code == "storage_unreachable"
    async with storage_node(data):

        async def opened() -> bool:
            vault = (await rig.client.status()).vault
            return vault is not None and not vault.problem

        await rig.until(opened)
        done = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
        assert done.state is JobState.SUCCESSFUL, done.error


async def test_the_node_is_chosen_by_its_name(rig: Rig, tmp_path: Path) -> None:
    data = DataDirectory(tmp_path / "nas")
    async with running_rig(tmp_path / "port") as other:
        assert other.core is not None
        free = other.core.link_url
    await enrolled(rig, data, free)
    port = int(free.rsplit(":", 1)[1])
    config = await asyncio.to_thread(NodeConfig.load, data.node)
    await asyncio.to_thread(msgspec.structs.replace(config, listen_port=port).save, data.node)
    async with storage_node(data):
        await rig.client.set_setting("storage.node", "nas")
        await rig.restart()
        (node,) = await rig.client.storage_nodes()
        assert (node.url, node.connected) == (free, True)


async def test_an_unknown_node_is_refused_and_the_known_ones_are_named(rig: Rig, tmp_path: Path) -> None:
    await enrolled(rig, DataDirectory(tmp_path / "node"), "https://127.0.0.1:1")
    with pytest.raises(RemoteError, match="No storage node named nobody is enrolled") as refused:
        await rig.client.set_setting("storage.node", "nobody")
    assert refused.value.view().hint.startswith("Enrolled: nas. ")
    assert "`phoenix setting set storage.node ''` the core's own folder" in refused.value.view().hint
    for chosen in ("nas", ""):
        assert (await rig.client.set_setting("storage.node", chosen)).value == chosen


async def choose_unchecked(rig: Rig, name: str) -> None:
    """As it is where a node went after it was chosen."""
    assert rig.core is not None
    stored = rig.core._parts.settings._stored
    await stored.put("storage.node", name, datetime.now(UTC), "test")


async def test_an_unknown_node_is_named(rig: Rig) -> None:
    await choose_unchecked(rig, "nobody")
    await rig.restart()
    vault = (await rig.client.status()).vault
    assert vault is not None
    assert "nobody" in vault.problem


async def test_a_storage_token_needs_a_vault(tmp_path: Path) -> None:
    async with running_rig(tmp_path, vault=False) as rig:
        with pytest.raises(RemoteError) as error:
            await rig.client.activation_token(ActivationTokenRequest(role="storage"))
        assert error.value.view().code == "no_vault"


async def test_a_node_that_nobody_enrolled_is_named_at_the_next_start(tmp_path: Path) -> None:
    async with running_rig(tmp_path) as rig:
        await choose_unchecked(rig, "nowhere")
        await rig.restart()
        assert (await rig.client.vault()).problem == "No storage node named nowhere is enrolled."
        with pytest.raises(RemoteError) as error:
            await rig.client.verify(VerifyRequest())
        assert "`phoenix setting set storage.node ''`" in error.value.view().hint
