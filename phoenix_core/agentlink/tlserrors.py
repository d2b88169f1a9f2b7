"""From what OpenSSL, asyncio and aiohttp raise while dialling to the link's own errors, which say what to do."""

import os
import socket
import ssl
from collections.abc import Iterator

import aiohttp

from phoenix_core.agentlink.errors import (
    CoreCertificateExpired,
    CoreUnreachable,
    LinkError,
    PeerCertificateRefused,
    UntrustedCore,
)
from phoenix_core.agentlink.tlsfiles import WrongRole

_NOT_YET_VALID, _EXPIRED = 9, 10
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of openssl/x509_vfy.h."""
_NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNEXPECTED_MESSAGE", "RECORD_LAYER_FAILURE"}


def explain(error: BaseException, address: str) -> LinkError:
    """What a failure to connect to `address` means."""
    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, LinkError):
            return cause
    original = [cause for cause in chain if not isinstance(cause, aiohttp.ClientError)]  # some are SSLErrors as well
    for cause in original:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _untrusted(cause, address)
    for cause in original:
        if isinstance(cause, ssl.SSLError):
            return _refused(cause, address)
    for cause in chain:
        if isinstance(cause, aiohttp.ClientHttpProxyError):
            return CoreUnreachable(address=address, detail=f"the proxy answered {cause.status} {cause.message}")
    return CoreUnreachable(address=address, detail=_plain(error, chain))


def _untrusted(error: ssl.SSLCertVerificationError, address: str) -> LinkError:
    if isinstance(error, WrongRole):
        return UntrustedCore(address=address, detail=str(error.strerror or error))
    code = getattr(error, "verify_code", 0)
    text = getattr(error, "verify_message", "") or str(error)
    if code in {_EXPIRED, _NOT_YET_VALID}:
        return CoreCertificateExpired(address=address, detail=text)
    return UntrustedCore(address=address, detail=f"its certificate is of another authority ({text})")


def _refused(error: ssl.SSLError, address: str) -> LinkError:
    """Alerts by which a server tells, after the handshake in TLS 1.3, that it takes no offence but our certificate."""
    reason = error.reason or ""
    if "ALERT" in reason:
        if "EXPIRED" in reason or "CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "DECRYPT_ERROR" in reason:
            return PeerCertificateRefused(address=address, detail=reason.lower().replace("_", " "))
        return CoreUnreachable(address=address, detail=f"TLS was refused ({reason.lower().replace('_', ' ')})")
    if reason in _NOT_TLS:
        return UntrustedCore(address=address, detail="it does not speak TLS 1.3")
    return CoreUnreachable(address=address, detail=f"TLS failed ({reason or error})")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it wraps (aiohttp keeps the original in attributes) and what it came from."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        for name in ("os_error", "certificate_error", "_certificate_error", "_os_error"):
            inner = getattr(each, name, None)
            if isinstance(inner, BaseException):
                waiting.append(inner)
        waiting += [each.__cause__, each.__context__]


def _plain(error: BaseException, chain: list[BaseException]) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    for cause in chain:
        if isinstance(cause, socket.gaierror) and cause.strerror:
            return f"the name can't be resolved ({cause.strerror})"
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower()
        if isinstance(cause, ConnectionResetError):
            return "it closed the connection while TLS was being set up"
    return str(error) or type(error).__name__
