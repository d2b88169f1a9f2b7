"""The HTTP proxy that the environment names for an address: HTTPS_PROXY, ALL_PROXY, NO_PROXY, in either case."""

import ipaddress
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import msgspec

from phoenix_core.agentlink.errors import ProxyUnusable


class Proxy(msgspec.Struct, frozen=True):
    url: str
    """Without user and password."""
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Proxy({self.url!r})"


def proxy_for(url: str) -> Proxy | None:
    """The proxy for a URL of the core. None: dial directly, as always to this host itself. Raises ProxyUnusable."""
    host = urlsplit(url).hostname or ""
    if _is_this_host(host) or proxy_bypass(host):
        return None
    named = getproxies()
    found = named.get("https") or named.get("all")
    if not found:
        return None
    try:
        parts = urlsplit(found if "://" in found else f"http://{found}")
        place, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ProxyUnusable() from error
    if not place or parts.scheme not in {"http", "https"}:
        raise ProxyUnusable()
    if ":" in place:
        place = f"[{place}]"
    if port is not None:
        place = f"{place}:{port}"
    return Proxy(
        url=urlunsplit((parts.scheme, place, "", "", "")),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _is_this_host(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
