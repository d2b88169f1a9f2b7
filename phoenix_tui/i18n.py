"""User-facing strings go through gettext; without a translation they stay as they are written."""

import gettext
from pathlib import Path

_catalog = gettext.translation("phoenix", localedir=Path(__file__).parent / "locale", fallback=True)

_ = _catalog.gettext
ngettext = _catalog.ngettext
