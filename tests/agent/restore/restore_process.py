"""A restore in a process of its own, that a test can kill: `python -m tests.agent.restore.restore_process FILE`.

Stops for good once it has handed `windows` times `window_files` files to its workers, and says so with a line
`reached`; where the order's grant grows, when it waits for that.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agent.restore import dispatch, fill
from phoenix_core.agent.restore.blockplan import BlockPlan
from phoenix_core.agent.restore.records import Wanted
from phoenix_core.agent.restore.restore_job import RestoreJob
from phoenix_core.agent.restore.workermessages import Batch
from phoenix_core.agentlink.messages import RestoreOrder
from phoenix_core.agentlink.reports import Progress, ReportBody
from phoenix_core.storage.handover_client import SocketJobNode
from phoenix_core.vault.location import BlockRef
from phoenix_core.vault.packkeys import PackKeys
from phoenix_core.vault.vaultkey import VaultKey


class Script(msgspec.Struct):
    order: RestoreOrder
    vault_key: bytes
    state_dir: str
    windows: int
    window_files: int = 40


class ScriptPorts:
    """The core's part is done here, with the vault key."""

    def __init__(self, script: Script) -> None:
        self.cancelled = threading.Event()
        self.cancelled_by = ""
        self.signing_key = Ed25519PrivateKey.generate()
        self.tls = None
        self.state_dir = Path(script.state_dir)
        node = SocketJobNode(Path(script.order.storage.socket_path), script.order.storage.token)
        self._keys = PackKeys(node.open_pack, VaultKey.from_bytes(script.vault_key))

    def report(self, body: ReportBody) -> None: ...

    def progress(self, progress: Progress) -> None: ...

    def block_keys(self, refs: Sequence[BlockRef]) -> list[bytes]:
        return list(self._keys.block_keys(refs))

    def grown(self, seen: int) -> tuple[int, bool]:
        print("reached", flush=True)
        signal.pause()
        return seen, True

    def fresh_token(self) -> str:
        return ""

    def remember_pack_keys(self, keys: Mapping[bytes, bytes]) -> None: ...

    def recall_pack_keys(self, pack_ids: Sequence[bytes]) -> dict[bytes, bytes]:
        return {}


def main() -> None:
    script = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=Script)
    fill.WINDOW_FILES = script.window_files
    dispatch.QUEUED_PER_WORKER = 3
    plan_batches, left = BlockPlan.batches, script.windows

    def counted(
        plan: BlockPlan, items: Sequence[Wanted], number: Callable[[], int]
    ) -> Iterator[tuple[Batch[msgspec.Raw], list[Wanted]]]:
        nonlocal left
        left -= bool(items)
        if left < 0:
            print("reached", flush=True)
            signal.pause()
        return plan_batches(plan, items, number)

    BlockPlan.batches = counted  # type: ignore[method-assign,assignment]
    RestoreJob(script.order, ScriptPorts(script)).run()


if __name__ == "__main__":
    main()
