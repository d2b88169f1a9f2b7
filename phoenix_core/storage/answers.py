"""What a storage node elsewhere may answer. It may be of another release, broken, or in wrong hands: what can't be an
answer to what was asked is refused, by one typed error, before anybody relies on it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from phoenix_core.storage.errors import AnswerMalformed
from phoenix_core.vault.location import Id32
from phoenix_core.vault.malformed import MALFORMED
from phoenix_core.vault.packinfo import PackInfo

LARGE_ANSWER_BYTES = 1 << 30
"""Of an answer that grows with the vault: its records, names of its snapshots, what lies in many packs."""
MAX_PACKS = MAX_RECORDS = MAX_SNAPSHOTS = 1 << 24
"""Packs are listed page by page, for as long as the node has another one."""

Count = Annotated[int, Meta(ge=0)]
SnapshotNames = Annotated[list[Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]], Meta(max_length=MAX_SNAPSHOTS)]
NumberedRecords = Annotated[list[tuple[int, bytes]], Meta(max_length=MAX_RECORDS)]
PacksPage = list[tuple[bytes, PackInfo]]
StoredPage = list[tuple[Id32, Count]]
T = TypeVar("T")


def one_each(kind: Any, asked: Sequence[object]) -> Any:
    """The type of an answer with one of that kind for each thing that was asked about; more or fewer are none."""
    return Annotated[list[kind], Meta(min_length=len(asked), max_length=len(asked))]


def decoded(place: object, answer: bytes | bytearray | msgspec.Raw, kind: Any) -> Any:
    """Raises AnswerMalformed."""
    try:
        return msgspec.msgpack.decode(answer, type=kind)
    except MALFORMED as error:
        raise AnswerMalformed(place=place, detail=f"its answer can't be read ({error})") from error


def following(place: object, records: list[tuple[int, bytes]], after: int) -> list[tuple[int, bytes]]:
    """Records in the order of their numbers, all after that one. Raises AnswerMalformed."""
    for number, _ in records:
        if number <= after:
            raise AnswerMalformed(place=place, detail=f"record {number} is listed behind record {after}")
        after = number
    return records


def paged(place: object, ask: Callable[[bytes], list[tuple[bytes, T]]]) -> Iterator[tuple[bytes, T]]:
    """All that comes page by page, each with its position; a page goes on behind the last one of the page before, and
    an empty one ends it. Raises AnswerMalformed where the pages don't go on, or don't end."""
    after, listed = b"", 0
    while page := ask(after):
        places = [position for position, _ in page]
        if places[0] <= after or places != sorted(places):
            raise AnswerMalformed(place=place, detail="the pages of its list of packs don't follow one another")
        listed += len(page)
        if listed > MAX_PACKS:
            raise AnswerMalformed(place=place, detail=f"its list of packs goes on behind {MAX_PACKS:,} of them")
        after = places[-1]
        yield from page
