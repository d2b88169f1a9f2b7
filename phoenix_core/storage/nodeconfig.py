"""What a storage node that runs alone was given when it was enrolled: `node.json` in its folder, of mode 0600.

Its TLS identity lies beside it (`agentlink.peerstate`). Nothing in it could read data: the index keys open only the
packs' tables of contents, and the vault's private key never comes here.
"""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from phoenix_core.host.atomicfile import make_folders, write_atomic
from phoenix_core.storage.errors import NodeNotConfigured

FILE_NAME = "node.json"
Key32 = Annotated[bytes, Meta(min_length=32, max_length=32)]


class IndexKey(msgspec.Struct, frozen=True):
    domain: str
    epoch: int
    key: Key32


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    vault_id: str
    """32 hex digits."""
    token_public_key: Key32
    """Of the core that signs storage tokens, Ed25519."""
    index_keys: tuple[IndexKey, ...]
    vault_path: str
    """The folder of the vault."""
    listen_host: str = "0.0.0.0"  # noqa: S104 # agents on other hosts dial in; every request needs a token
    listen_port: Annotated[int, Meta(ge=0, le=65535)] = 8443
    """0: one that is free."""
    format: int = 1

    def keys(self) -> dict[tuple[str, int], bytes]:
        """As StorageNode takes them."""
        return {(entry.domain, entry.epoch): entry.key for entry in self.index_keys}

    def with_key(self, key: IndexKey) -> "NodeConfig":
        others = (entry for entry in self.index_keys if (entry.domain, entry.epoch) != (key.domain, key.epoch))
        return msgspec.structs.replace(self, index_keys=(*others, key))

    def save(self, folder: Path) -> None:
        """Durably, making the folder if it isn't there."""
        make_folders(folder)
        write_atomic(folder / FILE_NAME, msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")

    @classmethod
    def load(cls, folder: Path) -> "NodeConfig":
        """Raises NodeNotConfigured."""
        path = folder / FILE_NAME
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError as error:
            raise NodeNotConfigured(path=path, detail="the file isn't there") from error
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise NodeNotConfigured(path=path, detail=error) from error
