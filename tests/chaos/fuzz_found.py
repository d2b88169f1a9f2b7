"""Inputs that once failed a parser, as small as they could be made: target, view, bytes."""

FOUND: tuple[tuple[str, str, bytes], ...] = (
    ("wire messages", "calls over HTTPS", b"\x82\xa2op\xa8\xa2op\xa8Open"),
    ("wire messages", "calls over the socket", b"\x82\xa5token\xa1\xff\xa4call\x81\xa2op\xaaRenewLease"),
    ("wire messages", "answers over the socket", b"\x81\xa6result\xa1\xff"),
    ("wire messages", "answers over the socket", b"\x81\xa6result\x05"),
    ("wire messages", "answers over HTTPS", b"\xc1"),
    ("merged index", "behind the hash", b"\x92\x95\xa4\x19\xe8\x0f\x03"),
)
