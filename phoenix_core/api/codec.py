"""JSON bodies and query parameters of the operators' API, checked as they come in."""

from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from phoenix_core.engine.errors import BadRequest

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


def json_answer(value: Any, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


async def body_of(request: web.Request, kind: type[T], *, default: T | None = None) -> T:
    """The request's body; `default` where there is none. Raises BadRequest."""
    content = await request.read()
    if not content and default is not None:
        return default
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest(detail=str(error).rstrip(".")) from error


def whole(request: web.Request, name: str, default: int, *, low: int = 0, high: int = 2**53) -> int:
    """A query parameter that is a whole number within bounds. Raises BadRequest."""
    text = request.query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise BadRequest(detail=f"{name}={text[:40]} is no whole number from {low} to {high}")
    return int(text)


def flag(request: web.Request, name: str) -> bool:
    """A query parameter that is `true` or `false`, which is also what its absence means. Raises BadRequest."""
    text = request.query.get(name, "false")
    if text not in {"true", "false"}:
        raise BadRequest(detail=f"{name}={text[:40]} is neither true nor false")
    return text == "true"


def one_of(request: web.Request, name: str, kind: type[E]) -> E | None:
    """A query parameter that is a member of an enum; None where it isn't there. Raises BadRequest."""
    text = request.query.get(name, "")
    if not text:
        return None
    try:
        return kind(text)
    except ValueError as error:
        raise BadRequest(detail=f"{name}={text[:40]} is none of {', '.join(kind)}") from error
