"""Keeps a long job's storage token fresh and its lease alive, in a thread of its own."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import jwt
import structlog

from phoenix_core.domain.errors import PhoenixError

RENEW_LEASE_S = 60.0
RETRY_S = 10.0
UNKNOWN_LIFE_S = 240.0
LEAST_WAIT_S = 5.0
log = structlog.get_logger(__name__)


def expiry_of(token: str) -> float | None:
    """When a token ends, seconds since the epoch; None where it doesn't say. The signature is for the node to check."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        return float(claims["exp"])
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
        return None


class TokenKeeper:
    """Inside the `with` block it asks for a fresh token at half of the old one's life, and renews the lease.

    Where core or node are away it tries again: the job goes on as long as its old token serves."""

    def __init__(self, token: str, fresh_token: Callable[[], str], renew_lease: Callable[[], None]) -> None:
        self._fresh_token = fresh_token
        self._renew_lease = renew_lease
        self._fresh = ""
        self._token_at = _half_life(token)
        self._lease_at = time.monotonic() + RENEW_LEASE_S
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="token keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """A request under way is not waited for."""
        self._over.set()

    def take(self) -> str:
        """The fresh token, once; empty where there is none."""
        token, self._fresh = self._fresh, ""
        return token

    def _run(self) -> None:
        while not self._over.wait(max(0.0, min(self._token_at, self._lease_at) - time.monotonic())):
            now = time.monotonic()
            if now >= self._token_at:
                self._token_at = self._try(self._renew_token)
            if now >= self._lease_at:
                self._lease_at = self._try(self._renew)

    def _renew_token(self) -> float:
        token = self._fresh_token()
        self._fresh = token
        return _half_life(token)

    def _renew(self) -> float:
        self._renew_lease()
        return time.monotonic() + RENEW_LEASE_S

    def _try(self, renew: Callable[[], float]) -> float:
        """When to do it next."""
        try:
            return renew()
        except PhoenixError as error:
            log.warning("a token or lease could not be renewed yet", code=error.view().code, error=error.message)
        except Exception:
            log.exception("a token or lease could not be renewed")
        return time.monotonic() + RETRY_S


def _half_life(token: str) -> float:
    """A reading of the monotonic clock."""
    expiry = expiry_of(token)
    life_s = UNKNOWN_LIFE_S if expiry is None else expiry - time.time()
    return time.monotonic() + max(life_s / 2, LEAST_WAIT_S)
