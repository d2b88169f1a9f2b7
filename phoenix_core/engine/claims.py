"""What jobs may run beside each other: each declares claims on resources, shared or exclusive.

| job             | claims                                                           |
|-----------------|------------------------------------------------------------------|
| file_backup     | the vault, shared; backups of its server, exclusive              |
| file_restore    | the vault, shared                                                |
| restore_drill   | the vault, shared; drills of its server, exclusive               |
| file_compare    | the vault, shared                                                |
| verify          | the vault, shared; verification, exclusive                       |
| repair          | the vault, shared; verification, exclusive; pruning, exclusive   |
| prune           | the vault, shared; pruning, exclusive                            |
| snapshot_remove | the vault, shared; pruning, shared                               |
| retention       | the vault, shared; pruning, shared; retention, exclusive         |
| rebuild_index   | the vault, exclusive                                             |

Jobs are looked at in the order of their creation. One that must wait holds back later ones whose claims conflict with
its own, so that a stream of shared claims never starves an exclusive one; one whose agent isn't connected holds back
none. Of the jobs of agents that nothing is in the way of, groups of servers take turns where there aren't places for
all (`fairness`); the others need no place.
"""

from collections.abc import Iterable

import msgspec

VAULT = "vault"
VERIFICATION = "verification"
PRUNING = "pruning"
RETENTION = "retention"


class Claim(msgspec.Struct, frozen=True):
    resource: str
    exclusive: bool = False

    def conflicts(self, other: "Claim") -> bool:
        return self.resource == other.resource and (self.exclusive or other.exclusive)


def backups_of(server_id: str) -> str:
    return f"backups of {server_id}"


def drills_of(server_id: str) -> str:
    return f"drills of {server_id}"


def conflict(claims: Iterable[Claim], held: Iterable[Claim]) -> Claim | None:
    """The first of `held` that keeps `claims` from being granted."""
    wanted = tuple(claims)
    return next((other for other in held if any(claim.conflicts(other) for claim in wanted)), None)
