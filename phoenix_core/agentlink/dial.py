"""One way to open HTTPS to the core, for enrolment and for the link: paths, TLS context, proxy, time-outs."""

import ssl
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from phoenix_core.agentlink.errors import CoreUnreachable
from phoenix_core.agentlink.proxy import Proxy

CA_PATH = "/link/v1/ca"
ENROL_PATH = "/link/v1/enrol"
CONNECT_PATH = "/link/v1/connect"
SELF_PATH = "/link/v1/self"
CONNECT_TIMEOUT_S = 15.0
"""For the address look-up, TCP, a proxy's CONNECT and the TLS handshake together."""


def address_of(url: str) -> str:
    """Host and port, for people to read. Raises CoreUnreachable for what is no address of a core."""
    try:
        parts = urlsplit(url)
        good = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise CoreUnreachable(address=url, detail="this is not of the form https://host:port")
    return parts.netloc


def http_session(context: ssl.SSLContext, timeout_s: float | None = None) -> aiohttp.ClientSession:
    """A session that opens one connection; `timeout_s` bounds a whole request (None: the connecting only)."""
    connector = aiohttp.TCPConnector(ssl=context, limit=1, force_close=True)
    timeout = aiohttp.ClientTimeout(total=timeout_s, connect=CONNECT_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False)


def proxy_arguments(proxy: Proxy | None) -> dict[str, Any]:
    """Keyword arguments of an aiohttp request."""
    if proxy is None:
        return {}
    if not proxy.user:
        return {"proxy": proxy.url}
    login = aiohttp.encode_basic_auth(proxy.user, proxy.password)
    return {"proxy": proxy.url, "proxy_headers": {"Proxy-Authorization": login}}
