"""A fortnight of a small fleet ends with the restore points that the model of its policies predicts."""

from pathlib import Path

from tests.simulation.fleet import beginning, live
from tests.simulation.plan import Fortnight


async def test_a_fortnight_ends_as_predicted(tmp_path: Path) -> None:
    await live(tmp_path, Fortnight(7, beginning(), servers=5), lambda text: None)
