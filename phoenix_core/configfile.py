"""The file of all policies, rules, groups and notifications, which command line and console write and apply: TOML, one
table for each policy, rule, group, notification channel and notification rule, by its name.

Fields that have their default value are left out when it is written.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from phoenix_core.domain.errors import EXIT_USAGE, PhoenixError
from phoenix_core.domain.notifications import Channel, NotificationRule
from phoenix_core.domain.policies import BackupPolicy, Config, ContentRule, ServerGroup

HEADING = (
    "# Policies, rules, groups and notifications. `phoenix config diff FILE` shows what `config apply FILE` would "
    "change.\n\n"
)
_TABLES: dict[str, type[Any]] = {
    "policies": BackupPolicy,
    "rules": ContentRule,
    "groups": ServerGroup,
    "channels": Channel,
    "notifications": NotificationRule,
}
"""Each a field of `Config`."""


class ConfigFileInvalid(PhoenixError):
    code = "config_file_invalid"
    template = "The configuration file {file} can't be used: {detail}."
    hint = "`phoenix config export` shows what such a file looks like."
    exit_code = EXIT_USAGE


def to_text(config: Config) -> str:
    tables = {what: getattr(config, what) for what in _TABLES}
    return HEADING + tomli_w.dumps({what: _by_name(items) for what, items in tables.items() if items})


def read(file: Path) -> Config:
    """Blocks. Raises ConfigFileInvalid, which names the line or the field."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigFileInvalid(file=file, detail=str(getattr(error, "strerror", None) or error)) from error
    return from_text(text, str(file))


def from_text(text: str, file: str) -> Config:
    """`file`: what to call it in an error. Raises ConfigFileInvalid."""
    try:
        tables = tomllib.loads(text)
        for what in tables.keys() - _TABLES.keys():
            raise ConfigFileInvalid(file=file, detail=f"{what} is none of {', '.join(_TABLES)}")
        return Config(**{what: tuple(_items(tables, what, kind, file)) for what, kind in _TABLES.items()})
    except tomllib.TOMLDecodeError as error:
        raise ConfigFileInvalid(file=file, detail=str(error)) from error


def _by_name(items: Iterable[msgspec.Struct]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for item in items:
        fields = _without_defaults(item)
        found[str(fields.pop("name"))] = fields
    return found


def _without_defaults(item: msgspec.Struct) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(item):
        value = getattr(item, field.name)
        if value == field.default:
            continue
        fields[field.name] = (
            _without_defaults(value) if isinstance(value, msgspec.Struct) else msgspec.to_builtins(value)
        )
    return fields


def _items(tables: dict[str, Any], what: str, kind: type[Any], file: str) -> list[Any]:
    table = tables.get(what, {})
    if not isinstance(table, dict):
        raise ConfigFileInvalid(file=file, detail=f"{what} is no table")
    made: list[Any] = []
    for name, fields in table.items():
        if not isinstance(fields, dict) or "name" in fields:
            raise ConfigFileInvalid(file=file, detail=f"{what}.{name} is no table of fields without a name")
        try:
            made.append(msgspec.convert({"name": name, **fields}, kind))
        except msgspec.ValidationError as error:
            raise ConfigFileInvalid(file=file, detail=f"{what}.{name}: {error}") from error
    return made
