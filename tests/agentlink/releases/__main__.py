"""Records the version that runs."""

import msgspec

from phoenix_core import __version__
from phoenix_core.agentlink import frames
from phoenix_core.agentlink.errors import MessageUnknown
from phoenix_core.agentlink.messages import Message
from phoenix_core.agentlink.reports import Report
from tests.agentlink.golden_messages import EXAMPLES
from tests.agentlink.releases import FOLDER, Recorded


def _required(message: Message) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(message) if field.required]


def main() -> None:
    from_agent = [message for message in EXAMPLES.values() if _is_from_agent(frames.encode(message))]
    from_core = [message for message in EXAMPLES.values() if message not in from_agent]
    made = Recorded(
        version=__version__,
        agent=[frames.encode(message) for message in sorted(from_agent, key=lambda each: isinstance(each, Report))],
        core=[frames.encode(message) for message in from_core],
        required={type(message).__name__: _required(message) for message in from_core},
    )
    (FOLDER / f"{__version__}.msgpack").write_bytes(msgspec.msgpack.encode(made))


def _is_from_agent(frame: bytes) -> bool:
    try:
        frames.decode_from_peer(frame)
    except MessageUnknown:
        return False
    return True


main()
