"""What PowerShell answers, as volumes, services and shadow copies; see recorded/README.md for where the answers are
from."""

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from phoenix_core.agent.windows.native import vss
from phoenix_core.agent.windows.native.powershell import TIMEOUT, PowerShell, command_of, quoted
from phoenix_core.agent.windows.native.vss import CREATE_FAILED, NativeShadows, create_script, delete_script
from phoenix_core.agent.windows.seam import Service, ShadowCopy, Volume, WindowsFailure

RECORDED = Path(__file__).parent / "recorded"
MADE = "{B7C3F9A4-2C1E-4E36-9A5B-0D9C1D7F4E21}"
C_VOLUME = "\\\\?\\Volume{5d2a8d4e-6f6b-4c0a-9d3e-1f2a3b4c5d6e}\\"


def answering(output: bytes, code: int = 0, errors: bytes = b"") -> tuple[NativeShadows, list[list[str]]]:
    asked: list[list[str]] = []

    def run(command: list[str], timeout_s: float) -> tuple[int, bytes, bytes]:
        asked.append(command)
        return code, output, errors

    return NativeShadows(PowerShell(run)), asked


def recorded(name: str) -> NativeShadows:
    return answering((RECORDED / name).read_bytes())[0]


def script_of(command: list[str]) -> str:
    return base64.b64decode(command[-1]).decode("utf-16-le")


def test_volumes_with_and_without_letters_and_those_that_are_no_local_disks() -> None:
    found = recorded("volumes.json").volumes()
    assert found[0] == Volume("C", C_VOLUME, "NTFS", True, 136366256128, 88476905472)
    assert [(each.letter, each.file_system, each.is_fixed) for each in found[1:]] == [
        ("", "NTFS", True),
        ("E", "ReFS", True),
        ("D", "", False),
    ]
    assert (found[3].total_bytes, found[3].free_bytes) == (0, 0)


def test_a_single_volume_may_come_wrapped() -> None:
    assert [each.letter for each in recorded("volume-single.json").volumes()] == ["C"]


def test_the_service_s_state_with_a_list_or_with_a_byte_order_mark() -> None:
    assert recorded("service-stopped.json").vss_service() == Service("Stopped", "Manual")
    assert recorded("service-running.json").vss_service() == Service("Running", "Manual")


def test_a_windows_without_the_service_is_told() -> None:
    with pytest.raises(WindowsFailure, match="no VSS service"):
        recorded("shadows-none.json").vss_service()


def test_shadow_copies_with_their_devices() -> None:
    assert recorded("shadows.json").shadow_copies()[0] == ShadowCopy(
        MADE, "\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy4", C_VOLUME
    )
    assert recorded("shadows-none.json").shadow_copies() == []
    assert answering(b"")[0].shadow_copies() == []


def test_a_copy_that_was_made_and_one_that_was_refused(tmp_path: Path) -> None:
    assert recorded("create-done.json").create_shadow_copy(C_VOLUME, tmp_path / "note") == MADE
    with pytest.raises(WindowsFailure, match="another shadow copy is just being made") as failure:
        recorded("create-refused.json").create_shadow_copy(C_VOLUME, tmp_path / "note")
    assert failure.value.code == 9


def test_every_documented_return_value_has_words() -> None:
    assert set(CREATE_FAILED) == set(range(1, 14))


def test_the_script_notes_the_id_before_it_answers() -> None:
    script = create_script(C_VOLUME, Path("C:\\ProgramData\\Phoenix\\o'neil\\j-C.id"))
    assert script.index("WriteAllText") < script.index("ConvertTo-Json")
    assert "Volume='\\\\?\\Volume{5d2a8d4e-6f6b-4c0a-9d3e-1f2a3b4c5d6e}\\'" in script
    assert "o''neil" in script


def test_only_an_id_is_deleted_by_its_own() -> None:
    shadows, asked = answering(b"")
    shadows.delete_shadow_copy(MADE)
    assert f"-Filter \"ID='{MADE}'\"" in script_of(asked[0])
    for wrong in ("", "*", "{x}", MADE + "' OR ID<>'"):
        with pytest.raises(WindowsFailure, match="no shadow copy's id"):
            shadows.delete_shadow_copy(wrong)
    assert len(asked) == 1
    assert "vssadmin" not in delete_script(MADE)


def test_an_answer_that_is_a_refusal_is_told_with_its_number() -> None:
    with pytest.raises(WindowsFailure, match=r"Win32_ShadowCopy: Access denied \(0x80041003\)") as failure:
        answering((RECORDED / "failed.json").read_bytes(), 3)[0].shadow_copies()
    assert failure.value.code == 0x80041003


@pytest.mark.parametrize(
    ("output", "code", "errors", "told"),
    [
        (b"", 1, (RECORDED / "start-failed.txt").read_bytes(), "Missing closing brace"),
        (b"Windows PowerShell\r\n", 0, b"", "Windows PowerShell"),
        (b"", 9, b"", "exit code 9"),
    ],
)
def test_what_is_no_answer_is_told(output: bytes, code: int, errors: bytes, told: str) -> None:
    with pytest.raises(WindowsFailure, match=told):
        answering(output, code, errors)[0].volumes()


@pytest.mark.parametrize(
    "answer", [b"null", b"3", b'"text"', b"[1, null]", b"{}", b'[{"DriveLetter": 5, "Capacity": "x"}]', b"\xff\xfe[]"]
)
def test_answers_of_another_shape_never_crash(answer: bytes, tmp_path: Path) -> None:
    calls: tuple[Callable[[NativeShadows], object], ...] = (
        lambda each: each.volumes(),
        lambda each: each.vss_service(),
        lambda each: each.shadow_copies(),
        lambda each: each.create_shadow_copy(C_VOLUME, tmp_path / "note"),
    )
    for call in calls:
        try:
            call(answering(answer)[0])
        except WindowsFailure:
            continue


def test_no_answer_in_time_is_a_failure() -> None:
    def run(command: list[str], timeout_s: float) -> tuple[int, bytes, bytes]:
        raise subprocess.TimeoutExpired(command, timeout_s)

    with pytest.raises(WindowsFailure, match="no answer within 120 s") as failure:
        NativeShadows(PowerShell(run)).volumes()
    assert failure.value.code == TIMEOUT


def test_a_server_without_powershell_is_told() -> None:
    def run(command: list[str], timeout_s: float) -> tuple[int, bytes, bytes]:
        raise FileNotFoundError(2, "No such file")

    with pytest.raises(WindowsFailure, match="PowerShell can't be run"):
        NativeShadows(PowerShell(run)).volumes()


def test_scripts_go_encoded_and_strings_stand_for_themselves() -> None:
    command = command_of("Write-Output 'ü'")
    assert command[:4] == ["powershell.exe", "-NoLogo", "-NoProfile", "-NonInteractive"]
    assert "Write-Output 'ü'" in script_of(command)
    assert quoted("a'b\u2019c$d`e") == "'a''b\u2019\u2019c$d`e'"


def test_starting_the_service_waits_until_it_runs() -> None:
    shadows, asked = answering(b"")
    shadows.start_vss()
    assert vss.START in script_of(asked[0])
    assert "WaitForStatus('Running'" in vss.START
