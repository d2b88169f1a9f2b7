"""Saves all policies, rules, groups and notifications to a file, and finds how a file differs from what is in force."""

import asyncio
from pathlib import Path
from typing import NamedTuple

from phoenix_core.client import CoreClient
from phoenix_core.configfile import read
from phoenix_core.domain.policies import Config, ConfigChange
from phoenix_tui.config_file import ConfigFileKept, write
from phoenix_tui.dialogs.ask_file import AskFile
from phoenix_tui.i18n import _


class SaveConfig(AskFile[Path]):
    """The file that was written."""

    def __init__(self, client: CoreClient, name: str) -> None:
        text = _("All policies, rules, groups and notifications as one text file. No secrets are in it.")
        super().__init__(_("Save the configuration"), text, name, _("Save"))
        self._client = client
        self._was_there: Path | None = None
        """What the operator was told of, so that saving once more replaces it."""

    async def use(self, file: Path) -> Path:
        config = await self._client.config()
        try:
            await asyncio.to_thread(write, config, file, replace=file == self._was_there)
        except ConfigFileKept:
            self._was_there = file
            raise
        return file


class Loaded(NamedTuple):
    file: Path
    wanted: Config
    changes: list[ConfigChange]
    """What applying it would change."""


class LoadConfig(AskFile[Loaded]):
    def __init__(self, client: CoreClient, name: str) -> None:
        text = _("What it would change is shown; nothing changes before you say so.")
        super().__init__(_("Apply a configuration file"), text, name, _("Show the difference"))
        self._client = client

    async def use(self, file: Path) -> Loaded:
        wanted = await asyncio.to_thread(read, file)
        return Loaded(file, wanted, await self._client.config_diff(wanted))
