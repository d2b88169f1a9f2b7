"""Volumes, the VSS service and shadow copies through CIM (`seam.Shadows`).

Classes and methods by Microsoft's documentation: Win32_Volume, Win32_Service, Win32_ShadowCopy and its method Create.
"""

import re
from pathlib import Path
from typing import Any

from phoenix_core.agent.windows.native.powershell import FAILED, PowerShell, listed, quoted
from phoenix_core.agent.windows.seam import Service, ShadowCopy, Volume, WindowsFailure

ASK_S = 120.0
CREATE_S = 600.0
"""Windows itself gives a shadow copy up after some minutes."""
FIXED = 3
"""Win32_Volume.DriveType of a local disk."""
CREATE_FAILED = {
    1: "access denied; the agent's account must be an administrator",
    2: "invalid argument",
    3: "the volume was not found",
    4: "the volume's file system has no shadow copies",
    5: "this kind of shadow copy is not supported",
    6: "there is too little space for the shadow copy",
    7: "the volume is in use",
    8: "there are as many shadow copies of the volume as can be",
    9: "another shadow copy is just being made",
    10: "the shadow copy provider refused",
    11: "the shadow copy provider is not registered",
    12: "the shadow copy provider failed",
    13: "unknown error",
}
"""What Win32_ShadowCopy.Create returns besides 0."""
_GUID = re.compile(r"\{[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}")
VOLUMES = (
    "ConvertTo-Json -Compress -InputObject @(Get-CimInstance -ClassName Win32_Volume | "
    "Select-Object DriveLetter,DeviceID,FileSystem,DriveType,Capacity,FreeSpace)"
)
SERVICE = (
    "ConvertTo-Json -Compress -InputObject @(Get-CimInstance -ClassName Win32_Service -Filter \"Name='VSS'\" | "
    "Select-Object Name,State,StartMode)"
)
START = "Start-Service -Name VSS; (Get-Service -Name VSS).WaitForStatus('Running', '00:01:00')"
SHADOWS = (
    "ConvertTo-Json -Compress -InputObject @(Get-CimInstance -ClassName Win32_ShadowCopy | "
    "Select-Object ID,DeviceObject,VolumeName,InstallDate)"
)


def create_script(volume: str, note: Path) -> str:
    return (
        "$made = Invoke-CimMethod -ClassName Win32_ShadowCopy -MethodName Create "
        f"-Arguments @{{Volume={quoted(volume)}; Context='ClientAccessible'}}; "
        f"if ($made.ReturnValue -eq 0) {{ [IO.File]::WriteAllText({quoted(str(note))}, $made.ShadowID) }}; "
        "ConvertTo-Json -Compress -InputObject @{ReturnValue=$made.ReturnValue; ShadowID=$made.ShadowID}"
    )


def delete_script(copy: str) -> str:
    return f"Get-CimInstance -ClassName Win32_ShadowCopy -Filter \"ID='{copy}'\" | Remove-CimInstance"


class NativeShadows:
    """See `seam.Shadows`."""

    def __init__(self, shell: PowerShell) -> None:
        self._shell = shell

    def volumes(self) -> list[Volume]:
        found = listed(self._shell.ask("Win32_Volume", VOLUMES, ASK_S))
        return [
            Volume(
                letter=_text(each, "DriveLetter")[:1].upper(),
                device_id=_text(each, "DeviceID"),
                file_system=_text(each, "FileSystem"),
                is_fixed=each.get("DriveType") == FIXED,
                total_bytes=_number(each, "Capacity"),
                free_bytes=_number(each, "FreeSpace"),
            )
            for each in found
        ]

    def vss_service(self) -> Service:
        for each in listed(self._shell.ask("Win32_Service", SERVICE, ASK_S)):
            return Service(_text(each, "State"), _text(each, "StartMode"))
        raise WindowsFailure(FAILED, "Win32_Service", detail="this Windows has no VSS service")

    def start_vss(self) -> None:
        self._shell.ask("Start-Service VSS", START, ASK_S)

    def create_shadow_copy(self, volume: str, note: Path) -> str:
        call = "Win32_ShadowCopy.Create"
        answers = listed(self._shell.ask(call, create_script(volume, note), CREATE_S))
        if not answers:
            raise WindowsFailure(FAILED, call, detail="it gave no answer")
        code, made = _number(answers[0], "ReturnValue"), _text(answers[0], "ShadowID")
        if code != 0 or not _GUID.fullmatch(made):
            raise WindowsFailure(code or FAILED, call, detail=f"{CREATE_FAILED.get(code, 'unknown error')} ({code})")
        return made

    def shadow_copies(self) -> list[ShadowCopy]:
        return [
            ShadowCopy(_text(each, "ID"), _text(each, "DeviceObject").rstrip("\\"), _text(each, "VolumeName"))
            for each in listed(self._shell.ask("Win32_ShadowCopy", SHADOWS, ASK_S))
        ]

    def delete_shadow_copy(self, copy: str) -> None:
        if not _GUID.fullmatch(copy):
            raise WindowsFailure(FAILED, "Win32_ShadowCopy", detail=f"{copy!r} is no shadow copy's id")
        self._shell.ask("Win32_ShadowCopy.Delete", delete_script(copy), ASK_S)


def _text(each: dict[str, Any], name: str) -> str:
    value = each.get(name)
    return value if isinstance(value, str) else ""


def _number(each: dict[str, Any], name: str) -> int:
    value = each.get(name)
    return value if isinstance(value, int) else int(value) if isinstance(value, str) and value.isdigit() else 0
