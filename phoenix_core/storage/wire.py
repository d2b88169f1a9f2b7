"""What travels to a storage node, as MessagePack: the calls of jobs and of the core, and their answers.

Both ways in carry the same calls: the hand-over socket in frames of their own (`frames`), HTTPS as request bodies. A
call is a map whose key `op` names it; an answer is a map with `result` or `error`. Golden files pin the encoding.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from phoenix_core.domain.errors import ErrorView
from phoenix_core.vault.location import Id32
from phoenix_core.vault.packinfo import PackState

ROOT = "/storage/v1"
"""Where the service is on a node's HTTPS port."""
CONTENT_TYPE = "application/msgpack"
MAX_CALL_BYTES = 256 << 20
"""A sealed snapshot is the largest thing in a call."""


class Call(msgspec.Struct, frozen=True, tag_field="op", tag=True, omit_defaults=True):
    """Base of all calls."""


# --- calls of jobs ----------------------------------------------------------------------------------------------------


class Present(Call, frozen=True):
    ids: list[Id32]
    writer: Annotated[int, Meta(ge=0)] = 0


class PutPack(Call, frozen=True):
    """Over the hand-over socket only, with the pack's descriptor beside it."""

    pack_id: Id32
    length: Annotated[int, Meta(ge=0)]


class OpenPackCall(Call, frozen=True, tag="OpenPack"):
    """Over the hand-over socket only; the answer carries a read-only descriptor."""

    pack_id: Id32


class Locate(Call, frozen=True):
    ids: list[Id32]


class StageSnapshot(Call, frozen=True):
    sealed: bytes


class RenewLease(Call, frozen=True):
    pass


JobCall = Present | PutPack | OpenPackCall | Locate | StageSnapshot | RenewLease


# --- calls of the core ------------------------------------------------------------------------------------------------


class Status(Call, frozen=True):
    pass


class OpenLease(Call, frozen=True):
    lease: str
    job: str
    server_id: str
    parent: str = ""


class CloseLease(Call, frozen=True):
    lease: str


class ListLeases(Call, frozen=True):
    pass


class Grant(Call, frozen=True):
    job: str
    pack_ids: list[Id32]


class CoreLocate(Call, frozen=True):
    ids: list[Id32]


class LocateAll(Call, frozen=True):
    ids: list[Id32]
    lost: bool = False


class PackHeads(Call, frozen=True):
    pack_ids: list[Id32]


class GetPackInfo(Call, frozen=True):
    pack_id: Id32


class PacksPage(Call, frozen=True):
    after: bytes = b""


class StoredPacks(Call, frozen=True):
    """A page of packs in the store after this one; the first page without."""

    after: bytes = b""


class MarkProved(Call, frozen=True):
    pack_id: Id32


class MarkDamaged(Call, frozen=True):
    pack_id: Id32
    state: PackState


class ListSnapshots(Call, frozen=True):
    pass


class ReadSnapshot(Call, frozen=True):
    snapshot_id: str


class DeleteSnapshot(Call, frozen=True):
    snapshot_id: str


class AppendRecord(Call, frozen=True):
    sequence: int
    record: bytes
    lease: str = ""


class Records(Call, frozen=True):
    after: int = 0


class Condemn(Call, frozen=True):
    pack_ids: list[Id32]
    seen_record: int = -1


class Sweep(Call, frozen=True):
    sweep: int


class VoidSweeps(Call, frozen=True):
    pass


class RebuildIndex(Call, frozen=True):
    pass


class ContentsOf(Call, frozen=True):
    pack_ids: list[Id32]


class LookAfter(Call, frozen=True):
    """The objects that the node keeps for itself; with `mend` what can be is written anew first."""

    mend: bool = False


class AddIndexKey(Call, frozen=True):
    domain: str
    epoch: int
    key: bytes


CoreCall = (
    Status
    | OpenLease
    | CloseLease
    | ListLeases
    | Grant
    | CoreLocate
    | LocateAll
    | PackHeads
    | GetPackInfo
    | PacksPage
    | StoredPacks
    | MarkProved
    | MarkDamaged
    | ListSnapshots
    | ReadSnapshot
    | DeleteSnapshot
    | AppendRecord
    | Records
    | Condemn
    | Sweep
    | VoidSweeps
    | RebuildIndex
    | ContentsOf
    | LookAfter
    | AddIndexKey
)


class Request(msgspec.Struct, frozen=True):
    """A frame over the hand-over socket."""

    token: str
    call: JobCall


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """`result` is of the type that the call's method gives, `error` is set where it failed."""

    result: Any = None
    error: ErrorView | None = None


class RawAnswer(msgspec.Struct, frozen=True):
    """An `Answer` whose result is decoded once its type is known."""

    result: msgspec.Raw = msgspec.Raw(b"\xc0")
    error: ErrorView | None = None


encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_job_call = msgspec.msgpack.Decoder(JobCall).decode
decode_core_call = msgspec.msgpack.Decoder(CoreCall).decode
decode_answer = msgspec.msgpack.Decoder(RawAnswer).decode
