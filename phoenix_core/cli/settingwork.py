"""What the commands on settings do."""

from phoenix_core.cli.attach import attached
from phoenix_core.cli.output import print_json, print_table, say
from phoenix_core.domain.errors import NotFound
from phoenix_core.host.datadir import DataDirectory


async def list_all(data: DataDirectory, *, as_json: bool) -> None:
    async with attached(data) as client:
        settings = await client.settings()
    if as_json:
        print_json(settings)
        return
    print_table(
        ("SETTING", "VALUE", "DEFAULT", "MEANING"),
        [(setting.key, setting.value, setting.default, setting.description) for setting in settings],
        "There are no settings.",
    )


async def get(data: DataDirectory, key: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        found = next((setting for setting in await client.settings() if setting.key == key), None)
    if found is None:
        raise NotFound(what="setting", name=key)
    if as_json:
        print_json(found)
    else:
        say(found.value)


async def set_value(data: DataDirectory, key: str, value: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        changed = await client.set_setting(key, value)
    if as_json:
        print_json(changed)
    else:
        say(f"{changed.key} = {changed.value}")
        if changed.at_start:
            say("It takes effect when the core starts next.")
