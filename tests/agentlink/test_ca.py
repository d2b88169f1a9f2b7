"""The core's certificate authority and what it signs."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from phoenix_core.agentlink.ca import CertificateAuthority, fingerprint_of
from phoenix_core.agentlink.certificates import identity_of, is_due, load_certificate, make_request, raw_public_key
from phoenix_core.agentlink.errors import BadCertificateRequest, CertificateMalformed, PkiDamaged
from tests.agentlink.bench import ShiftedClock


@pytest.fixture
def ca(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.open(tmp_path / "pki")


def _leaf(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def test_an_authority_is_made_once_and_found_again(ca: CertificateAuthority, tmp_path: Path) -> None:
    again = CertificateAuthority.open(tmp_path / "pki")
    assert again.fingerprint == ca.fingerprint == fingerprint_of(ca.ca_pem)
    assert len(ca.fingerprint) == 32
    assert timedelta(days=3650) < ca.ends_at - datetime.now(UTC) < timedelta(days=3660)


def test_keys_are_readable_by_their_owner_only(ca: CertificateAuthority, tmp_path: Path) -> None:
    ca.server_files()
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700
    for name in ("ca-key.pem", "core-key.pem"):
        assert stat.S_IMODE((tmp_path / "pki" / name).stat().st_mode) == 0o600


def test_two_authorities_differ(ca: CertificateAuthority, tmp_path: Path) -> None:
    assert CertificateAuthority.open(tmp_path / "other").fingerprint != ca.fingerprint


def test_a_peer_gets_role_and_id_from_the_core_and_ninety_days(ca: CertificateAuthority) -> None:
    key = Ed25519PrivateKey.generate()
    issued = ca.issue(make_request(key), "agent", "s0123456789")
    identity = identity_of(_leaf(issued.certificate_pem))
    assert (identity.role, identity.peer_id, identity.serial) == ("agent", "s0123456789", issued.serial)
    assert issued.public_key == raw_public_key(key.public_key())
    assert timedelta(days=89) < issued.ends_at - datetime.now(UTC) <= timedelta(days=90)
    assert issued.ca_pem == ca.ca_pem


def test_a_request_that_names_another_role_gets_the_one_the_core_grants(ca: CertificateAuthority) -> None:
    key = Ed25519PrivateKey.generate()
    wants_more = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "core")]))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier("phoenix:core")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None)
    )
    issued = _leaf(ca.issue(wants_more.public_bytes(Encoding.PEM).decode(), "agent", "s1").certificate_pem)
    assert identity_of(issued).role == "agent"
    assert not issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["phoenix:agent:s1"]


def test_only_a_storage_node_may_also_be_a_server(ca: CertificateAuthority) -> None:
    def usages(role: str) -> set[str]:
        issued = _leaf(ca.issue(make_request(Ed25519PrivateKey.generate()), role, "n1").certificate_pem)
        return {usage._name for usage in issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value}

    assert usages("agent") == {"clientAuth"}
    assert usages("storage") == {"clientAuth", "serverAuth"}


def _rsa_request() -> str:
    key = rsa.generate_private_key(65537, 2048)
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode()


def _tampered_request() -> str:
    request = x509.load_pem_x509_csr(make_request(Ed25519PrivateKey.generate()).encode())
    der = bytearray(request.public_bytes(Encoding.DER))
    der[-1] ^= 1
    return x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("request_pem", "reason"),
    [
        ("", "no certificate request"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "no certificate request"),
        ("\ud800", "no certificate request"),
        (_rsa_request(), "not Ed25519"),
        (_tampered_request(), "signature is wrong"),
    ],
    ids=["empty", "no DER", "no UTF-8", "RSA", "tampered"],
)
def test_a_bad_request_is_refused(ca: CertificateAuthority, request_pem: str, reason: str) -> None:
    with pytest.raises(BadCertificateRequest, match=reason):
        ca.issue(request_pem, "agent", "s1")


@pytest.mark.parametrize("peer_id", ["", "s:1", "a" * 65, "s 1", "../x"])
def test_an_id_that_does_not_fit_a_certificate_is_refused(ca: CertificateAuthority, peer_id: str) -> None:
    with pytest.raises(BadCertificateRequest):
        ca.issue(make_request(Ed25519PrivateKey.generate()), "agent", peer_id)


def test_the_core_keeps_its_certificate_until_a_third_of_its_life_is_left(tmp_path: Path) -> None:
    clock = ShiftedClock()
    ca = CertificateAuthority.open(tmp_path, clock)
    first = load_certificate(ca.server_files(["core.example"]).cert)
    clock.shift = timedelta(days=200)
    assert load_certificate(ca.server_files(["core.example"]).cert) == first
    clock.shift = timedelta(days=250)
    renewed = load_certificate(ca.server_files(["core.example"]).cert)
    assert renewed != first
    assert not is_due(renewed, clock.now())


def test_the_core_renews_for_a_name_that_its_certificate_does_not_cover(ca: CertificateAuthority) -> None:
    first = load_certificate(ca.server_files(["core.example", "192.0.2.7"]).cert)
    assert load_certificate(ca.server_files(["192.0.2.7"]).cert) == first
    second = load_certificate(ca.server_files(["bücher.example", "2001:db8::1"]).cert)
    assert second != first
    names = second.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "xn--bcher-kva.example" in names.get_values_for_type(x509.DNSName)
    assert load_certificate(ca.server_files(["bücher.example"]).cert) == second


def test_a_host_name_that_no_certificate_can_carry_is_left_out(ca: CertificateAuthority) -> None:
    first = load_certificate(ca.server_files(["a" * 70, "..", ""]).cert)
    assert load_certificate(ca.server_files(["a" * 70]).cert) == first


@pytest.mark.parametrize("name", ["core-key.pem", "core.pem"])
@pytest.mark.parametrize("damage", ["absent", "garbage", "of another authority"])
def test_the_core_replaces_its_own_certificate_where_it_is_damaged(
    ca: CertificateAuthority, tmp_path: Path, name: str, damage: str
) -> None:
    files = ca.server_files()
    spoilt = tmp_path / "pki" / name
    if damage == "absent":
        spoilt.unlink()
    elif damage == "garbage":
        spoilt.write_bytes(b"garbage")
    else:
        other = CertificateAuthority.open(tmp_path / "other").server_files()
        spoilt.write_bytes((other.key if "key" in name else other.cert).read_bytes())
    assert ca.server_files() == files
    files.server_context()


@pytest.mark.parametrize("name", ["ca-key.pem", "ca.pem"])
def test_a_damaged_authority_is_told_rather_than_replaced(ca: CertificateAuthority, tmp_path: Path, name: str) -> None:
    (tmp_path / "pki" / name).write_bytes(b"garbage")
    with pytest.raises(PkiDamaged):
        CertificateAuthority.open(tmp_path / "pki")


def test_a_lost_key_of_the_authority_is_told(ca: CertificateAuthority, tmp_path: Path) -> None:
    (tmp_path / "pki" / "ca-key.pem").unlink()
    with pytest.raises(PkiDamaged):
        CertificateAuthority.open(tmp_path / "pki")


def test_a_key_that_does_not_fit_the_authority_is_told(ca: CertificateAuthority, tmp_path: Path) -> None:
    CertificateAuthority.open(tmp_path / "other")
    (tmp_path / "pki" / "ca-key.pem").write_bytes((tmp_path / "other" / "ca-key.pem").read_bytes())
    with pytest.raises(PkiDamaged, match="not the key"):
        CertificateAuthority.open(tmp_path / "pki")


def test_an_authority_whose_making_was_interrupted_is_completed(tmp_path: Path) -> None:
    first = CertificateAuthority.open(tmp_path)
    (tmp_path / "ca.pem").unlink()
    again = CertificateAuthority.open(tmp_path)
    assert again.ca_pem != first.ca_pem
    again.server_files().server_context()


def test_no_peer_certificate_outlives_the_authority(tmp_path: Path) -> None:
    clock = ShiftedClock()
    ca = CertificateAuthority.open(tmp_path, clock)
    clock.shift = timedelta(days=3650)
    issued = ca.issue(make_request(Ed25519PrivateKey.generate()), "agent", "s1")
    assert issued.ends_at == ca.ends_at


def test_a_certificate_without_a_role_is_malformed(ca: CertificateAuthority) -> None:
    with pytest.raises(CertificateMalformed):
        identity_of(_leaf(ca.ca_pem))
