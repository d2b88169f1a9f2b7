"""What a decoder may raise on malformed MessagePack or JSON: text that isn't UTF-8 is no `MsgspecError`."""

import msgspec

MALFORMED: tuple[type[Exception], ...] = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
