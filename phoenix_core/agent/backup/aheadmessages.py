"""What a scan and the process that walks ahead of it say to each other: MessagePack over a pipe."""

import msgspec

from phoenix_core.agent.backup.records import Amounts
from phoenix_core.agent.backup.views import View
from phoenix_core.agentlink.messages import DomainAccess
from phoenix_core.agentlink.ruleorder import RuleOrder
from phoenix_core.domain.errors import ErrorView


class Setup(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Scan → walker, first."""

    state_dir: bytes
    domain: DomainAccess
    pack_keys: dict[bytes, bytes]
    """Of the agent's own copies of metadata packs."""
    never: tuple[bytes, ...]
    nice: int
    rules: tuple[RuleOrder, ...] = ()
    now_ns: int = 0
    """As for the scan's rules."""
    views: tuple[View, ...] = ()


class Walk(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Scan → walker: leave what you are at, and compare this folder with this tree of the parent."""

    path: bytes
    tree: bytes
    rules: int = 1
    """Those that hold there, see `ruleset.Takers`."""


class Unchanged(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A folder that, all the way down, is as a tree of the parent says."""

    path: bytes
    tree: bytes
    amounts: Amounts
    """What is in it, itself included."""
    data_bytes: int
    """Sizes of its files, holes left out."""


class Found(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """Walker → scan."""

    folders: tuple[Unchanged, ...]


class Taken(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """Walker → scan: the order came, and another may follow. So no more than one is ever on its way."""


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """Walker → scan, last: what ended it."""

    error: ErrorView


ToWalker = Setup | Walk
FromWalker = Found | Taken | Failed
encode = msgspec.msgpack.Encoder().encode
to_walker = msgspec.msgpack.Decoder(ToWalker)
from_walker = msgspec.msgpack.Decoder(FromWalker)
