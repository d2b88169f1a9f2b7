"""Some days of a small fleet end with the restore points that the model of its policies predicts."""

from pathlib import Path

from tests.simulation.fleet import beginning, live
from tests.simulation.plan import Fortnight


async def test_some_days_end_as_predicted(tmp_path: Path) -> None:
    await live(tmp_path, Fortnight(7, beginning(), servers=5, days=4), lambda text: None)
