"""What is said of a vault that isn't as it should be: the same sentences by `doctor` and by alerts."""

from typing import NamedTuple

from phoenix_core.domain.amounts import amount
from phoenix_core.domain.views import VaultView


class Said(NamedTuple):
    text: str
    hint: str


def damage(view: VaultView) -> Said:
    """Of a vault with damaged packs."""
    return Said(
        f"{amount(view.damaged_packs, 'pack')} {'is' if view.damaged_packs == 1 else 'are'} damaged or lost.",
        "`phoenix vault verify` names the snapshots and files, `phoenix vault repair` what can be saved and which "
        "servers to back up again. `phoenix vault prune --execute` deletes what no snapshot needs.",
    )


def broken_index(view: VaultView) -> Said:
    """Of a vault whose index isn't complete."""
    if view.index_problem is not None:
        return Said(view.index_problem.message, view.index_problem.hint)
    return Said(
        "The storage node's index is missing or damaged; nothing can be backed up or restored.",
        "Make it anew: `phoenix vault rebuild-index`.",
    )
