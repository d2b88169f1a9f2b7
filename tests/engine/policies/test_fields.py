"""What policies and content rules may not hold, field by field."""

from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.policies import BackupPolicy, Config, ContentRule
from tests.engine.policies.test_desk import refused
from tests.engine.rig import Rig


def made(name: str, *paths: str, **fields: object) -> ContentRule:
    return ContentRule(name, paths, **fields)  # type: ignore[arg-type]


RULES_THAT_CAN_T_BE: tuple[tuple[ContentRule, str, str], ...] = (
    (made("r", "/srv", excludes=("/srv",)), "excludes", "they leave out all that the rule names: /srv"),
    (made("r", "/srv/a", "/srv/b", excludes=("/srv/*",)), "excludes", "leave out all"),
    (made("r", "/srv", includes=("!*.tmp", "# all")), "includes", "no line of it means a file"),
    (made("r", "/srv", includes=("[a",)), "includes", "[a"),
    (made("r", "/srv", disk_images=("[a",)), "disk_images", "[a"),
    (made("r", "/srv", only_extensions=("jpg", "gz"), not_extensions=("*.JPG",)), "not_extensions", "jpg is in only_"),
    (made("r", "/srv", only_extensions=("tar/gz",)), "only_extensions", "'tar/gz' is no extension"),
    (made("r", "/srv", not_extensions=("*.",)), "not_extensions", "'*.' is no extension"),
    (made("r", "/srv", smallest_bytes=10, largest_bytes=5), "largest_bytes", "no file is as small as 5 bytes"),
    (made("r", "/srv", smallest_bytes=-1), "smallest_bytes", "-1 is no whole number from 0 to"),
    (made("r", "/srv", largest_bytes=(1 << 62) + 1), "largest_bytes", "is no whole number from 0 to"),
    (made("r", "/srv", changed_within_s=60, older_than_s=60), "older_than_s", "is older than 60 s as well"),
    (made("r", "/srv", changed_within_s=10**10), "changed_within_s", "is no whole number from 0 to"),
    (made("r", *(f"/srv/{number}" for number in range(1001))), "paths", "more than 1000 are too many"),
    (made("r", "/srv", excludes=("*.tmp",) * 1001), "excludes", "more than 1000 are too many"),
    (
        made("r", streams=("orders=dump.sh", "users=u.sh", "orders=other.sh")),
        "streams",
        "orders is there more than once",
    ),
    (made("r", streams=("orders",)), "streams", "orders is not of the form NAME=SCRIPT"),
    (made("r", streams=("orders=../dump.sh",)), "streams", "../dump.sh is no plain file name"),
)
POLICIES_THAT_CAN_T_BE: tuple[tuple[BackupPolicy, str, str], ...] = (
    (BackupPolicy(name="n", bandwidth=("moo 10M",)), "bandwidth", "moo"),
    (BackupPolicy(name="n", bandwidth=("mon-fri 08:00-18:00",)), "bandwidth", "08:00-18:00"),
    (BackupPolicy(name="n", pre_script="../dump.sh"), "pre_script", "../dump.sh is no plain file name"),
    (BackupPolicy(name="n", post_script="tidy up"), "post_script", "tidy up is no plain file name"),
    (BackupPolicy(name="n", script_timeout_s=0), "script_timeout_s", "0 is not from 1 to 86400"),
    (BackupPolicy(name="n", script_timeout_s=86_401), "script_timeout_s", "86401 is not from 1 to 86400"),
    (BackupPolicy(name="n", reread_every=-1), "reread_every", "-1 is no whole number from 0 to 1000"),
    (BackupPolicy(name="n", reread_every=1001), "reread_every", "1001 is no whole number from 0 to 1000"),
    (BackupPolicy(name="n", retries=11), "retries", "11 is no whole number from 0 to 10"),
)


async def test_each_field_that_can_t_be_is_named_alone_and_in_a_configuration(rig: Rig) -> None:
    for rule, field, says in RULES_THAT_CAN_T_BE:
        names(await refused(rig.client.put_rule("r", rule)), field, says)
        names(await refused(rig.client.apply_config(Config(rules=(rule,)))), field, says)
    for policy, field, says in POLICIES_THAT_CAN_T_BE:
        names(await refused(rig.client.put_policy("n", policy)), field, says)
        names(await refused(rig.client.apply_config(Config(policies=(policy,)))), field, says)
    assert await rig.client.config() == Config()


def names(error: RemoteError, field: str, says: str) -> None:
    assert (error.view().code, error.fields["field"]) == ("field_invalid", field), error.message
    assert says in error.message
