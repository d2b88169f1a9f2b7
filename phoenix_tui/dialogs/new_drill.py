"""A form for a restore drill of a server: how much of which snapshot is restored to a scratch place, and where."""

import msgspec

from phoenix_core.client import CoreClient
from phoenix_core.domain.drills import DrillRequest
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.quantities import parse_size
from phoenix_core.domain.views import JobView, ServerView
from phoenix_tui.dialogs.edit_form import EditForm
from phoenix_tui.dialogs.fields import Field, Unfit
from phoenix_tui.i18n import _

AS_POLICY = -1
"""Of bytes: what the server's policy says."""


class _Typed(msgspec.Struct, frozen=True):
    """What the form begins with."""

    sample: str = ""
    max_bytes: str = ""
    snapshot: str = "latest"
    on: str = ""


_FIELDS = (
    Field("sample", _("Sample"), _("as its policy says; or 100, 2G, all")),
    Field("max_bytes", _("At most"), _("as its policy says; or 1G, 0: no limit")),
    Field("snapshot", _("Snapshot"), "latest"),
    Field("on", _("On server"), _("as its policy says, else the server itself")),
)


class NewDrill(EditForm):
    save_label = _("Try it out")

    def __init__(self, client: CoreClient, server: ServerView) -> None:
        super().__init__(_("Try out a restore of {name}").format(name=server.name), _Typed(), _FIELDS)
        self._client = client
        self._server = server
        self.job: JobView | None = None
        """What began; None: nothing yet."""

    async def put(self) -> None:
        typed = {name: text.strip() for name, text in self.typed().items()}
        request = DrillRequest(
            server=self._server.id,
            snapshot=typed["snapshot"] or "latest",
            sample=typed["sample"],
            max_bytes=_bytes(typed["max_bytes"]),
            on=typed["on"],
        )
        self.job = await self._client.run_drill(request)

    def say(self, error: Exception) -> None:
        hint = error.what_to_do if isinstance(error, PhoenixError) else ""
        super().say(Unfit(f"{error} {hint}".strip()))


def _bytes(text: str) -> int:
    if not text:
        return AS_POLICY
    try:
        return parse_size(text)
    except ValueError as error:
        raise Unfit(_("At most: {error}, nor 0 for no limit.").format(error=error)) from error
