"""Errors of the agent link: certificates, enrolment, frames, connection; `from_view` gives the same class back."""

from phoenix_core.domain.errors import EXIT_QUEUED, EXIT_USAGE, ErrorView, PhoenixError, from_view_as


class LinkError(PhoenixError):
    """Base of this package's errors."""

    code = "link"
    template = "The agent link failed: {detail}."


# --- certificates ----------------------------------------------------------------------------------------------------


class UntrustedCore(LinkError):
    """What answers there doesn't prove to be the core that this peer was enrolled at."""

    code = "untrusted_core"
    template = "What answers at {address} is not the core that this host trusts: {detail}."
    hint = (
        "See that the address leads to your core and that nothing in between opens TLS. "
        "If the core was set up anew, enrol this host again with a new activation token."
    )


class CoreCertificateExpired(LinkError):
    code = "core_certificate_expired"
    template = "The certificate of the core at {address} is outside its time: {detail}."
    hint = "Check this host's clock first. The core renews its certificate when it starts: restart it."
    retryable = True


class PeerCertificateExpired(LinkError):
    """This host's own certificate."""

    code = "peer_certificate_expired"
    template = "This host's certificate ended on {ended}, so the core no longer lets it in."
    hint = "Check this host's clock; else enrol it again with a new activation token and --again."


class PeerCertificateRefused(LinkError):
    """The core's TLS refused this host's certificate."""

    code = "peer_certificate_refused"
    template = "The core at {address} refuses this host's certificate: {detail}."
    hint = "Enrol this host again with a new activation token and --again."


class CertificateNeeded(LinkError):
    code = "certificate_needed"
    template = "This needs a client certificate of this core."
    hint = "Enrol this host with `phoenix agent enroll`, or use the operators' socket on the core's host."
    http_status = 401


class CertificateMalformed(LinkError):
    code = "certificate_malformed"
    template = "The certificate {name} can't be used: {detail}."
    hint = "Enrol again with a new activation token and --again."
    http_status = 401


class BadCertificateRequest(LinkError):
    code = "certificate_request"
    template = "The request for a certificate can't be granted: {detail}."
    hint = "Bring agent and core to the same version, then try again."


class PkiDamaged(LinkError):
    """The core's own certificate authority can't be read."""

    code = "pki_damaged"
    template = "The core's certificates in {path} can't be used: {detail}."
    hint = "Put the folder back from a copy. Without it, remove it and enrol every agent again."


# --- enrolment -------------------------------------------------------------------------------------------------------


class TokenMalformed(LinkError):
    code = "activation_token_malformed"
    template = "This is no activation token: {detail}."
    hint = "Copy the whole token that `phoenix server token` or the console showed; it begins with phx1."
    exit_code = EXIT_USAGE


class TokenOfOtherVersion(LinkError):
    code = "activation_token_version"
    template = "The activation token is of version {found}; this program reads version {known}."
    hint = "Bring agent and core to the same version."
    exit_code = EXIT_USAGE


class TokenForged(LinkError):
    """The core never gave out this secret."""

    code = "activation_token_forged"
    template = "The core doesn't know this activation token."
    hint = "Make a new one at the core, and see that it comes from this core."
    http_status = 403


class TokenExpired(LinkError):
    code = "activation_token_expired"
    template = "The activation token expired on {ended}."
    hint = "Make a new one at the core."
    http_status = 403


class TokenUsed(LinkError):
    code = "activation_token_used"
    template = "The activation token was used on {used}."
    hint = "Each token enrols one host. Make a new one at the core; if it wasn't you who used it, remove that server."
    http_status = 403


class TokenForOtherRole(LinkError):
    code = "activation_token_role"
    template = "The activation token is for the role {granted}, not for {wanted}."
    hint = "Make a token for this role at the core, or use the command of the other role."
    http_status = 403
    exit_code = EXIT_USAGE


class AlreadyEnrolled(LinkError):
    code = "already_enrolled"
    template = "The folder {path} is enrolled already, as {name} at {urls}."
    hint = "Pass --again to give that identity up and enrol anew."
    exit_code = EXIT_USAGE


class NotEnrolled(LinkError):
    code = "not_enrolled"
    template = "This host is not enrolled: {path} {detail}."
    hint = "Make a token at the core with `phoenix server token`, then run `phoenix agent enroll TOKEN` here."
    exit_code = EXIT_USAGE


class StateUnwritable(LinkError):
    code = "state_unwritable"
    template = "The folder {path} can't be written to: {detail}."
    hint = "Free space there or correct its owner; then enrol, with a new token if this one was used."


class EnrolmentRefused(LinkError):
    code = "enrolment_refused"
    template = "The request to enrol can't be read: {detail}."
    hint = "Bring agent and core to the same version."


# --- connection ------------------------------------------------------------------------------------------------------


class CoreUnreachable(LinkError):
    code = "core_unreachable"
    template = "The core at {address} can't be reached: {detail}."
    hint = "See that the core runs, that its name resolves here and that no firewall blocks the port."
    retryable = True
    http_status = 503


class ProxyUnusable(LinkError):
    """Its text may hold a password, so it isn't repeated."""

    code = "proxy_unusable"
    template = "The proxy named by HTTPS_PROXY or ALL_PROXY in the environment is no usable address."
    hint = "Set it to http://host:port, or list the core's host in NO_PROXY."
    exit_code = EXIT_USAGE


class CoreAway(LinkError):
    """There is no connection to the core at the moment."""

    code = "core_away"
    template = "The core did not answer within {timeout_s} s."
    hint = "The agent goes on trying to connect; see its log."
    retryable = True
    http_status = 503


class AnswerLost(LinkError):
    """No answer came to a request that was sent, and that must not be made twice."""

    code = "answer_lost"
    template = "The core was asked, and no answer came; it may or may not have done it."
    hint = "Look at `phoenix job list`, then try again."
    http_status = 503


class LinkClosed(LinkError):
    code = "link_closed"
    template = "The agent is being stopped, so it asks the core nothing more."
    hint = "Start it again with `phoenix agent run`."
    retryable = True


class PeerAway(LinkError):
    code = "peer_away"
    template = "The peer {peer} is not connected."
    hint = "Start its agent with `phoenix agent run`."
    retryable = True
    exit_code = EXIT_QUEUED
    http_status = 409


class PeerNotAllowed(LinkError):
    code = "peer_not_allowed"
    template = "The peer {peer} was removed, or its certificate {serial} is not one of its own."
    hint = "Enrol this host again with a new activation token and --again."
    http_status = 403


class ReplacedByNewer(LinkError):
    code = "peer_replaced"
    template = "The peer {peer} connected a second time; this connection is closed."
    hint = "If two agents run with the same state folder, stop one; if a copy of it runs elsewhere, remove the server."
    retryable = True


class CoreStopping(LinkError):
    code = "core_stopping"
    template = "The core is being stopped."
    hint = "The agent connects again once the core runs."
    retryable = True
    http_status = 503


class ProtocolMismatch(LinkError):
    code = "protocol_mismatch"
    template = "The agent speaks version {found} of the agent link, the core version {known}."
    hint = (
        "Upgrade the older one. An agent: `phoenix agent upgrade` on its server, or the line of `phoenix server add` "
        "there. A core: install the newer Phoenix on its host, then `phoenix core bundle`."
    )
    exit_code = EXIT_USAGE


class AgentTooOld(LinkError):
    code = "agent_too_old"
    template = (
        "The agent's version {found} is too old for this core of version {known}, which serves {oldest} and newer."
    )
    hint = "On the agent's server: `phoenix agent upgrade`, or the line that `phoenix server add` prints at the core."
    http_status = 409
    exit_code = EXIT_USAGE


# --- frames ----------------------------------------------------------------------------------------------------------


class FrameTooLarge(LinkError):
    code = "frame_too_large"
    template = "A message of {bytes} bytes is over the agent link's limit of {limit} bytes."
    hint = "Split the work: name fewer paths in one job."


class FrameGarbled(LinkError):
    code = "frame_garbled"
    template = "A message on the agent link can't be read: {detail}."
    hint = "Bring agent and core to the same version; see that nothing in between changes the traffic."


class MessageUnknown(LinkError):
    code = "message_unknown"
    template = "A message of type {tag} is not known here."
    hint = "Bring agent and core to the same version."


class MessageUnexpected(LinkError):
    code = "message_unexpected"
    template = "A message of type {tag} makes no sense here: {detail}."
    hint = "Bring agent and core to the same version."


class OutboxFailed(LinkError):
    code = "outbox_failed"
    template = "A report can't be kept in {path}: {detail}."
    hint = "Free space there and see that the folder can be written to."
    retryable = True


_CLASSES: dict[str, type[PhoenixError]] = {
    cls.code: cls
    for cls in (
        UntrustedCore,
        CoreCertificateExpired,
        PeerCertificateExpired,
        PeerCertificateRefused,
        CertificateNeeded,
        CertificateMalformed,
        BadCertificateRequest,
        TokenForged,
        TokenExpired,
        TokenUsed,
        TokenForOtherRole,
        EnrolmentRefused,
        PeerNotAllowed,
        ReplacedByNewer,
        CoreStopping,
        ProtocolMismatch,
        AgentTooOld,
        FrameTooLarge,
        FrameGarbled,
        MessageUnknown,
        MessageUnexpected,
    )
}


def from_view(view: ErrorView) -> PhoenixError:
    """The other end's error as the class it had there; RemoteError where this version doesn't know it."""
    return from_view_as(view, _CLASSES)
