"""What the commands on the configuration file do."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from phoenix_core.cli.attach import attached
from phoenix_core.cli.confirm import confirm
from phoenix_core.cli.errors import FileUnwritable
from phoenix_core.cli.output import print_json, say
from phoenix_core.cli.program import as_typed
from phoenix_core.configfile import ConfigFileInvalid, from_text, read, to_text
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.errors import EXIT_DONE, EXIT_FAILED
from phoenix_core.domain.policies import Config, ConfigChange
from phoenix_core.host.datadir import DataDirectory

STANDARD = Path("-")


async def export(data: DataDirectory, file: Path, *, as_json: bool) -> None:
    async with attached(data) as client:
        config = await client.config()
    if as_json:
        print_json(config)
        return
    text = to_text(config)
    if file == STANDARD:
        sys.stdout.write(text)
        return
    try:
        await asyncio.to_thread(file.write_text, text, encoding="utf-8")
    except OSError as error:
        raise FileUnwritable(file=file, detail=error.strerror or str(error)) from error
    say(f"Wrote {file}: {_counts(config)}.")


async def diff(data: DataDirectory, file: Path, *, as_json: bool) -> int:
    wanted = _read(file)
    async with attached(data) as client:
        changes = await client.config_diff(wanted)
    if as_json:
        print_json(changes)
    else:
        _print(changes)
    return EXIT_FAILED if changes else EXIT_DONE


async def apply(data: DataDirectory, file: Path, *, yes: bool, as_json: bool) -> None:
    wanted = _read(file)
    lacking: list[str] = []
    async with attached(data) as client:
        changes = await client.config_diff(wanted)
        if not as_json:
            _print(changes)
        if changes:
            confirm(f"apply {amount(len(changes), 'change')}", yes=yes)
            changes = await client.apply_config(wanted)
            views = await client.channels()
            lacking = [view.channel.name for view in views if view.channel.needs_secret and not view.secret_held_by]
    if as_json:
        print_json(changes)
    elif changes:
        say(f"Applied {amount(len(changes), 'change')}.")
        for name in lacking:
            command = as_typed(f"`phoenix notification set {name} --secret-file FILE`")
            say(f"Channel {name} has no password or secret yet: {command}")


def _read(file: Path) -> Config:
    if file != STANDARD:
        return read(file)
    try:
        text = sys.stdin.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigFileInvalid(file=file, detail=str(getattr(error, "strerror", None) or error)) from error
    return from_text(text, "standard input")


def _print(changes: Sequence[ConfigChange]) -> None:
    if not changes:
        say("No difference.")
    for change in changes:
        say(f"{change.change}  {change.what} {change.name}")
        for field, before, after in change.fields:
            if change.change == "added":
                say(f"    {field}: {after}")
            else:
                say(f"  - {field}: {before}")
                say(f"  + {field}: {after}")


def _counts(config: Config) -> str:
    policies = f"{len(config.policies)} {'policy' if len(config.policies) == 1 else 'policies'}"
    counts = [policies, amount(len(config.rules), "rule"), amount(len(config.groups), "group")]
    counts += [amount(len(config.channels), "channel"), amount(len(config.notifications), "notification rule")]
    return ", ".join(counts)
