"""Whose name a leaf carries, and when two identities are the same."""

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from ike.crypto import distinguished_name
from ike.crypto.certificates import decode
from ike.crypto.names import match_identity, same_identity
from ike.errors import ConfigError, PeerError
from ike.identity import Identity
from ike.registry import IdType, NotifyType
from tests.certificates import Authority, Issued

NAME = "gw.hospital.test"
GATEWAY = Identity.fqdn(NAME)
MIDDLE = Authority.create("Hospital Root").intermediate("Hospital Issuing")
LEAF = MIDDLE.issue(NAME)


def carries(issued: Issued, wanted: Identity, allow_common_name: bool = False) -> bool:
    """Tell whether the leaf carries the identity; a refusal must bear the right code."""
    refusal: PeerError | None = None
    try:
        match_identity(decode(issued.der), wanted, allow_common_name)
    except PeerError as error:
        refusal = error
    assert refusal is None or (refusal.code, refusal.notify) == ("gateway.identity", NotifyType.AUTHENTICATION_FAILED)
    return refusal is None


def test_a_host_name_matches_whole_and_without_case() -> None:
    issued = MIDDLE.issue(NAME, "second.hospital.test")
    assert carries(issued, GATEWAY)
    assert carries(issued, Identity.fqdn("GW.Hospital.TEST"))
    assert carries(issued, Identity.fqdn("second.hospital.test"))
    for other in ("hospital.test", "gw.hospital.test.evil.test", "gw.hospital.tes", "xgw.hospital.test", "gw"):
        assert not carries(issued, Identity.fqdn(other))


def test_a_wildcard_matches_nothing() -> None:
    issued = MIDDLE.issue("*.hospital.test", subject="*.hospital.test")
    for wanted in (GATEWAY, Identity.fqdn("*.hospital.test")):
        assert not carries(issued, wanted)
        assert not carries(issued, wanted, allow_common_name=True)
    assert not carries(
        MIDDLE.issue(subject="*.hospital.test"), Identity.fqdn("*.hospital.test"), allow_common_name=True
    )


def test_a_name_with_an_embedded_zero_is_not_its_beginning() -> None:
    issued = MIDDLE.issue(x509.DNSName("gw.hospital.test\0.evil.test"), subject="x")
    assert not carries(issued, GATEWAY)


def test_the_common_name_counts_only_by_policy_and_only_without_a_host_name_beside_it() -> None:
    bare = MIDDLE.issue(subject=NAME)
    assert not carries(bare, GATEWAY)
    assert carries(bare, GATEWAY, allow_common_name=True)
    other = MIDDLE.issue("other.hospital.test", subject=NAME)
    assert not carries(other, GATEWAY, allow_common_name=True)
    beside = MIDDLE.issue("192.0.2.1", subject=NAME)
    assert carries(beside, GATEWAY, allow_common_name=True)


def test_an_address_matches_only_an_address_name() -> None:
    issued = MIDDLE.issue("192.0.2.1", "2001:db8::1")
    assert carries(issued, Identity.address("192.0.2.1"))
    assert carries(issued, Identity.address("2001:db8:0::1"))
    assert not carries(issued, Identity.address("192.0.2.2"))
    assert not carries(issued, Identity.fqdn("192.0.2.1"))
    assert not carries(MIDDLE.issue(x509.DNSName("192.0.2.1")), Identity.address("192.0.2.1"), allow_common_name=True)


def test_a_mail_address_minds_case_before_the_at_only() -> None:
    issued = MIDDLE.issue("vpn@hospital.test")
    assert carries(issued, Identity.email("vpn@HOSPITAL.test"))
    assert not carries(issued, Identity.email("VPN@hospital.test"))
    assert not carries(issued, Identity.email("@hospital.test"))


def test_a_distinguished_name_matches_the_subject_whatever_string_type_it_uses() -> None:
    oid = x509.NameOID
    parts = [(oid.COUNTRY_NAME, "JP"), (oid.ORGANIZATION_NAME, "東京病院"), (oid.COMMON_NAME, "gw")]
    issued = MIDDLE.issue(NAME, subject=x509.Name([x509.NameAttribute(kind, value) for kind, value in parts]))
    assert carries(issued, distinguished_name("C=JP, O=東京病院, CN=gw"))
    printable = [x509.NameAttribute(kind, value) for kind, value in parts[:2]]
    printable.append(x509.NameAttribute(oid.COMMON_NAME, "gw", x509.name._ASN1Type.PrintableString))
    assert carries(issued, Identity.dn(x509.Name(printable).public_bytes()))
    for other in ("C=JP, O=東京病院, CN=gw2", "CN=gw, O=東京病院, C=JP", "C=JP, O=東京病院", "C=JP, O=東京病院, CN=GW"):
        assert not carries(issued, distinguished_name(other))


def test_values_that_are_no_text_are_compared_octet_by_octet() -> None:
    def name(value: str) -> Identity:
        return Identity.dn(bytes.fromhex("300d310b30090603550403" + value))

    bits, same, other = name("03020780"), name("03020780"), name("03020740")
    assert same_identity(bits, same)
    assert not same_identity(bits, other)
    assert not same_identity(name("0c02ff80"), name("0c02ff80")), "text that does not decode equals nothing"


def test_an_empty_name_or_unknown_kind_matches_nothing() -> None:
    nameless = MIDDLE.issue(subject=x509.Name([]))
    for wanted in (
        Identity.dn(b"\x30\x00"),
        Identity.dn(b""),
        Identity(IdType.FQDN, b""),
        Identity(IdType.KEY_ID, b""),
    ):
        assert not carries(nameless, wanted)
    for kind in (IdType.FQDN, IdType.RFC822_ADDR, IdType.DER_ASN1_DN, IdType.IPV4_ADDR):
        assert not same_identity(Identity(kind, b""), Identity(kind, b""))
    assert not carries(LEAF, Identity(IdType.KEY_ID, NAME.encode()))
    assert not carries(LEAF, Identity(201, NAME.encode()))


@given(kind=st.integers(0, 255), data=st.binary(max_size=80))
def test_any_identity_at_all_is_matched_or_refused(kind: int, data: bytes) -> None:
    assert not carries(LEAF, Identity(kind, data))
    assert same_identity(Identity(kind, data), Identity(kind, data)) in (True, False)


def test_an_identity_of_64_kib_is_refused_in_one_short_line() -> None:
    for kind in (IdType.FQDN, IdType.DER_ASN1_DN, IdType.KEY_ID, 99):
        with pytest.raises(PeerError) as caught:
            match_identity(decode(LEAF.der), Identity(kind, b"\x1b[2J" * 16384))
        assert len(caught.value.detail) < 1000
        assert "\x1b" not in str(caught.value)


def test_a_distinguished_name_is_written_in_its_encoded_order() -> None:
    for text in ("C=JP, O=Hospital, CN=gateway", "C=JP, O=A\\, B, CN=gateway", "O=東京病院, CN=gw"):
        assert distinguished_name(text).describe() == text
    for bad in ("", " ", "gateway", "CN", "=x", "CN=a,,"):
        with pytest.raises(ConfigError, match="distinguished name"):
            distinguished_name(bad)
