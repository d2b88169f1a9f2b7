"""The compressor of blocks: zstd, at the level that the policy names."""

import zstandard

DEFAULT_LEVEL = 3
_WINDOW_LOG = 21


def compressor(level: int) -> zstandard.ZstdCompressor:
    """For one thread. `level` is zstd's, from 1 to 19, but for the default: for blocks of 1 or 2 MiB zstd's own level 3
    looks every position up in two tables, which takes a quarter more time and makes the result 0.2 to 2.5 % smaller
    than one table of the same size (docs/internals/performance.md)."""
    if level != DEFAULT_LEVEL:
        return zstandard.ZstdCompressor(level=level)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, strategy=zstandard.STRATEGY_FAST, hash_log=17, min_match=5, window_log=_WINDOW_LOG
    )
    return zstandard.ZstdCompressor(compression_params=parameters)
