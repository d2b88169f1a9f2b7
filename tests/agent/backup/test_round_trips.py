"""An unchanged backup asks storage and core as often for many files as for few."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from phoenix_core.agent.linkports import LinkPorts
from phoenix_core.agent.linuxjobs import live_backup
from phoenix_core.agentlink.messages import KeysAnswer, KeysRequest, TokenAnswer
from phoenix_core.agentlink.peerstate import PeerState
from phoenix_core.agentlink.reports import BackupResult, Progress, ReportBody
from tests.agent.vault_rig import RigPorts, VaultRig
from tests.storage.https import Pki, served

IN_FOLDER = 20
MORE_OR_LESS = 2
"""What may differ all the same: of the same tree, from one run to the next."""


class CountingLink:
    """The agent's end of the link, answered as the core does. Progress isn't counted: it goes twice a second."""

    def __init__(self, ports: RigPorts) -> None:
        self.messages: Counter[str] = Counter()
        self._ports = ports

    def report(self, job: str, body: ReportBody) -> None:
        self.messages[type(body).__name__] += 1

    def progress(self, progress: Progress) -> None:
        pass

    def request_blocking(self, request: Any) -> Any:
        self.messages[type(request).__name__] += 1
        if isinstance(request, KeysRequest):
            return KeysAnswer(0, tuple(self._ports.block_keys(request.blocks)))
        return TokenAnswer(0, self._ports.fresh_token())


Build = Callable[[Path, int], None]


def wide(root: Path, folders: int) -> None:
    for number in range(folders):
        _fill(root / f"folder {number}")


def deep(root: Path, folders: int) -> None:
    """Chains of 25 folders, one below the other."""
    at = root
    for number in range(folders):
        at = (root if number % 25 == 0 else at) / f"folder {number}"
        _fill(at)


def _fill(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number in range(IN_FOLDER):
        (folder / f"{number}").write_bytes(b"%d" % number)


def asked(folder: Path, build: Build, folders: int) -> tuple[Counter[str], Counter[str]]:
    """Requests to the storage node and messages to the core of a backup that finds everything as it was."""
    folder.mkdir()
    source = folder / "source"
    source.mkdir()
    build(source, folders)
    rig = VaultRig(folder / "rig")
    authority = Pki(folder / "identities")
    authority.peer("agent", rig.state_dir)
    rig.signing_key = PeerState.load(rig.state_dir).signing_key()
    last: BackupResult | None = None
    try:
        with served(rig.node, authority.storage()) as (url, service):
            for _ in range(3):  # files that were just written are read again by the second one
                service.requests.clear()
                order, ports = rig.backup_order(source, parent=last, workers=2)
                storage = msgspec.structs.replace(order.storage, url=url, socket_path="")
                link = CountingLink(ports)
                job_ports = LinkPorts(order.job, link, rig.state_dir, rig.cache)
                last = live_backup(msgspec.structs.replace(order, storage=storage), job_ports).run()
                rig.end(ports)
    finally:
        rig.close()
    assert last is not None
    assert (last.files, last.changed_files) == (folders * IN_FOLDER, 0)
    return service.requests, link.messages


@pytest.fixture(scope="module")
def of_few(tmp_path_factory: pytest.TempPathFactory) -> tuple[Counter[str], Counter[str]]:
    """200 files in ten folders."""
    return asked(tmp_path_factory.mktemp("few") / "few", wide, 10)


@pytest.mark.parametrize("build", [wide, deep])
def test_5000_files_take_no_more_round_trips_than_200(
    tmp_path: Path, of_few: tuple[Counter[str], Counter[str]], build: Build
) -> None:
    of_many = asked(tmp_path / "many", build, 250)
    for few, many in zip(of_few, of_many, strict=True):
        assert few.total() > 0
        assert abs(many.total() - few.total()) <= MORE_OR_LESS, f"{few} became {many}"
