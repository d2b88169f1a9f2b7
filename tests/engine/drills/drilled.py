"""Drills of a test: asked for, and at their end."""

import pytest

from phoenix_core.agentlink.drillmessages import DrillFailure, DrillFindings
from phoenix_core.domain.drills import DrillRequest
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.views import JobView
from tests.engine.rig import Rig

SOUND = DrillFindings(files=3, bytes=300, others=2)
BROKEN = DrillFindings(files=3, failures=(DrillFailure("/srv/a", "damaged"),), failure_count=1)


async def drilled(rig: Rig, **wanted: object) -> JobView:
    request = DrillRequest(server=str(wanted.pop("server", "web1")), **wanted)  # type: ignore[arg-type]
    return await rig.ended((await rig.client.run_drill(request)).id)


async def refused(rig: Rig, **wanted: object) -> RemoteError:
    with pytest.raises(RemoteError) as error:
        await drilled(rig, **wanted)
    return error.value
