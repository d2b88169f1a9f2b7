"""Whether a host that is enrolled already still is, as its core sees it; asked beside a link that may be up."""

import asyncio
from pathlib import Path

import aiohttp

from phoenix_core.agentlink import activation
from phoenix_core.agentlink.certificates import CORE
from phoenix_core.agentlink.dial import SELF_PATH, address_of, http_session, proxy_arguments
from phoenix_core.agentlink.enrol import TIMEOUT_S, Enrolment, answer_of
from phoenix_core.agentlink.errors import (
    AlreadyEnrolled,
    CoreUnreachable,
    LinkError,
    NotEnrolled,
    PeerCertificateExpired,
    PeerCertificateRefused,
    PeerNotAllowed,
)
from phoenix_core.agentlink.peerstate import PeerState
from phoenix_core.agentlink.proxy import proxy_for
from phoenix_core.agentlink.tlserrors import explain


async def still_enrolled(token: str, state_dir: Path) -> Enrolment | None:
    """The enrolment in this folder, where it is one at the token's core and that core still lets it in; None where
    there is none, or the core lets it in no more.

    Raises TokenMalformed, TokenOfOtherVersion, CoreUnreachable, UntrustedCore; AlreadyEnrolled at another core."""
    wanted = activation.decode(token)
    try:
        state = await asyncio.to_thread(PeerState.load, state_dir)
    except NotEnrolled:
        return None
    peer = state.peer
    if await asyncio.to_thread(state.fingerprint) != wanted.ca_fingerprint:
        raise AlreadyEnrolled(path=state_dir, name=peer.name, urls=" ".join(peer.urls))
    problem: LinkError | None = None
    for url in dict.fromkeys((*peer.urls, *wanted.urls)):
        try:
            await _ask(state, url.rstrip("/"))
        except (PeerNotAllowed, PeerCertificateExpired, PeerCertificateRefused):
            return None
        except CoreUnreachable as error:
            problem = problem or error
        else:
            return Enrolment(peer_id=peer.peer_id, name=peer.name, role=peer.role, urls=peer.urls)
    assert problem is not None
    raise problem


async def _ask(state: PeerState, url: str) -> None:
    address = address_of(url)
    context = await asyncio.to_thread(state.tls.client_context, (CORE,))
    try:
        async with (
            http_session(context, TIMEOUT_S) as session,
            session.get(url + SELF_PATH, **proxy_arguments(proxy_for(url))) as response,
        ):
            await answer_of(response, address)
    except (OSError, aiohttp.ClientError) as error:
        raise explain(error, address) from error
