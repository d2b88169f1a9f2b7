"""The part of the client that is about policies, rules, groups and restore drills, and who changed what."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from phoenix_core.domain.audit import AuditEntry
from phoenix_core.domain.drills import DrillRequest, DrillView
from phoenix_core.domain.policies import (
    BackupPolicy,
    Config,
    ConfigChange,
    ContentRule,
    RetentionVerdict,
    ServerGroup,
)
from phoenix_core.domain.views import JobView

T = TypeVar("T")


class PolicyCalls(ABC):
    """What `client.CoreClient` inherits."""

    @abstractmethod
    async def _call(
        self, method: str, path: str, answer: type[T], *, query: dict[str, Any] | None = None, body: object = None
    ) -> T: ...

    # --- policies, rules, groups -------------------------------------------------------------------------------------

    async def policies(self) -> list[BackupPolicy]:
        return await self._call("GET", "/v1/policies", list[BackupPolicy])

    async def policy(self, name: str) -> BackupPolicy:
        return await self._call("GET", _named("policies", name), BackupPolicy)

    async def put_policy(self, name: str, policy: BackupPolicy, *, new: bool = False) -> BackupPolicy:
        """Make it, or change the one of this name; `policy.name` may be a new name for it. `new`: only make it."""
        return await self._call("PUT", _named("policies", name), BackupPolicy, query=_only_new(new), body=policy)

    async def remove_policy(self, name: str) -> None:
        await self._call("DELETE", _named("policies", name), dict[str, str])

    async def runs(self, policy: str, count: int = 10) -> list[datetime]:
        """The next times that the policy's schedule names, UTC."""
        return await self._call("GET", _named("policies", policy, "/runs"), list[datetime], query={"count": count})

    async def retention_of(self, policy: str) -> list[RetentionVerdict]:
        """What the policy's retention says of each restore point of its servers."""
        return await self._call("GET", _named("policies", policy, "/retention"), list[RetentionVerdict])

    async def apply_retention(self) -> JobView:
        """A job that removes the restore points that no policy keeps."""
        return await self._call("POST", "/v1/retention", JobView)

    async def rules(self) -> list[ContentRule]:
        return await self._call("GET", "/v1/rules", list[ContentRule])

    async def rule(self, name: str) -> ContentRule:
        return await self._call("GET", _named("rules", name), ContentRule)

    async def put_rule(self, name: str, rule: ContentRule, *, new: bool = False) -> ContentRule:
        """As `put_policy`."""
        return await self._call("PUT", _named("rules", name), ContentRule, query=_only_new(new), body=rule)

    async def ready_made_rules(self) -> list[ContentRule]:
        """Rules of a whole server, to be used or copied."""
        return await self._call("GET", "/v1/ready-made-rules", list[ContentRule])

    async def remove_rule(self, name: str) -> None:
        await self._call("DELETE", _named("rules", name), dict[str, str])

    async def groups(self) -> list[ServerGroup]:
        return await self._call("GET", "/v1/groups", list[ServerGroup])

    async def group(self, name: str) -> ServerGroup:
        return await self._call("GET", _named("groups", name), ServerGroup)

    async def put_group(self, name: str, group: ServerGroup, *, new: bool = False) -> ServerGroup:
        """As `put_policy`."""
        return await self._call("PUT", _named("groups", name), ServerGroup, query=_only_new(new), body=group)

    async def remove_group(self, name: str) -> None:
        await self._call("DELETE", _named("groups", name), dict[str, str])

    async def config(self) -> Config:
        """All policies, rules, groups and notifications."""
        return await self._call("GET", "/v1/config", Config)

    async def config_diff(self, wanted: Config) -> list[ConfigChange]:
        """What `apply_config` would change."""
        return await self._call("POST", "/v1/config/diff", list[ConfigChange], body=wanted)

    async def apply_config(self, wanted: Config) -> list[ConfigChange]:
        """Have these policies, rules, groups and notifications and no others; returns what changed."""
        return await self._call("PUT", "/v1/config", list[ConfigChange], body=wanted)

    # --- restore drills -----------------------------------------------------------------------------------------------

    async def run_drill(self, request: DrillRequest) -> JobView:
        return await self._call("POST", "/v1/drills", JobView, body=request)

    async def drills(self, server: str = "", *, limit: int = 50, before: str = "") -> list[DrillView]:
        """What came of them, newest first. `before`: a drill's id, to page on."""
        query = {"server": server, "limit": limit, "before": before}
        return await self._call("GET", "/v1/drills", list[DrillView], query=query)

    async def drill(self, name: str) -> DrillView:
        """By its id, which is that of its job, or a unique prefix."""
        return await self._call("GET", _named("drills", name), DrillView)

    # --- audit log ---------------------------------------------------------------------------------------------------

    async def audit(self, *, limit: int = 100, before: str = "") -> list[AuditEntry]:
        """Newest first. `before`: an entry's id, to page on."""
        return await self._call("GET", "/v1/audit", list[AuditEntry], query={"limit": limit, "before": before})


def _only_new(new: bool) -> dict[str, str]:
    return {"new": "true"} if new else {}


def _named(collection: str, name: str, rest: str = "") -> str:
    return f"/v1/{collection}/{quote(name, safe='')}{rest}"
