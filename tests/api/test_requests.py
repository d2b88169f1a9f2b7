"""What the API does with bad requests, unknown names and unexpected failures."""

import pytest

from phoenix_core.client import CoreClient, CoreUnreachable
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.requests import ActivationTokenRequest, BackupRequest, RestoreRequest, VerifyRequest
from phoenix_core.engine.vault_view import Views
from phoenix_core.vault.vaultkey import VaultKey
from tests.api.raw import raw, refused
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig, running_rig

BAD_REQUESTS: list[tuple[str, str, bytes | None, int, str]] = [
    ("GET", "/v1/nothing", None, 404, "unknown_resource"),
    ("PATCH", "/v1/jobs", None, 405, "method_not_allowed"),
    ("POST", "/v1/backups", b"", 400, "usage"),
    ("POST", "/v1/backups", b"{", 400, "usage"),
    ("POST", "/v1/backups", b"[]", 400, "usage"),
    ("POST", "/v1/backups", b'{"server": 5}', 400, "usage"),
    ("POST", "/v1/backups", b'{"server": "\xff"}', 400, "usage"),
    ("POST", "/v1/backups", b'{"server": "nobody"}', 404, "not_found"),
    ("POST", "/v1/restores", b'{"server": "web1", "conflict": "perhaps"}', 400, "usage"),
    ("POST", "/v1/restores", b'{"server": "web1"}', 404, "no_snapshot"),
    ("GET", "/v1/jobs?limit=0", None, 400, "usage"),
    ("GET", "/v1/jobs?limit=many", None, 400, "usage"),
    ("GET", "/v1/jobs?state=sleeping", None, 400, "usage"),
    ("GET", "/v1/jobs?kind=haircut", None, 400, "usage"),
    ("GET", "/v1/jobs?server=nobody", None, 404, "not_found"),
    ("GET", "/v1/jobs?before=jnone", None, 404, "not_found"),
    ("GET", "/v1/jobs/jnone", None, 404, "not_found"),
    ("GET", "/v1/jobs/jnone/log?after=-1", None, 404, "not_found"),
    ("POST", "/v1/jobs/jnone/cancel", None, 404, "not_found"),
    ("POST", "/v1/jobs/jnone/retry", None, 404, "not_found"),
    ("GET", "/v1/snapshots/latest", None, 404, "no_snapshot"),
    ("GET", "/v1/snapshots/abc", None, 404, "snapshot_id_short"),
    ("GET", "/v1/snapshots/0123456789", None, 404, "not_found"),
    ("GET", "/v1/snapshots/%25%25%25%25%25%25%25", None, 404, "not_found"),
    ("GET", "/v1/servers/nobody", None, 404, "not_found"),
    ("DELETE", "/v1/servers/nobody", None, 404, "not_found"),
    ("POST", "/v1/activation-tokens", b'{"role": "emperor"}', 400, "usage"),
    ("POST", "/v1/activation-tokens", b'{"valid_s": 0}', 400, "usage"),
    ("POST", "/v1/activation-tokens", b'{"name": "web1"}', 409, "conflict"),
    ("POST", "/v1/vault/verify", b'{"depth": "bottomless"}', 400, "usage"),
    ("POST", "/v1/vault/verify", b'{"snapshots": ["0123456789"]}', 404, "not_found"),
    ("PUT", "/v1/settings/no.such", b'{"value": 1}', 404, "not_found"),
    ("PUT", "/v1/settings/warm_days", b'{"value": 0}', 400, "bad_setting"),
    ("PUT", "/v1/settings/warm_days", b'{"worth": 9}', 400, "usage"),
    ("GET", "/v1/events?after=yesterday", None, 400, "usage"),
]


async def test_a_bad_request_gets_a_clear_error(rig: Rig, agent: FakeAgent) -> None:
    for method, path, body, status, code in BAD_REQUESTS:
        found, view = await refused(rig, method, path, body)
        assert (found, view.code) == (status, code), (method, path, view)
        assert view.message
        assert view.hint


async def test_a_path_that_is_no_absolute_one_is_refused(rig: Rig, agent: FakeAgent) -> None:
    for path in ("relative", "", "/a/../b", "/a/./b", "/nul\\x00byte"):
        with pytest.raises(RemoteError) as error:
            await rig.client.backup(BackupRequest(server="web1", paths=(path,)))
        assert error.value.view().exit_code == 2, path


async def test_a_backup_without_paths_needs_an_earlier_one(rig: Rig, agent: FakeAgent) -> None:
    with pytest.raises(RemoteError) as error:
        await rig.client.backup(BackupRequest(server="web1"))
    assert error.value.view().code == "nothing_to_back_up"
    first = await rig.client.backup(BackupRequest(server="web1", paths=("/srv/", "//srv")))
    await rig.ended(first.id)
    assert (await rig.client.server("web1")).default_paths == ("/srv",)
    second = await rig.client.backup(BackupRequest(server="web1"))
    assert second.title == "Backup of web1: /srv, as last time"
    await rig.ended(second.id)


async def test_what_nobody_foresaw_is_an_answer_too(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_down(self: Views) -> None:
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr(Views, "servers", break_down)
    status, view = await refused(rig, "GET", "/v1/servers")
    assert (status, view.code) == (500, "internal")


async def test_without_a_vault_the_core_says_so_and_refuses_jobs(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with running_rig(tmp_path_factory.mktemp("empty"), vault=False) as rig:
        assert (await rig.client.status()).vault is None
        await rig.agent("web1")
        for attempt in (
            rig.client.backup(BackupRequest(server="web1", paths=("/srv",))),
            rig.client.restore(RestoreRequest(server="web1")),
            rig.client.verify(VerifyRequest()),
            rig.client.vault(),
        ):
            with pytest.raises(RemoteError) as error:
                await attempt
            assert error.value.view().code == "no_vault"
        assert any(each.subject == "vault" and each.state == "warning" for each in await rig.client.doctor())


async def test_with_a_locked_vault_the_core_runs_and_says_why(rig: Rig, agent: FakeAgent) -> None:
    await rig.stop()
    rig.key = None
    await rig.start()
    status = await rig.client.status()
    assert status.vault is not None
    assert not status.vault.key_available
    assert "not available" in status.vault.problem
    with pytest.raises(RemoteError) as error:
        await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    assert error.value.view().code == "vault_locked"
    assert any(each.subject == "vault key" and each.state == "error" for each in await rig.client.doctor())


async def test_the_key_of_another_vault_is_found_out(rig: Rig) -> None:
    await rig.stop()
    await rig.start(VaultKey.generate())
    with pytest.raises(RemoteError) as error:
        await rig.client.verify()
    assert error.value.view().code == "not_this_vaults_key"


async def test_an_activation_token_names_the_server_and_is_used_once(rig: Rig) -> None:
    token = await rig.client.activation_token(ActivationTokenRequest(name="db1", valid_s=60))
    agent = FakeAgent(rig.root / "db1")
    await agent.enrol(token.token)
    assert (await rig.client.server("db1")).hostname == agent.facts.hostname
    again = FakeAgent(rig.root / "db1-again")
    with pytest.raises(Exception, match="was used"):
        await again.enrol(token.token)


async def test_two_hosts_of_one_name_stay_apart(rig: Rig) -> None:
    for number in range(2):
        token = await rig.client.activation_token()
        await FakeAgent(rig.root / f"twin{number}").enrol(token.token)
    assert [server.name for server in await rig.client.servers()] == ["web1", "web1-2"]


async def test_status_names_process_and_address(rig: Rig, agent: FakeAgent) -> None:
    status = await rig.client.status()
    assert status.data_dir == str(rig.data.root)
    assert (status.servers, status.servers_connected) == (1, 1)
    assert status.link_address.startswith("https://127.0.0.1:")
    assert rig.data.core_socket.stat().st_mode & 0o777 == 0o600


async def test_an_operator_stops_the_core(rig: Rig) -> None:
    assert rig.core is not None
    await rig.client.stop()
    assert rig.core.stop_requested.is_set()
    await rig.stop()
    with pytest.raises(CoreUnreachable, match="no core runs there"):
        await rig.client.status()


async def test_a_socket_below_a_very_long_path_is_reached(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("d") / ("long" * 40)
    root.mkdir()
    async with running_rig(root) as rig:
        assert (await rig.client.status()).vault is not None


async def test_a_client_without_a_core_says_what_to_do(rig: Rig) -> None:
    async with CoreClient(rig.root / "nowhere.sock") as client:
        with pytest.raises(CoreUnreachable) as error:
            await client.status()
    assert "phoenix core run" in error.value.what_to_do


async def test_settings_are_listed_changed_and_kept(rig: Rig) -> None:
    settings = {each.key: each for each in await rig.client.settings()}
    assert settings["warm_days"].value == settings["warm_days"].default == "90"
    assert (await rig.client.set_setting("storage.reserve_bytes", "2G")).value == str(2 << 30)
    status, view = await raw(rig, "PUT", "/v1/settings/prove.enabled", b'{"value": false}')
    assert (status, view["value"]) == (200, "false")
    await rig.restart()
    kept = {each.key: each.value for each in await rig.client.settings()}
    assert kept["storage.reserve_bytes"] == str(2 << 30)
    assert kept["prove.enabled"] == "false"
