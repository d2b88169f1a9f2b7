"""Puts a whole configuration in force: all of it, or nothing."""

from collections.abc import Sequence

from phoenix_core.catalog.alert_rows import ChannelRow, NotificationRuleRow
from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.notifications import replace_notifications
from phoenix_core.catalog.policies import replace_policies
from phoenix_core.catalog.rows import GroupRow, PolicyRow, RuleRow


class WholeConfig:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def replace(
        self,
        policies: Sequence[PolicyRow],
        rules: Sequence[RuleRow],
        groups: Sequence[GroupRow],
        channels: Sequence[ChannelRow],
        notifications: Sequence[NotificationRuleRow],
    ) -> None:
        """Have these and no others, in one transaction."""
        async with self._catalog.writing() as connection:
            await replace_policies(connection, policies, rules, groups)
            await replace_notifications(connection, channels, notifications)
