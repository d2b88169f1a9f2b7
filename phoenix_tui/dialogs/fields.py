"""The lines of a form: how a structure's fields are shown, and read back from what was typed."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

import msgspec

from phoenix_core.domain.quantities import parse_size, parse_time, typed_size, typed_time
from phoenix_tui.i18n import _

LISTED = "; "
"""Between the parts of a list."""

S = TypeVar("S", bound=msgspec.Struct)


class Field(NamedTuple):
    """One line of a form."""

    name: str
    """Of the structure's field; `retention.daily` is one of its retention's."""
    label: str
    example: str = ""
    unit: str = ""
    """`size` or `time`: typed as `10M` or `30d`."""
    of: type[StrEnum] | None = None
    """Of a list of words: those that there are."""


class Unfit(Exception):
    """What was typed is of another kind than its field; says so."""


def shown(item: msgspec.Struct, field: Field) -> str:
    value = _value(item, field)
    if field.unit:
        return _UNITS[field.unit].shown(value)
    if isinstance(value, tuple):
        return LISTED.join(value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)


def filled(item: S, fields: Sequence[Field], typed: Mapping[str, str]) -> S:
    """The item with what was typed, by the fields' names. Raises Unfit."""
    changes: dict[str, Any] = {}
    for field in fields:
        value = _read(field, _value(item, field), typed[field.name].strip())
        whole, _dot, part = field.name.partition(".")
        if part:
            value = msgspec.structs.replace(changes.get(whole, getattr(item, whole)), **{part: value})
        changes[whole] = value
    return msgspec.structs.replace(item, **changes)


def _value(item: msgspec.Struct, field: Field) -> Any:
    value: Any = item
    for name in field.name.split("."):
        value = getattr(value, name)
    return value


def _read(field: Field, before: object, text: str) -> object:
    """What was typed, as what the field held before is."""
    if field.unit:
        return _measured(field, text)
    if isinstance(before, bool):
        return _flag(field, text)
    if isinstance(before, int):
        return _whole(field, text)
    if isinstance(before, StrEnum):
        return _one_of(field, type(before), text)
    if isinstance(before, tuple):
        parts = [part.strip() for part in text.split(";") if part.strip()]
        return tuple(parts if field.of is None else (_one_of(field, field.of, part) for part in parts))
    return text


def _measured(field: Field, text: str) -> int:
    try:
        return _UNITS[field.unit].read(text or "0")
    except ValueError as error:
        raise Unfit(f"{field.label}: {error}.") from error


def _whole(field: Field, text: str) -> int:
    if not text.isdigit():
        raise Unfit(_("{field}: a whole number is wanted.").format(field=field.label))
    return int(text)


def _flag(field: Field, text: str) -> bool:
    if text.lower() not in {_("yes"), _("no")}:
        raise Unfit(_("{field}: yes or no is wanted.").format(field=field.label))
    return text.lower() == _("yes")


def _one_of(field: Field, kind: type[StrEnum], text: str) -> StrEnum:
    try:
        return kind(text.lower())
    except ValueError as error:
        wanted = ", ".join(kind)
        raise Unfit(_("{field}: one of {wanted} is wanted.").format(field=field.label, wanted=wanted)) from error


class _Unit(NamedTuple):
    shown: Callable[[int], str]
    read: Callable[[str], int]


_UNITS = {"size": _Unit(typed_size, parse_size), "time": _Unit(typed_time, parse_time)}
