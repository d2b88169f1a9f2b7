"""The one place where errors become HTTP answers."""

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from phoenix_core.api.codec import json_answer
from phoenix_core.api.streaming import StreamCut, drop_connection
from phoenix_core.domain.errors import ErrorView, NotFound, PhoenixError

log = structlog.get_logger(__name__)


class UnknownResource(NotFound):
    code = "unknown_resource"
    template = "The operators' API has no {what} {name}."
    hint = "Core and client may be of different versions; docs/api.md lists what there is."


class MethodNotAllowed(PhoenixError):
    code = "method_not_allowed"
    template = "{method} is not possible on {path}."
    hint = "docs/api.md lists what each resource takes."
    http_status = 405


@web.middleware
async def error_boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except PhoenixError as error:
        return json_answer(error.view(), status=error.http_status)
    except web.HTTPException as error:
        return _http_error(request, error)
    except StreamCut as cut:
        log.warning("an answer was cut short", path=request.path, error=str(cut))
        drop_connection(request)
        return cut.answer
    except ConnectionError:
        raise
    except Exception as error:
        log.exception("a request failed unexpectedly", method=request.method, path=request.path)
        return json_answer(PhoenixError(detail=f"{type(error).__name__}: {error}").view(), status=500)


def _http_error(request: web.Request, error: web.HTTPException) -> web.Response:
    """What the router or aiohttp itself refuses with."""
    if isinstance(error, web.HTTPNotFound):
        return _answer(UnknownResource(what="resource", name=request.path))
    if isinstance(error, web.HTTPMethodNotAllowed):
        return _answer(MethodNotAllowed(method=request.method, path=request.path))
    view = ErrorView(code="http", message=f"{error.reason}.", hint="See docs/api.md.")
    return json_answer(view, status=error.status)


def _answer(error: PhoenixError) -> web.Response:
    return json_answer(error.view(), status=error.http_status)
