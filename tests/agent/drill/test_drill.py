"""A drill restores to a scratch place, checks what came out against the snapshot by itself, and leaves nothing."""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from phoenix_core.agent.drill import drill_job, scratch
from phoenix_core.agent.drill.drill_job import DrillJob
from phoenix_core.agent.drill.errors import NoSpaceForDrill, ScratchUnusable
from phoenix_core.agent.linuxjobs import LinuxJobs
from phoenix_core.agent.restore.destination import Free
from phoenix_core.agent.restore.journal import PASSING, Journal
from phoenix_core.agent.restore.restore_job import RestoreJob
from phoenix_core.agentlink.drillmessages import SCRATCH_DESTINATION, DrillFindings, DrillTerms
from phoenix_core.agentlink.reports import BackupResult, RestoreResult
from phoenix_core.domain.errors import Cancelled, PhoenixError
from tests.agent import kinds_of_entries
from tests.agent.restore.other_user import NOBODY, as_nobody, open_folder
from tests.agent.restore.rig import RestoreRig, restore_rig
from tests.agent.restore.test_damage import flip, packs, spoil
from tests.agent.vault_rig import RigPorts

PLENTY = Free(2**50, -1)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[RestoreRig]:
    with restore_rig(tmp_path) as made:
        yield made


def drill(rig: RestoreRig, snapshot: BackupResult, paths: Sequence[Path | bytes] = (), **more: object) -> DrillFindings:
    order, ports = rig.order(snapshot, paths=paths, destination=SCRATCH_DESTINATION, drill=DrillTerms())
    try:
        result = DrillJob(order, ports, **more).run()  # type: ignore[arg-type]
    finally:
        rig.vault.end(ports)
    assert result.drill is not None
    return result.drill


def left(rig: RestoreRig) -> list[str]:
    """What lies in the scratch place."""
    return os.listdir(rig.vault.state_dir / "drill")


def journals(rig: RestoreRig) -> list[str]:
    return os.listdir(rig.vault.state_dir / "restores")


@contextmanager
def meddling(meddle: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Between restore and check something is changed below the scratch place."""

    class Meddler(RestoreJob):
        def run(self) -> RestoreResult:
            result = super().run()
            assert self._place is not None
            place = Path(os.fsdecode(self._place.path))
            times = {folder: folder.stat().st_mtime_ns for folder in place.rglob("*") if folder.is_dir()}
            meddle(place)
            for folder, time_ns in times.items():
                os.utime(folder, ns=(time_ns, time_ns))
            return result

    with monkeypatch.context() as patched:
        patched.setattr(drill_job, "RestoreJob", Meddler)
        yield


def test_every_kind_of_entry_is_proved_byte_for_byte_and_nothing_is_left(rig: RestoreRig) -> None:
    kinds_of_entries.build(rig.source, large_bytes=3 * 2**20 + 17, many=50)
    snapshot = rig.backup()
    found = drill(rig, snapshot)
    assert found.failures == ()
    assert found.failure_count == 0
    assert found.files == snapshot.files or found.files > 50
    assert found.bytes >= 3 * 2**20
    assert found.others > 10
    assert left(rig) == []
    assert not rig.target.exists()


def test_a_sample_is_proved_and_nothing_else_is_fetched(rig: RestoreRig) -> None:
    for number in range(6):
        folder = rig.source / f"folder {number % 2}"
        folder.mkdir(exist_ok=True)
        (folder / f"file {number}").write_bytes(random.Random(number).randbytes(10_000))
    (rig.source / "link").symlink_to("nowhere")
    snapshot = rig.backup()
    found = drill(
        rig, snapshot, [rig.source / "folder 0" / "file 2", rig.source / "folder 1" / "file 3", rig.source / "link"]
    )
    assert (found.files, found.bytes, found.others, found.failure_count) == (2, 20_000, 1, 0)


def test_an_order_of_a_drill_makes_one(rig: RestoreRig) -> None:
    (rig.source / "a").write_bytes(b"x")
    order, ports = rig.order(rig.backup(), destination=SCRATCH_DESTINATION, drill=DrillTerms())
    assert isinstance(LinuxJobs(ports.state_dir).make(order, ports), DrillJob)


def test_an_agent_that_knows_no_drills_refuses_the_order_and_writes_nothing(rig: RestoreRig) -> None:
    """What it would do with the order of this release: a restore to a place that is none."""
    (rig.source / "a").write_bytes(b"x")
    with pytest.raises(PhoenixError) as refusal:
        rig.restore(rig.backup(), destination=SCRATCH_DESTINATION)
    assert refusal.value.code == "destination_not_absolute"


def other_byte(place: Path) -> None:
    next(place.rglob("b")).write_bytes(b"other  bytes")


def other_time(place: Path) -> None:
    os.utime(next(place.rglob("b")), ns=(0, 0))


def other_mode(place: Path) -> None:
    next(place.rglob("b")).chmod(0o600)


def too_long(place: Path) -> None:
    with next(place.rglob("b")).open("ab") as file:
        file.write(b"!")


def gone(place: Path) -> None:
    next(place.rglob("b")).unlink()


def link(place: Path) -> None:
    path = next(place.rglob("b"))
    path.unlink()
    path.symlink_to("/etc/hostname")


def filled_hole(place: Path) -> None:
    with next(place.rglob("sparse")).open("r+b") as file:
        file.seek(1 << 20)
        file.write(b"here was nothing")


def elsewhere(place: Path) -> None:
    path = next(place.rglob("points"))
    path.unlink()
    path.symlink_to("b")


def no_hard_link(place: Path) -> None:
    path = next(place.rglob("twin"))
    data = path.read_bytes()
    status = path.stat()
    path.unlink()
    path.write_bytes(data)
    path.chmod(status.st_mode & 0o777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    ("meddle", "name", "what"),
    [
        (other_byte, "b", "its bytes are not those of the snapshot, from byte 0 on"),
        (other_time, "b", "time of modification"),
        (other_mode, "b", "mode 640"),
        (too_long, "b", "it has 13 bytes instead of 12"),
        (gone, "b", "not restored"),
        (link, "b", "it is of another type"),
        (filled_hole, "sparse", "it has data where the snapshot has a hole"),
        (elsewhere, "points", "it points elsewhere"),
        (no_hard_link, "twin", "it is no hard link any more"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_whatever_came_out_otherwise_fails_the_drill(
    rig: RestoreRig,
    meddle: Callable[[Path], None],
    name: str,
    what: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (rig.source / "a").write_bytes(b"as it was")
    (rig.source / "b").write_bytes(b"twelve bytes")
    (rig.source / "b").chmod(0o640)
    (rig.source / "points").symlink_to("a")
    (rig.source / "one").write_bytes(b"one file")
    (rig.source / "twin").hardlink_to(rig.source / "one")
    with (rig.source / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(8 << 20)
        file.write(b"end")
    snapshot = rig.backup()
    with meddling(meddle, monkeypatch):
        found = drill(rig, snapshot)
    assert found.failure_count == 1
    assert found.failures[0].path == str(rig.source / name)
    assert what in found.failures[0].what
    assert left(rig) == []
    assert drill(rig, snapshot).failure_count == 0


def test_of_a_damaged_snapshot_the_drill_names_the_files(rig: RestoreRig) -> None:
    for number in range(8):
        (rig.source / f"file {number}").write_bytes(random.Random(number).randbytes(300_000))
    snapshot = rig.backup()
    spoil(packs(rig, "data")[0], flip(200_000))
    found = drill(rig, snapshot)
    assert 0 < found.failure_count < 8
    assert {each.what for each in found.failures} == {"damaged"}
    assert all(each.path.startswith(str(rig.source / "file ")) for each in found.failures)
    assert left(rig) == []


def test_of_a_damaged_tree_the_drill_names_the_folder(rig: RestoreRig) -> None:
    (rig.source / "a").write_bytes(b"x" * 100)
    snapshot = rig.backup()
    spoil(packs(rig, "meta")[0], flip(1400))
    order, ports = rig.order(snapshot, paths=[b"/"], destination=SCRATCH_DESTINATION, drill=DrillTerms())
    ports.use_cache = False
    result = DrillJob(order, ports).run()
    assert result.drill is not None
    assert result.drill.failure_count >= 1
    assert "damaged" in {each.what for each in result.drill.failures}


def test_without_space_nothing_is_restored_and_it_says_what_to_do(rig: RestoreRig) -> None:
    (rig.source / "a").write_bytes(b"x" * 100_000)
    snapshot = rig.backup()
    with pytest.raises(NoSpaceForDrill, match=r"at \S+/agent/drill, of which 48\.8 KiB may be used"):
        drill(rig, snapshot, free=lambda folder: Free(50_000, -1))
    assert left(rig) == []


def test_a_drill_leaves_some_space_to_others(rig: RestoreRig) -> None:
    folder = os.open(rig.folder, os.O_RDONLY)
    try:
        status = os.fstatvfs(folder)
        reserve = min(status.f_blocks * status.f_frsize // 20, 1 << 30)
        found = scratch.free_for_drills(folder).bytes
        assert abs(found - max(0, status.f_bavail * status.f_frsize - reserve)) < 1 << 28
    finally:
        os.close(folder)


def test_a_place_that_can_t_be_used_is_named(rig: RestoreRig) -> None:
    (rig.source / "a").write_bytes(b"x")
    snapshot = rig.backup()
    (rig.vault.state_dir / "drill").write_text("in the way")
    with pytest.raises(ScratchUnusable, match="drill can't be used"):
        drill(rig, snapshot)


def test_a_cancelled_drill_leaves_nothing(rig: RestoreRig, monkeypatch: pytest.MonkeyPatch) -> None:
    (rig.source / "a").write_bytes(b"x" * 100_000)
    order, ports = rig.order(rig.backup(), destination=SCRATCH_DESTINATION, drill=DrillTerms())
    with meddling(lambda place: ports.cancelled.set(), monkeypatch), pytest.raises(Cancelled):
        DrillJob(order, ports).run()
    assert left(rig) == []
    assert journals(rig) == []


def test_of_a_drill_whose_restore_is_cut_off_no_journal_stays(rig: RestoreRig, monkeypatch: pytest.MonkeyPatch) -> None:
    (rig.source / "a").write_bytes(b"x" * 100_000)
    order, ports = rig.order(rig.backup(), destination=SCRATCH_DESTINATION, drill=DrillTerms())

    def cut_off(*arguments: object) -> None:
        assert journals(rig)
        raise Cancelled(who="a test")

    monkeypatch.setattr(RestoreJob, "_fill", cut_off)
    with pytest.raises(Cancelled):
        DrillJob(order, ports).run()
    assert journals(rig) == []


def test_journals_that_a_killed_agent_left_go_at_its_next_start_but_for_those_of_restores(rig: RestoreRig) -> None:
    kept, passing = (Journal(rig.vault.state_dir, "target", "j1", 1, passing=passing) for passing in (False, True))
    for each in (kept, passing):
        each.begin()
    LinuxJobs(rig.vault.state_dir).started()
    assert journals(rig)
    assert not any(name.startswith(PASSING) for name in journals(rig))
    for each in (kept, passing):
        each.drop()


def test_what_a_killed_agent_left_goes_at_its_next_start(rig: RestoreRig) -> None:
    place = rig.vault.state_dir / "drill" / "j123" / "srv" / "locked"
    place.mkdir(parents=True)
    (place / "file").write_bytes(b"x")
    place.chmod(0o500)
    outside = rig.folder / "outside"
    outside.write_bytes(b"stays")
    (place.parent / "link").symlink_to(rig.folder)
    thread = scratch.sweep(rig.vault.state_dir)
    assert thread is not None
    thread.join(20)
    assert left(rig) == []
    assert outside.read_bytes() == b"stays"
    assert scratch.sweep(rig.vault.state_dir) is None


def test_of_the_scratch_place_nothing_is_ever_backed_up(rig: RestoreRig) -> None:
    """It lies in the agent's own folder, which a backup leaves out by itself."""
    (rig.vault.state_dir / "drill").mkdir()
    (rig.vault.state_dir / "drill" / "file").write_bytes(b"x")
    (rig.source / "a").write_bytes(b"y")
    snapshot = rig.backup(rig.folder)
    paths = rig.vault.entries(snapshot.snapshot_id)
    assert os.fsencode(rig.source / "a") in paths
    assert not [path for path in paths if b"/drill" in path]


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root, to act as another user")
def test_a_user_without_rights_proves_the_bytes_and_says_what_metadata_it_can_t_carry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As files of root lie there where nobody restored them: as its own, and closed to it by their modes."""
    with open_folder() as folder, restore_rig(folder) as rig, ExitStack() as acting:
        (rig.source / "closed").mkdir()
        (rig.source / "closed" / "secret").write_bytes(b"hidden")
        (rig.source / "closed" / "secret").chmod(0)
        (rig.source / "closed").chmod(0)
        (rig.source / "set-id").write_bytes(b"of root")
        (rig.source / "set-id").chmod(0o4755)
        snapshot = rig.backup()

        def as_nobodys(place: Path) -> None:
            modes = {path: path.lstat().st_mode & 0o7777 for path in place.rglob("*")}
            for path in (rig.vault.folder, *rig.vault.folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
            for path, mode in modes.items():
                path.chmod(mode & 0o777)
            acting.enter_context(as_nobody())

        with meddling(as_nobodys, monkeypatch):
            found = drill(rig, snapshot)
        assert found.failures == ()
        assert (found.files, found.bytes) == (2, 13)
        assert {each.path for each in found.not_carried} == {
            str(path) for path in (rig.source, *(rig.source / each for each in ("closed", "closed/secret", "set-id")))
        }
        assert all(each.what == "owner root:root" for each in found.not_carried)
        assert left(rig) == []


def test_the_findings_of_a_check_fit_into_one_message(rig: RestoreRig, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1200):
        (rig.source / f"{number:0200}").write_bytes(b"x")
    snapshot = rig.backup()

    def remove_all(place: Path) -> None:
        for path in place.rglob("0*"):
            path.unlink()

    with meddling(remove_all, monkeypatch):
        found = drill(rig, snapshot)
    assert found.failure_count == 1200
    assert len(found.failures) == 1000


def test_steps_are_told(rig: RestoreRig) -> None:
    (rig.source / "a").write_bytes(b"x")
    order, ports = rig.order(rig.backup(), destination=SCRATCH_DESTINATION, drill=DrillTerms())
    DrillJob(order, ports).run()
    assert isinstance(ports, RigPorts)
    assert ("check", "done") in ports.steps()
    assert [step for step, state in ports.steps() if state == "done"] == ["WF6.3", "WF6.4", "WF6.5", "WF6.6", "check"]
