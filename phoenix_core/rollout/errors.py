"""Errors of bringing the program onto servers: wheels, services, versions."""

from phoenix_core.domain.errors import EXIT_USAGE, PhoenixError


class RolloutError(PhoenixError):
    """Base of this package's errors."""

    code = "rollout"
    template = "It can't be installed: {detail}."


# --- wheels ----------------------------------------------------------------------------------------------------------


class BundleMissing(RolloutError):
    code = "bundle_missing"
    template = "The core has no wheels for other servers yet."
    hint = "Make them on the core's host: `phoenix core bundle`; without Internet there: `phoenix core bundle --own`."
    http_status = 409


class BundleOutdated(RolloutError):
    code = "bundle_outdated"
    template = "The core's wheels for other servers are of version {found}, the core is of version {known}."
    hint = "Make them anew on the core's host: `phoenix core bundle`."
    http_status = 409


class BundleDamaged(RolloutError):
    code = "bundle_damaged"
    template = "The core's wheels for other servers can't be read: {path}: {detail}."
    hint = "Make them anew on the core's host: `phoenix core bundle`."
    http_status = 500


class WheelUnknown(RolloutError):
    code = "wheel_unknown"
    template = "The core serves no such wheel."
    hint = "Its wheels were made anew meanwhile: run it again."
    http_status = 404


class BundleFailed(RolloutError):
    code = "bundle_failed"
    template = "The wheels for other servers can't be made: {detail}."
    hint = "{advice}"

    def __init__(self, *, detail: str, advice: str = "") -> None:
        advice = advice or (
            "This host needs a package index for it, as pip is set up here. Without one: `phoenix core bundle --own` "
            "for servers like this host, or wheels from elsewhere: `phoenix core bundle --from DIR`."
        )
        super().__init__(detail=detail, advice=advice)


class NotRepackable(RolloutError):
    """What is installed here can't be made into a wheel again."""

    code = "not_repackable"
    template = "{name} as it is installed here can't be made into a wheel: {detail}."
    hint = "Install Phoenix with pip into an environment of its own, or make the wheels with `phoenix core bundle`."


# --- services --------------------------------------------------------------------------------------------------------


class RootNeeded(RolloutError):
    code = "root_needed"
    template = "This writes to the system, so it needs root. Nothing was changed."
    hint = "Type: {command}"
    exit_code = EXIT_USAGE


class ProgramUnfit(RolloutError):
    """A service must not run a program that others can change, or that it can't reach."""

    code = "program_unfit"
    template = "The program {path} can't be run as a service: {detail}. Nothing was changed."
    hint = (
        "Install it where only root may write: `python3 -m venv /opt/phoenix`, `/opt/phoenix/bin/pip install` and the "
        "package; then run the same command of /opt/phoenix/bin/phoenix."
    )
    exit_code = EXIT_USAGE


class DataUnfit(RolloutError):
    code = "service_data_unfit"
    template = "The folder {path} can't be used by the service: {detail}. Nothing was changed."
    hint = "{advice}"
    exit_code = EXIT_USAGE


class WriteFailed(RolloutError):
    code = "service_write_failed"
    template = "{path} can't be written: {detail}."
    hint = "Put that right, then run it again: what is done already stays."


class CommandFailed(RolloutError):
    code = "service_command_failed"
    template = "`{command}` failed: {detail}."
    hint = "Put that right, then run it again: what is done already stays."


class NameMismatch(RolloutError):
    code = "name_mismatch"
    template = "Nothing was removed: this host's name is {name}, and {given} was given."
    hint = "To remove the data too, give this host's name: --remove-data {name}."
    exit_code = EXIT_USAGE


# --- versions on a server --------------------------------------------------------------------------------------------


class NotInstalledHere(RolloutError):
    code = "not_installed_by_core"
    template = "This program, in {path}, wasn't installed from its core, so it can't change its version by itself."
    hint = (
        "Upgrade it as it was installed (such as with pip), or paste the line of `phoenix server add` on this server."
    )
    exit_code = EXIT_USAGE


class UpgradeFailed(RolloutError):
    """What the installer's own files say: their text, advice and code."""

    code = "upgrade_failed"
    template = "{detail}"
    hint = "{advice}"
    retryable = True


class UpgradeRolledBack(RolloutError):
    code = "upgrade_rolled_back"
    template = "Version {version} did not come up; {previous} is in use again."
    hint = "`journalctl -u phoenix-agent` and the agent's log say why. Nothing else was changed."


class UpgradeUnconfirmed(RolloutError):
    code = "upgrade_unconfirmed"
    template = "Version {version} is in place, and {detail}."
    hint = (
        "`systemctl status phoenix-agent` and the agent's log say why. A version that its core doesn't greet gives way "
        "to the one before at one of the agent's next starts."
    )


class NotNewer(RolloutError):
    code = "upgrade_not_newer"
    template = "The core offers version {offered}, older than this one, {version}. Nothing was changed."
    hint = "Upgrade the core first, then `phoenix core bundle` there."
    exit_code = EXIT_USAGE


class UpgradeNotAllowed(RolloutError):
    code = "upgrade_not_allowed"
    template = "The agent of {server} doesn't take upgrades from its core."
    hint = (
        "Type there: `phoenix agent upgrade`. To allow it from here, its administrator types there: "
        "`phoenix agent install --allow-upgrade`."
    )
    http_status = 403
