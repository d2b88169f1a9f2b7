"""A backup to a storage node on another host: over HTTPS, with the agent's certificate, in the workers too."""

import os
import time
from pathlib import Path

import msgspec
import pytest

from phoenix_core.agent.linuxjobs import live_backup
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.domain.errors import PhoenixError
from tests.agent.vault_rig import VaultRig
from tests.storage.https import Pki, served


def test_a_backup_over_https_and_an_incremental_one_after_it(rig: VaultRig, source: Path, tmp_path: Path) -> None:
    data = os.urandom(3 * 2**20)
    (source / "large").write_bytes(data)
    for number in range(20):
        (source / f"small-{number}").write_bytes(os.urandom(1000))
    authority = Pki(tmp_path / "identities")
    with served(rig.node, authority.storage()) as (url, _):
        last: BackupResult | None = None
        for expected in (len(data) + 20_000, 0):
            order, ports = rig.backup_order(source, parent=last, workers=2)
            order = msgspec.structs.replace(
                order, storage=msgspec.structs.replace(order.storage, url=url, socket_path="")
            )
            ports.tls = authority.agent()
            last = live_backup(order, ports).run()
            rig.end(ports)
            assert last.read_bytes == expected
    assert last is not None
    assert rig.content(rig.entries(last.snapshot_id)[os.fsencode(source / "large")]) == data


def test_without_a_certificate_there_is_no_way(rig: VaultRig, source: Path) -> None:
    order, ports = rig.backup_order(source)
    order = msgspec.structs.replace(
        order, storage=msgspec.structs.replace(order.storage, url="https://127.0.0.1:9", socket_path="")
    )
    with pytest.raises(PhoenixError) as caught:
        live_backup(order, ports, patience_s=0.1).run()
    assert caught.value.view().code == "storage_unreachable"


def test_a_backup_stays_within_its_bandwidth(rig: VaultRig, source: Path, tmp_path: Path) -> None:
    for number in range(8):
        (source / f"{number}").write_bytes(os.urandom(2**19))
    authority = Pki(tmp_path / "identities")
    with served(rig.node, authority.storage()) as (url, _):
        order, ports = rig.backup_order(source, workers=2)
        storage = msgspec.structs.replace(order.storage, url=url, socket_path="")
        ports.tls = authority.agent()
        began = time.monotonic()
        result = live_backup(msgspec.structs.replace(order, storage=storage, bandwidth=("2M",)), ports).run()
        took_s = time.monotonic() - began
    assert not any("/pace" in os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_open(fd))
    assert result.stored_bytes > 4 * 2**20
    assert result.stored_bytes / took_s <= 1.1 * 2 * 2**20


def _is_open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")
