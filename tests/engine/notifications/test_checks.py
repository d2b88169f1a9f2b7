"""What channels may hold: what is wrong is refused with the field's name."""

from pathlib import Path

import msgspec
import pytest

from phoenix_core.domain.notifications import Channel, ChannelKind, Security
from phoenix_core.engine.notifications.checks import check_channel, check_secret
from phoenix_core.engine.policies.errors import FieldInvalid

MAIL = Channel(name="ops", host="mail.example.org", sender="phoenix@example.org", recipients=("ops@example.org",))
HOOK = Channel(name="hook", kind=ChannelKind.WEBHOOK, url="https://hooks.example.org/phoenix")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a\nb"),
        ("host", ""),
        ("host", "mail.example.org\r\nQUIT"),
        ("host", "-"),
        ("port", 70000),
        ("sender", "phoenix"),
        ("sender", "phoenix@example.org\r\nBcc: x@example.net"),
        ("recipients", ()),
        ("recipients", ("ops@example.org, other@example.org",)),
        ("recipients", ("<ops@example.org>",)),
        ("recipients", ("ops@example.org",) * 51),
        ("user", "phoenix\n"),
        ("url", "https://example.org"),
        ("ca_file", "relative.pem"),
        ("ca_file", "/no/such/file.pem"),
    ],
)
def test_of_a_mail_channel(field: str, value: object) -> None:
    check_channel(MAIL)
    if (field, value) == ("host", "-"):
        check_channel(msgspec.structs.replace(MAIL, host="-"))  # odd, and a name all the same
        return
    with pytest.raises(FieldInvalid) as refused:
        check_channel(msgspec.structs.replace(MAIL, **{field: value}))
    assert refused.value.fields["field"] == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", ""),
        ("url", "ftp://example.org/x"),
        ("url", "https://"),
        ("url", "https://user:pass@example.org/x"),
        ("url", "https://example.org/a b"),
        ("url", "https://example.org:99999/"),
        ("url", "https://{secret}.example.org/"),
        ("url", "http://example.org/{secret}"),
        ("url", "https://example.org/" + "x" * 2000),
        ("host", "mail.example.org"),
        ("recipients", ("ops@example.org",)),
    ],
)
def test_of_a_webhook(field: str, value: object) -> None:
    check_channel(HOOK)
    with pytest.raises(FieldInvalid) as refused:
        check_channel(msgspec.structs.replace(HOOK, **{field: value}))
    assert refused.value.fields["field"] == field


def test_a_password_does_not_cross_a_network_in_the_clear() -> None:
    plain = msgspec.structs.replace(MAIL, user="phoenix", security=Security.NONE)
    with pytest.raises(FieldInvalid, match="in the clear"):
        check_channel(plain)
    check_channel(msgspec.structs.replace(plain, host="localhost"))
    check_channel(msgspec.structs.replace(plain, host="::1"))
    check_channel(msgspec.structs.replace(HOOK, url="http://127.0.0.1:8080/{secret}"))


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    with pytest.raises(FieldInvalid, match="holds no certificates"):
        check_channel(msgspec.structs.replace(MAIL, ca_file=str(file)))


@pytest.mark.parametrize("secret", ["two\nlines", "x" * 5000, "null\0"])
def test_a_secret_is_one_line(secret: str) -> None:
    with pytest.raises(FieldInvalid, match="secret"):
        check_secret("ops", secret)
