"""The core as a server without Phoenix sees it: proved by the token's fingerprint, then asked for wheels."""

import base64
import contextlib
import functools
import hashlib
import http.client
import ipaddress
import json
import os
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from phoenix_core.rollout.onserver.stop import Stop

TIMEOUT_S = 60
PIECE = 1 << 20
MANIFEST_MAX = 8 << 20


def read_token(text: str) -> "tuple[list[str], bytes]":
    """Addresses and fingerprint of an activation token; the secret in it is only for the enrolment."""
    match = re.match(r"phx1\.([A-Za-z0-9_-]+)=*$", "".join(text.split()))
    try:
        if match is None:
            raise ValueError
        packed = match.group(1)
        raw = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        body, check = raw[:-4], raw[-4:]
        urls, fingerprint, _ = _unpack(body, 0)[0]
        if hashlib.sha256(body).digest()[:4] != check or not urls or len(fingerprint) != 32:
            raise ValueError
    except (ValueError, IndexError, TypeError):
        raise Stop(
            "This is no activation token of this version, or a part of it is missing.",
            "Copy the whole line that `phoenix server add` printed.",
            "activation_token_malformed",
        ) from None
    return urls, fingerprint


def _unpack(data: bytes, at: int) -> "tuple[Any, int]":
    """The few kinds of MessagePack that a token is made of."""
    kind = data[at]
    at += 1
    if kind & 0xF0 == 0x90:
        items = []
        for _ in range(kind & 0x0F):
            item, at = _unpack(data, at)
            items.append(item)
        return items, at
    if kind & 0xE0 == 0xA0:
        length = kind & 0x1F
    elif kind in (0xC4, 0xD9):
        length, at = data[at], at + 1
    elif kind in (0xC5, 0xDA):
        length, at = int.from_bytes(data[at : at + 2], "big"), at + 2
    else:
        raise ValueError
    value = data[at : at + length]
    if len(value) != length:
        raise ValueError
    return (value if kind in (0xC4, 0xC5) else value.decode("utf-8")), at + length


class _CoreConnection(http.client.HTTPSConnection):
    """Its other end shows a certificate of the core's authority and, in it, the role of the core."""

    def connect(self) -> None:
        super().connect()
        names = self.sock.getpeercert().get("subjectAltName", ())  # type: ignore[union-attr]
        if ("URI", "phoenix:core") not in names:
            self.close()
            raise ssl.SSLError("its certificate is not that of a core")


class _CoreHandler(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._own = context

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(functools.partial(_CoreConnection, context=self._own), req)


class Core:
    """One core at one address, trusted by its authority's certificate."""

    def __init__(self, url: str, ca_pem: str) -> None:
        self.url = url.rstrip("/")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # cores are known by their authority and role, not by names
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=ca_pem)
        if hasattr(ssl, "TLSVersion"):
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._opener = _opener(self.url, _CoreHandler(context))

    @classmethod
    def by_fingerprint(cls, url: str, fingerprint: bytes) -> "Core":
        """Fetch the authority's certificate, trusting nobody, and go on only if it is the one of the fingerprint."""
        blind = ssl._create_unverified_context()  # noqa: S323 - what comes is compared with the fingerprint
        opener = _opener(url, urllib.request.HTTPSHandler(context=blind))
        pem = _answer(opener, url.rstrip("/") + "/link/v1/ca", 64 << 10).decode("ascii", "replace")
        try:
            found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.strip())).digest()
        except ValueError:
            found = b""
        if found != fingerprint:
            raise Stop(
                "What answers at {} is not the core that made the token: its authority has the fingerprint {}…, in the "
                "token {}…. Nothing was changed.".format(url, found.hex()[:16] or "missing", fingerprint.hex()[:16]),
                "See that the address leads to your core and that nothing in between opens TLS.",
                "untrusted_core",
            )
        return cls(url, pem)

    def bundle(self) -> "dict[str, Any]":
        """What the core serves: version, wheels with their hashes, the targets that they are for."""
        answer = _answer(self._opener, self.url + "/install/v1/bundle", MANIFEST_MAX)
        try:
            bundle: dict[str, Any] = json.loads(answer.decode("utf-8"))
            if bundle["format"] != 1:
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise Stop(
                f"The core at {self.url} offers its wheels in a form that this program doesn't know.",
                "Make a new line with `phoenix server add` there.",
            ) from None
        return bundle

    def fetch(self, wheel: "dict[str, Any]", path: str) -> None:
        """Write a wheel to the path, and check its length and SHA-256."""
        digest = hashlib.sha256()
        left = size = int(str(wheel["size"]))
        with open(path, "wb") as file:  # noqa: SIM117 - an old Python has no other form
            with _open(self._opener, self.url + "/install/v1/wheels/" + str(wheel["sha256"])) as answer:
                while left >= 0:
                    piece = _read(answer, min(PIECE, left + 1), self.url)
                    if not piece:
                        break
                    digest.update(piece)
                    file.write(piece)
                    left -= len(piece)
        if left != 0 or digest.hexdigest() != wheel["sha256"]:
            what = f"arrived with {size - left} of {size} bytes" if left else "is not what the core said"
            raise Stop(
                f"{os.path.basename(path)} {what}.",
                "Run it again. If it stays, `phoenix core bundle` at the core.",
            )


def _opener(url: str, handler: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Through the proxy of the environment, except to this host itself."""
    host = urllib.parse.urlsplit(url).hostname or ""
    here = host == "localhost"
    with contextlib.suppress(ValueError):
        here = here or ipaddress.ip_address(host).is_loopback
    proxies = [urllib.request.ProxyHandler({})] if here else []
    return urllib.request.build_opener(handler, *proxies)


def _open(opener: urllib.request.OpenerDirector, url: str) -> http.client.HTTPResponse:
    try:
        answer: http.client.HTTPResponse = opener.open(url, timeout=TIMEOUT_S)
        return answer  # noqa: TRY300 - the errors below are of the opening
    except urllib.error.HTTPError as error:
        try:
            view = json.loads(error.read(65536).decode("utf-8"))
            raise Stop(view["message"], view["hint"], view["code"]) from None
        except (ValueError, KeyError, TypeError, OSError):
            raise Stop(f"{url} answered with HTTP status {error.code}.", "", "core_unreachable") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLError):
            raise Stop(
                f"What answers at {url} is not the core that this host trusts: {reason}.",
                "See that the address leads to your core and that nothing in between opens TLS.",
                "untrusted_core",
            ) from None
        raise Stop(
            f"The core can't be reached at {url}: {reason}.",
            "See that the core runs, that its name resolves here and that no firewall blocks the port.",
            "core_unreachable",
        ) from None


def _answer(opener: urllib.request.OpenerDirector, url: str, longest: int) -> bytes:
    with _open(opener, url) as answer:
        return _read(answer, longest, url)


def _read(answer: http.client.HTTPResponse, longest: int, url: str) -> bytes:
    """What fails here is the connection, not this server's disk."""
    try:
        return answer.read(longest)
    except (OSError, http.client.HTTPException) as error:
        raise Stop(
            f"The connection to the core at {url} was lost: {error or type(error).__name__}.",
            "Run it again.",
            "core_unreachable",
        ) from None


def first_core(urls: "list[str]", fingerprint: bytes) -> "tuple[Core, dict[str, Any]]":
    """The first address of the token that leads to the core, and what it serves. Raises the first one's Stop."""
    problem = None
    for url in urls:
        try:
            core = Core.by_fingerprint(url, fingerprint)
            return core, core.bundle()
        except Stop as stop:
            if stop.code != "core_unreachable" or problem is None:
                problem = stop
            if stop.code not in ("core_unreachable", "untrusted_core"):
                break
    assert problem is not None
    raise problem
