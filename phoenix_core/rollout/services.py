"""Installs and removes the services of a core and of an agent; run again, nothing changes."""

import os
import pwd
import shutil
from pathlib import Path

import msgspec

from phoenix_core.host.config import read_config
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.rollout.errors import CommandFailed, DataUnfit, WriteFailed
from phoenix_core.rollout.program import Program, is_hidden_from_services
from phoenix_core.rollout.system import UNITS, WANTS, Change, File, System
from phoenix_core.rollout.units import ALLOWING, agent_unit, core_unit, unit_file

CORE_UNIT, AGENT_UNIT = "phoenix-core.service", "phoenix-agent.service"
CORE_DATA, AGENT_DATA = Path("/var/lib/phoenix"), Path("/var/lib/phoenix-agent")
USERS = Path("/etc/sysusers.d/phoenix.conf")
COMMAND_LINK = Path("/usr/local/bin/phoenix")
USER = "phoenix"


class Installed(msgspec.Struct, frozen=True):
    """What an installation did, or would do."""

    unit: str
    changes: tuple[Change, ...]
    done: tuple[str, ...] = ()
    """Beside the files."""
    left: tuple[str, ...] = ()
    """What a person is still to do, in order."""

    @property
    def changed(self) -> bool:
        return any(change.state != "same" for change in self.changes)


class CoreService:
    """A core runs as the user `phoenix`: it serves the network, and needs no power over the host."""

    def __init__(self, system: System, program: Program, data: Path = CORE_DATA) -> None:
        self._system = system
        self._program = program
        self._data = data

    def files(self) -> list[File]:
        """Raises DataUnfit, and ConfigInvalid where the core's own file is wrong."""
        vault = read_config(DataDirectory(self._system.at(self._data)), embedded=False).vault_path
        for path, what, advice in (
            (self._data, "data directory", "Choose another with --data, for instance in /srv."),
            (vault, "vault", f"Move the vault, for instance to /srv, and name its place in {self._data}/phoenix.toml."),
        ):
            if path is not None and is_hidden_from_services(path):
                detail = f"the {what} is in a user's own folder, which services don't see"
                raise DataUnfit(path=path, detail=detail, advice=advice)
        outside = vault if vault is not None and not vault.is_relative_to(self._data) else None
        return [
            File(USERS, unit_file("phoenix.sysusers.conf").replace("/var/lib/phoenix\n", f"{self._data}\n")),
            File(UNITS / CORE_UNIT, core_unit(self._program, self._data, outside)),
            File(WANTS / CORE_UNIT, target=str(UNITS / CORE_UNIT)),
        ]

    def install(self, *, start: bool = True) -> Installed:
        """Raises DataUnfit before anything is written; WriteFailed, CommandFailed."""
        files = self.files()
        self._check_data()
        changes = self._system.write(files)
        done, left = self._make_user()
        if self._system.root is None:
            self._make_data()
        command = f"sudo -u {USER} {self._program.path}"
        if not self._has_vault():
            start = False
            left.append(f"Make the vault: {command} vault init --holder file --data {self._data}")
        _reload(self._system, changes)
        left += _start(self._system, CORE_UNIT, changes, done, wanted=start)
        left.append(f"Make the wheels for other servers: {command} core bundle --data {self._data}")
        return Installed(CORE_UNIT, tuple(changes), tuple(done), tuple(left))

    def uninstall(self) -> list[str]:
        """What was removed; the data stays."""
        return _uninstall(self._system, CORE_UNIT, [USERS])

    def _has_vault(self) -> bool:
        return self._system.at(self._data).joinpath("key-holder.toml").exists()

    def _make_user(self) -> tuple[list[str], list[str]]:
        if self._system.make_users(USERS):
            return [f"The user {USER} is there."], []
        if self._system.root is None and shutil.which("useradd"):
            if not _exists(USER):
                shell = "/usr/sbin/nologin"
                self._system.run("useradd", "--system", "--home-dir", str(self._data), "--shell", shell, USER)
            return [f"The user {USER} is there."], []
        return [], [f"Make the system user {USER}; systemd-sysusers does it from {USERS} when the system starts."]

    def _check_data(self) -> None:
        """Somebody's own data directory isn't taken over unasked."""
        try:
            owner = self._system.at(self._data).stat().st_uid
        except FileNotFoundError:
            return
        if self._system.root is None and owner not in {_uid(USER), 0 if not any(self._data.iterdir()) else -1}:
            raise DataUnfit(
                path=self._data,
                detail=f"it belongs to the user with the number {owner}, and the core runs as {USER}",
                advice=(
                    f"If it is this core's: `systemd-sysusers {USERS}` or `useradd --system {USER}`, then "
                    f"`chown -R {USER}: {self._data}`, then the same command again."
                ),
            )

    def _make_data(self) -> None:
        try:
            self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._data.stat().st_uid != _uid(USER):
                shutil.chown(self._data, USER, USER)
        except (OSError, LookupError) as error:
            raise WriteFailed(path=self._data, detail=error) from error


class AgentService:
    """An agent runs as root: it reads every file, and gives owners, devices and capabilities back."""

    def __init__(
        self, system: System, program: Program, data: Path = AGENT_DATA, *, allow_upgrade: bool | None = None
    ) -> None:
        """`allow_upgrade`: the core's operators may upgrade the agent; None: as the unit says that is there."""
        self._system = system
        self._program = program
        self._data = data
        self._allow_upgrade = allow_upgrade

    def files(self) -> list[File]:
        """Raises DataUnfit."""
        allowed = self._allow_upgrade if self._allow_upgrade is not None else self._allowed_before()
        unit = agent_unit(self._program, self._data, allow_upgrade=allowed)
        files = [File(UNITS / AGENT_UNIT, unit), File(WANTS / AGENT_UNIT, target=str(UNITS / AGENT_UNIT))]
        versions = self._program.versions
        if versions is not None:
            files.insert(0, File(Path(versions.prefix, "before-start"), unit_file("before-start"), 0o755))
        if not os.path.lexists(self._system.at(COMMAND_LINK)):
            files.append(File(COMMAND_LINK, target=str(self._program.path)))
        return files

    def install(self, *, start: bool = True) -> Installed:
        """Raises DataUnfit before anything is written; WriteFailed, CommandFailed."""
        changes = self._system.write(self.files())
        left: list[str] = []
        enrolled = DataDirectory(self._system.at(self._data)).agent.joinpath("peer.json").exists()
        if not enrolled:
            start = False
            left.append(f"Enrol it: {self._program.path} agent enroll - --data {self._data}")
        done: list[str] = []
        _reload(self._system, changes)
        left += _start(self._system, AGENT_UNIT, changes, done, wanted=start)
        if not self._system.booted and self._system.root is None:
            left.append(f"Or run it yourself: {self._program.path} agent run --data {self._data}")
        return Installed(AGENT_UNIT, tuple(changes), tuple(done), tuple(left))

    def uninstall(self) -> list[str]:
        """What was removed: the unit, and the versions of the program where the core put them there. The data stays."""
        link = self._system.at(COMMAND_LINK)
        ours = link.is_symlink() and os.readlink(link) == str(self._program.path)
        gone = _uninstall(self._system, AGENT_UNIT, [COMMAND_LINK] if ours else [])
        versions = self._program.versions
        if versions is not None and not self._needed_by_others():
            prefix = self._system.at(Path(versions.prefix))
            for name in ("current", "trial", "unit-before", "rolled-back", "before-start", ".lock", ".switching"):
                prefix.joinpath(name).unlink(missing_ok=True)
            shutil.rmtree(prefix / "versions", ignore_errors=True)
            gone.append(f"{versions.prefix}/versions")
        return gone

    def _allowed_before(self) -> bool:
        try:
            return ALLOWING in self._system.at(UNITS / AGENT_UNIT).read_text("utf-8", "replace")
        except OSError:
            return False

    def _needed_by_others(self) -> bool:
        """Another service of this host that starts the same program."""
        units = self._system.at(UNITS).glob("phoenix-*.service")
        return any(f"ExecStart={self._program.path} " in unit.read_text("utf-8", "replace") for unit in units)


def remove_data(system: System, data: Path) -> None:
    """Raises WriteFailed."""
    try:
        shutil.rmtree(system.at(data))
    except FileNotFoundError:
        return
    except OSError as error:
        raise WriteFailed(path=error.filename or data, detail=error.strerror or error) from error


def _uninstall(system: System, unit: str, others: list[Path]) -> list[str]:
    done: list[str] = []
    if system.booted and system.at(UNITS / unit).exists():
        system.run("systemctl", "disable", "--now", unit)
        done.append(f"{unit} is stopped.")
    gone = system.remove([WANTS / unit, UNITS / unit, *others])
    if gone and system.booted:
        system.run("systemctl", "daemon-reload")
    return [*done, *(str(path) for path in gone)]


def _reload(system: System, changes: list[Change]) -> None:
    if system.booted and any(change.state != "same" for change in changes):
        system.run("systemctl", "daemon-reload")


def _start(system: System, unit: str, changes: list[Change], done: list[str], *, wanted: bool) -> list[str]:
    """What is left to do for it to run."""
    if not system.booted:
        return [f"systemd doesn't run here: {unit} starts when the system does."]
    if not wanted:
        return [f"Start it: systemctl start {unit.removesuffix('.service')}"]
    if system.is_active(unit):
        changed = any(change.path.endswith(unit) and change.state == "changed" for change in changes)
        again = f"It runs with the unit of before. When it suits: systemctl restart {unit.removesuffix('.service')}"
        return [again] if changed else []
    try:
        system.run("systemctl", "start", unit)
    except CommandFailed as error:
        raise CommandFailed(
            command=f"systemctl start {unit}", detail=f"{error.fields['detail']} (journalctl -u {unit} says more)"
        ) from error
    done.append(f"{unit} is started, and starts with the system.")
    return []


def _exists(user: str) -> bool:
    return _uid(user) >= 0


def _uid(user: str) -> int:
    """-1: there is no such user."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return -1
