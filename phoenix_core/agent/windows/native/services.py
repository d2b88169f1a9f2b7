"""The service manager of Windows through pywin32 (`service.Services`)."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from phoenix_core.agent.windows.service import (
    FORGET_FAILURES_S,
    RESTARTS_S,
    RUNNING,
    STOP_WAIT_S,
    STOPPED,
    ServiceFailed,
    ServiceSpec,
)

NO_SUCH_SERVICE = 1060
_STATES = {1: STOPPED, 2: "starting", 3: "stopping", 4: RUNNING, 5: "continuing", 6: "pausing", 7: "paused"}
"""SERVICE_STATUS.dwCurrentState of winsvc.h."""
_RESTART = 1
"""SC_ACTION_RESTART."""


class NativeServices:
    """Needs pywin32, and an administrator."""

    def __init__(self) -> None:
        self._service: Any = importlib.import_module("win32service")
        self._util: Any = importlib.import_module("win32serviceutil")
        self._security: Any = importlib.import_module("win32security")
        self._error: Any = importlib.import_module("pywintypes").error

    def state(self, name: str) -> str:
        try:
            number = self._util.QueryServiceStatus(name)[1]
        except self._error as error:
            if error.winerror == NO_SUCH_SERVICE:
                return ""
            raise self._failed(name, "looked at", error) from error
        return _STATES.get(number, str(number))

    def create(self, spec: ServiceSpec) -> None:
        service = self._service
        with self._told(spec.name, "made"), self._manager(service.SC_MANAGER_CREATE_SERVICE) as manager:
            made = service.CreateService(
                manager,
                spec.name,
                spec.display,
                service.SERVICE_ALL_ACCESS,
                service.SERVICE_WIN32_OWN_PROCESS,
                service.SERVICE_AUTO_START,
                service.SERVICE_ERROR_NORMAL,
                spec.command,
                None,
                0,
                None,
                None,  # LocalSystem: it may read all files and make shadow copies
                None,
            )
            try:
                self._set_up(made, spec)
            finally:
                service.CloseServiceHandle(made)

    def change(self, spec: ServiceSpec) -> None:
        service = self._service
        with self._told(spec.name, "changed"), self._manager(service.SC_MANAGER_CONNECT) as manager:
            opened = service.OpenService(manager, spec.name, service.SERVICE_ALL_ACCESS)
            try:
                service.ChangeServiceConfig(
                    opened,
                    service.SERVICE_WIN32_OWN_PROCESS,
                    service.SERVICE_AUTO_START,
                    service.SERVICE_ERROR_NORMAL,
                    spec.command,
                    None,
                    0,
                    None,
                    None,
                    None,
                    spec.display,
                )
                self._set_up(opened, spec)
            finally:
                service.CloseServiceHandle(opened)

    def _set_up(self, handle: Any, spec: ServiceSpec) -> None:
        service = self._service
        service.ChangeServiceConfig2(handle, service.SERVICE_CONFIG_DESCRIPTION, spec.description)
        service.ChangeServiceConfig2(handle, service.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, True)
        actions = {
            "ResetPeriod": FORGET_FAILURES_S,
            "RebootMsg": "",
            "Command": "",
            "Actions": [(_RESTART, seconds * 1000) for seconds in RESTARTS_S],
        }
        service.ChangeServiceConfig2(handle, service.SERVICE_CONFIG_FAILURE_ACTIONS, actions)
        service.ChangeServiceConfig2(handle, service.SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, True)
        service.ChangeServiceConfig2(handle, service.SERVICE_CONFIG_PRESHUTDOWN_INFO, STOP_WAIT_S * 1000)

    def start(self, name: str) -> None:
        with self._told(name, "started"):
            self._util.StartService(name)
            self._util.WaitForServiceStatus(name, self._service.SERVICE_RUNNING, STOP_WAIT_S)

    def stop(self, name: str) -> None:
        with self._told(name, "stopped"):
            self._util.StopService(name)
            self._util.WaitForServiceStatus(name, self._service.SERVICE_STOPPED, 2 * STOP_WAIT_S)

    def remove(self, name: str) -> None:
        service = self._service
        with self._told(name, "removed"), self._manager(service.SC_MANAGER_CONNECT) as manager:
            opened = service.OpenService(manager, name, service.SERVICE_ALL_ACCESS)
            try:
                service.DeleteService(opened)
            finally:
                service.CloseServiceHandle(opened)

    def protect(self, folder: Path, sddl: str) -> None:
        security = self._security
        with self._told(str(folder), "protected"):
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = security.ConvertStringSecurityDescriptorToSecurityDescriptor(sddl, security.SDDL_REVISION_1)
            parts = security.DACL_SECURITY_INFORMATION | security.PROTECTED_DACL_SECURITY_INFORMATION
            dacl = descriptor.GetSecurityDescriptorDacl()
            security.SetNamedSecurityInfo(str(folder), security.SE_FILE_OBJECT, parts, None, None, dacl, None)

    @contextmanager
    def _manager(self, access: int) -> Iterator[Any]:
        manager = self._service.OpenSCManager(None, None, access)
        try:
            yield manager
        finally:
            self._service.CloseServiceHandle(manager)

    @contextmanager
    def _told(self, name: str, what: str) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            raise self._failed(name, what, error) from error

    @staticmethod
    def _failed(name: str, what: str, error: Any) -> ServiceFailed:
        text = " ".join(str(error.strerror).split()).rstrip(".")
        return ServiceFailed(name=name, what=what, detail=f"{text} ({error.winerror})")
