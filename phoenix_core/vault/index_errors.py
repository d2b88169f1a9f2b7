"""Errors of the chunk index; each names the way to mend it."""

from phoenix_core.domain.errors import PhoenixError


class IndexMissing(PhoenixError):
    """The vault holds packs, and the index that says what is in them isn't there or isn't complete."""

    code = "index_missing"
    template = "The vault's index in {folder} is missing or not complete."
    hint = "Run `phoenix vault rebuild-index`; it makes the index anew from the vault, no data is lost."
    http_status = 503


class IndexDamaged(PhoenixError):
    """The index can't be read."""

    code = "index_damaged"
    template = "The vault's index in {folder} is damaged: {detail}."
    hint = "Run `phoenix vault rebuild-index`; it makes the index anew from the vault, no data is lost."
    http_status = 503


class IndexFull(PhoenixError):
    """The disk that holds the index is full."""

    code = "index_full"
    template = "The disk with the index in {folder} is full."
    hint = "Free space there; what is already stored is untouched."
    retryable = True
    http_status = 507
