"""How much memory a TLS connection costs in this process.

asyncio's SSLProtocol reads into a buffer of 256 KiB for each connection, which makes a peer cost some 300 kB. A TLS
record holds at most 16 KiB (RFC 8446, 5.1), so that a buffer of one record makes it some 60 kB, while bulk data on the
same port goes a tenth slower.
"""

import asyncio.sslproto

RECORD_BYTES = 16 << 10


def use_small_tls_buffers() -> None:
    """For a core, once, before it listens; holds for connections made from then on."""
    asyncio.sslproto.SSLProtocol.max_size = RECORD_BYTES
