"""What a console on a new data directory says: the commands that begin it, as they can be typed."""

from collections.abc import Callable

from phoenix_tui.i18n import _
from phoenix_tui.model import CoreModel
from phoenix_tui.widgets.face import Face, empty

Command = Callable[..., str]
"""Words of a command as the operator types it here: with the program's name and the data directory."""
NO_VAULT = "no_vault"


def bare_command(*words: str) -> str:
    return " ".join(("phoenix", *words))


def first_steps(model: CoreModel, command: Command) -> Face | None:
    """None where there is a vault (or one that can't be read), and a server."""
    if model.vault_problem is not None and model.vault_problem.code == NO_VAULT:
        return _without_vault(ends_with_console(model), command)
    if not model.servers:
        return _without_server(ends_with_console(model), command)
    return None


def ends_with_console(model: CoreModel) -> bool:
    return model.status is not None and model.status.embedded


def service_text(command: Command) -> str:
    """Why no other server can come to a core inside a console, and what to do."""
    return _(
        "The core inside a console ends with it; another server needs one that goes on running. Leave the console, "
        "then run the core by itself:\n\n    {run}\n\nOpen the console again beside it, and press n."
    ).format(run=command("core", "run"))


def _without_vault(ends: bool, command: Command) -> Face:
    stop = "" if ends else _(", and stop the core with\n\n    {stop}\n\n").format(stop=command("core", "stop"))
    text = (
        _("Leave the console with q")
        + (stop or ". ")
        + _(
            "Then type\n\n    {quickstart}\n\n"
            "to try everything on a folder of this machine, or\n\n    {init}\n\n"
            "to make the vault, then, to protect servers\n\n    {run}"
        )
    )
    words = {"quickstart": command("quickstart"), "init": command("vault", "init"), "run": command("core", "run")}
    return empty(_("There is no vault yet"), text.format(**words))


def _without_server(ends: bool, command: Command) -> Face:
    title = _("No server is protected yet")
    if not ends:
        text = _(
            "Make the wheels that servers are installed from, once, on the core's host:\n\n    {bundle}\n\n"
            "Then press n: it makes the one line to paste on the server that is to be protected."
        ).format(bundle=command("core", "bundle"))
        return empty(title, text)
    text = _("Leave the console with q. To protect this machine, type\n\n    {quickstart}\n\n").format(
        quickstart=command("quickstart")
    )
    return empty(title, text + service_text(command))
