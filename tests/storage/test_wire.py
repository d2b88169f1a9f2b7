"""The encoding of calls and answers is pinned: agents of an older release talk to newer nodes."""

import json
from pathlib import Path

import msgspec
import pytest

from phoenix_core.domain.errors import PhoenixError, RemoteError
from phoenix_core.storage import errors, wire
from phoenix_core.storage.node_api import LeaseInfo, NodeStatus, RebuildResult, SweepResult
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import Location
from phoenix_core.vault.packcontents import PackContents, Upkeep
from phoenix_core.vault.packinfo import PackInfo, PackState, ReadTimes
from phoenix_core.vault.packtail import TailBlock

ID = bytes(range(32))
PINNED: dict[str, object] = {
    "present": wire.Request("token", wire.Present([ID])),
    "put_pack": wire.Request("token", wire.PutPack(ID, 33_000_000)),
    "open_pack": wire.Request("token", wire.OpenPackCall(ID)),
    "locate": wire.Request("token", wire.Locate([ID])),
    "stage_snapshot": wire.Request("token", wire.StageSnapshot(b"sealed")),
    "renew_lease": wire.Request("token", wire.RenewLease()),
    "answer": wire.Answer(result=[True, False]),
    "refusal": wire.Answer(error=errors.LeaseLapsed(lease="l1", job="j1").view()),
    "location": Location(ID, 1, 1288, 1000, 0, 2000),
    "pack_info": PackInfo(ID, 33_000_000, "s1", "default", 1, PackKind.DATA, 40, PackState.USABLE, True, 1, 2),
    "lease_info": LeaseInfo("l1", "j1", "s1", 1),
    "node_status": NodeStatus("ab" * 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, True, None, ReadTimes(1, 2, 3)),
    "sweep_result": SweepResult(True, (), 1, 2),
    "rebuild_result": RebuildResult(1, 2, (), 0.5),
    "open_lease": wire.OpenLease("l1", "j1", "s1", "parent"),
    "grant": wire.Grant("j1", [ID]),
    "append_record": wire.AppendRecord(1, b"record", "l1"),
    "condemn": wire.Condemn([ID], 7),
    "mark_damaged": wire.MarkDamaged(ID, PackState.DAMAGED),
    "packs_page": wire.PacksPage(b"\0\0\0\1"),
    "sweep": wire.Sweep(3),
    "contents_of": wire.ContentsOf([ID]),
    "pack_contents": PackContents(b"head", (TailBlock(1288, 1000, 2000, ID, (2000,)),)),
    "look_after": wire.LookAfter(True),
    "upkeep": Upkeep(b"{}", False, "it is gone", ("index/ab",), 3),
}
GOLDEN = Path(__file__).parent / "golden" / "wire.json"


@pytest.mark.parametrize("name", sorted(PINNED))
def test_encodings_stay_what_they_are(name: str) -> None:
    assert wire.encode(PINNED[name]).hex() == json.loads(GOLDEN.read_text())[name]


def test_what_a_node_of_an_earlier_release_says_is_understood() -> None:
    golden = json.loads(GOLDEN.read_text())
    info = msgspec.msgpack.decode(bytes.fromhex(golden["earlier_pack_info"]), type=PackInfo)
    assert info == msgspec.structs.replace(PINNED["pack_info"], read_at_ns=0)  # type: ignore[type-var]
    status = msgspec.msgpack.decode(bytes.fromhex(golden["earlier_node_status"]), type=NodeStatus)
    assert status == msgspec.structs.replace(PINNED["node_status"], reads=None)  # type: ignore[type-var]


@pytest.mark.parametrize("name", [name for name, value in PINNED.items() if isinstance(value, wire.Request)])
def test_requests_are_read_back(name: str) -> None:
    assert wire.decode_request(wire.encode(PINNED[name])) == PINNED[name]


@pytest.mark.parametrize("length", [0, 31, 33, 600])
def test_ids_of_a_wrong_length_are_refused(length: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        wire.decode_job_call(wire.encode(wire.Present([bytes(length)])))


def test_every_error_of_the_package_survives_the_way() -> None:
    names = (
        "detail place action name pack reason job lease rights audience vault seen found sequence sweep host pid epoch",
        "folder expected path file_system what version packs",
    )
    fields = dict.fromkeys(" ".join(names).split(), "x")
    for cls in errors._CLASSES.values():
        error = cls(**fields)
        back = errors.from_view(msgspec.json.decode(msgspec.json.encode(error.view()), type=type(error.view())))
        assert type(back) is cls
        assert back.view() == error.view()


def test_an_error_of_a_later_release_keeps_its_words() -> None:
    class Later(PhoenixError):
        code = "later"
        template = "Something new: {what}."
        hint = "Do {what}."

    view = Later(what="this").view()
    back = errors.from_view(view)
    assert isinstance(back, RemoteError)
    assert (str(back), back.what_to_do, back.view()) == ("Something new: this.", "Do this.", view)


def test_an_error_that_lacks_a_field_here_keeps_its_words() -> None:
    view = msgspec.structs.replace(errors.LeaseLapsed(lease="l", job="j").view(), fields={})
    assert str(errors.from_view(view)) == view.message
